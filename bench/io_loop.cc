#include "bench/io_loop.h"

#include <utility>

#include "lib/base/try.h"

namespace nacre::bench {

IoLoop::IoLoop(IoStack& stack, const Transfer& transfer, IoClass io_class)
    : stack_(stack),
      transfer_(transfer),
      io_class_(io_class),
      offsets_(transfer, stack.file_bytes()),
      memory_(transfer),
      registration_(stack.scheduler().backend(), memory_.all()) {}

Result<Sample> IoLoop::measure(Nanoseconds slice) {
  const Stopwatch watch;
  begin(IoDriver::kCaller);
  const auto over = [&] { return watch.elapsed() >= slice || idle(); };
  while (!over() && !stack_.scheduler().drive(over)) {
  }
  const Sample sample = transfer_.sample(ended(), watch);
  NACRE_TRY(stop());
  return sample;
}

void IoLoop::begin(IoDriver driver) {
  stopping_.store(false, std::memory_order_relaxed);
  ended_.store(0, std::memory_order_relaxed);
  in_flight_.store(memory_.count(), std::memory_order_relaxed);
  for (std::size_t i = 0; i < memory_.count(); ++i) {
    std::vector<IoBuffer> buffers;
    buffers.push_back(IoBuffer::borrow(memory_.at(i), registration_.slot()));
    submit(std::move(buffers), driver);
  }
}

Status IoLoop::stop() {
  stopping_.store(true, std::memory_order_relaxed);
  const auto none_left = [&] { return idle(); };
  while (!idle() && !stack_.scheduler().drive(none_left)) {
    if (const std::size_t left = in_flight_.load(std::memory_order_acquire); left > 0) {
      in_flight_.wait(left, std::memory_order_acquire);
    }
  }
  if (error_) return *error_;
  return {};
}

void IoLoop::submit(std::vector<IoBuffer> buffers, IoDriver driver) {
  IoRequest request;
  request.kind = transfer_.write ? IoKind::kWrite : IoKind::kRead;
  request.io_class = io_class_;
  request.file = &stack_.file();
  request.offset = offsets_.next();
  request.buffers = std::move(buffers);
  stack_.scheduler().submit(
      std::move(request), [this](IoCompletion completion) { end(std::move(completion)); }, driver);
}

void IoLoop::end(IoCompletion completion) {
  ended_.fetch_add(1, std::memory_order_relaxed);
  if (!error_ && !completion.status) error_ = completion.status.error();
  if (!error_ && completion.bytes != transfer_.bytes) {
    error_ = Error(ErrorCode::kIo, "a transfer came short");
  }
  if (!error_ && !stopping_.load(std::memory_order_relaxed)) {
    return submit(std::move(completion.buffers), IoDriver::kCaller);
  }
  in_flight_.fetch_sub(1, std::memory_order_release);
  in_flight_.notify_all();
}

}  // namespace nacre::bench
