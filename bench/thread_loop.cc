#include "bench/thread_loop.h"

#include <fcntl.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <optional>
#include <thread>
#include <vector>

#include "lib/base/try.h"

namespace nacre::bench {

Result<std::unique_ptr<ThreadLoop>> ThreadLoop::open(const DataFile::Place& place,
                                                     const Transfer& transfer) {
  Descriptor file(::open(place.path.c_str(), O_RDWR | O_DIRECT | O_CLOEXEC));
  if (file.get() < 0) {
    return Error(ErrorCode::kIo, "cannot open with O_DIRECT")
        .with_errno(errno)
        .with_path(place.path);
  }
  return std::unique_ptr<ThreadLoop>(new ThreadLoop(std::move(file), transfer, place.bytes));
}

Status ThreadLoop::one(std::size_t thread) {
  const std::span<std::byte> buffer = buffers_.at(thread);
  const auto offset = static_cast<off_t>(offsets_.next());
  const ssize_t moved = transfer_.write ? pwrite(file_.get(), buffer.data(), buffer.size(), offset)
                                        : pread(file_.get(), buffer.data(), buffer.size(), offset);
  if (moved == static_cast<ssize_t>(buffer.size())) return {};
  return Error(ErrorCode::kIo, "a transfer failed or came short")
      .with_errno(moved < 0 ? errno : EIO);
}

Result<Sample> ThreadLoop::run(Nanoseconds slice) {
  std::atomic<std::uint64_t> ended{0};
  std::vector<std::optional<Error>> errors(transfer_.depth);
  const Stopwatch watch;
  const auto work = [&](std::size_t thread) {
    std::uint64_t own = 0;
    while (watch.elapsed() < slice && !errors[thread]) {
      if (Status moved = one(thread); !moved) errors[thread] = moved.error();
      ++own;
    }
    // Relaxed: read once the threads have been joined.
    ended.fetch_add(own, std::memory_order_relaxed);
  };
  if (transfer_.depth == 1) {
    work(0);
  } else {
    std::vector<std::jthread> threads;
    for (std::size_t i = 0; i < transfer_.depth; ++i) threads.emplace_back(work, i);
  }
  for (const std::optional<Error>& error : errors) {
    if (error) return *error;
  }
  return transfer_.sample(ended.load(std::memory_order_relaxed), watch);
}

}  // namespace nacre::bench
