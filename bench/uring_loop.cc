#include "bench/uring_loop.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/uio.h>

#include <array>
#include <cerrno>
#include <utility>

#include "lib/base/assert.h"
#include "lib/base/try.h"

namespace nacre::bench {
namespace {

Error ring_error(const char* what, int result) {
  return Error(ErrorCode::kIo, what).with_errno(-result);
}

}  // namespace

UringLoop::UringLoop(Descriptor file, const Transfer& transfer, std::size_t file_bytes)
    : file_(std::move(file)),
      transfer_(transfer),
      offsets_(transfer, file_bytes),
      buffers_(transfer),
      begun_(transfer.depth) {}

UringLoop::~UringLoop() {
  if (!has_ring_) return;
  // After an error transfers may be on their way into the buffers still.
  while (in_flight_ > 0) {
    const std::size_t before = in_flight_;
    static_cast<void>(turn(/*go_on=*/false));
    if (in_flight_ == before) break;
  }
  io_uring_queue_exit(&ring_);
}

Result<std::unique_ptr<UringLoop>> UringLoop::open(const DataFile::Place& place,
                                                   const Transfer& transfer, bool data_sync) {
  const int flags = O_RDWR | O_DIRECT | O_CLOEXEC | (data_sync ? O_DSYNC : 0);
  Descriptor file(::open(place.path.c_str(), flags));
  if (file.get() < 0) {
    return Error(ErrorCode::kIo, "cannot open with O_DIRECT")
        .with_errno(errno)
        .with_path(place.path);
  }
  auto loop = std::unique_ptr<UringLoop>(new UringLoop(std::move(file), transfer, place.bytes));
  NACRE_TRY(loop->set_up());
  return loop;
}

Status UringLoop::set_up() {
  // The best the kernel has comes first.
  constexpr std::array kFlags{IORING_SETUP_SINGLE_ISSUER | IORING_SETUP_DEFER_TASKRUN,
                              IORING_SETUP_COOP_TASKRUN, 0U};
  int result = 0;
  for (const unsigned flags : kFlags) {
    result = io_uring_queue_init(static_cast<unsigned>(transfer_.depth), &ring_, flags);
    if (result != -EINVAL) break;
  }
  if (result < 0) return ring_error("cannot make a ring", result);
  has_ring_ = true;
  const int file = file_.get();
  result = io_uring_register_files(&ring_, &file, 1);
  if (result < 0) return ring_error("cannot register the file", result);
  const iovec memory{buffers_.all().data(), buffers_.all().size()};
  result = io_uring_register_buffers(&ring_, &memory, 1);
  if (result < 0) return ring_error("cannot register the buffers", result);
  // Missing on older kernels, where it only costs a look-up.
  static_cast<void>(io_uring_register_ring_fd(&ring_));
  return {};
}

void UringLoop::begin(std::size_t slot) {
  constexpr int kFile = 0;
  constexpr int kMemory = 0;
  io_uring_sqe* const sqe = io_uring_get_sqe(&ring_);
  NACRE_ASSERT(sqe != nullptr && "the ring has an entry for each transfer in flight");
  const std::span<std::byte> buffer = buffers_.at(slot);
  const auto bytes = static_cast<unsigned>(buffer.size());
  if (transfer_.write) {
    io_uring_prep_write_fixed(sqe, kFile, buffer.data(), bytes, offsets_.next(), kMemory);
  } else {
    io_uring_prep_read_fixed(sqe, kFile, buffer.data(), bytes, offsets_.next(), kMemory);
  }
  sqe->flags |= IOSQE_FIXED_FILE;
  io_uring_sqe_set_data64(sqe, slot);
  if (with_latency_) begun_[slot] = SteadyClock::now();
  ++in_flight_;
}

void UringLoop::begin_all() {
  for (std::size_t slot = 0; slot < transfer_.depth; ++slot) begin(slot);
}

/// Waits for at least one transfer to end, and returns how many have.
Result<std::uint64_t> UringLoop::turn(bool go_on) {
  const int submitted = io_uring_submit_and_wait(&ring_, 1);
  if (submitted < 0 && submitted != -EINTR) return ring_error("cannot submit", submitted);
  unsigned head = 0;
  unsigned ended = 0;
  int wrong = 0;
  io_uring_cqe* cqe = nullptr;
  const SteadyClock::time_point now =
      with_latency_ ? SteadyClock::now() : SteadyClock::time_point();
  io_uring_for_each_cqe(&ring_, head, cqe) {
    ++ended;
    --in_flight_;
    if (cqe->res != static_cast<int>(transfer_.bytes)) wrong = cqe->res < 0 ? cqe->res : -EIO;
    const auto slot = static_cast<std::size_t>(io_uring_cqe_get_data64(cqe));
    if (with_latency_) {
      latencies_ns_.push_back(static_cast<std::uint64_t>((now - begun_[slot]).count()));
    }
    if (go_on) begin(slot);
  }
  io_uring_cq_advance(&ring_, ended);
  if (wrong != 0) return ring_error("a transfer failed or came short", wrong);
  return ended;
}

Status UringLoop::drain() {
  while (in_flight_ > 0) static_cast<void>(NACRE_TRY(turn(/*go_on=*/false)));
  return {};
}

Result<Sample> UringLoop::run(Nanoseconds slice, bool with_latency) {
  with_latency_ = with_latency;
  latencies_ns_.clear();
  std::uint64_t ended = 0;
  const Stopwatch watch;
  begin_all();
  while (watch.elapsed() < slice) ended += NACRE_TRY(turn(/*go_on=*/true));
  Sample sample = transfer_.sample(ended, watch);
  NACRE_TRY(drain());
  if (with_latency) {
    sample.beside["p50_ns"] = percentile(latencies_ns_, 0.50);
    sample.beside["p99_ns"] = percentile(latencies_ns_, 0.99);
  }
  return sample;
}

Status UringLoop::run_until(const std::atomic<bool>& stop, std::atomic<std::uint64_t>& ended) {
  begin_all();
  // Relaxed: neither says anything about other memory.
  while (!stop.load(std::memory_order_relaxed)) {
    ended.fetch_add(NACRE_TRY(turn(/*go_on=*/true)), std::memory_order_relaxed);
  }
  return drain();
}

}  // namespace nacre::bench
