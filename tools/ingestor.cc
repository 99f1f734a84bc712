#include "tools/ingestor.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <utility>

#include "lib/base/try.h"
#include "tools/output.h"

namespace nacre::tools {

Result<AckSink> AckSink::open(const std::string& target) {
  if (target.empty()) return AckSink(-1);
  int descriptor = -1;
  const char* end = target.data() + target.size();
  const auto parsed = std::from_chars(target.data(), end, descriptor);
  if (parsed.ec == std::errc() && parsed.ptr == end) {
    if (::fcntl(descriptor, F_GETFD) < 0) {
      const int cause = errno;
      return Error(ErrorCode::kInvalidArgument,
                   fmt::format("--acks names descriptor {}, which is not open", descriptor))
          .with_errno(cause);
    }
    return AckSink(descriptor);
  }
  descriptor = ::open(target.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
  if (descriptor < 0) {
    const int cause = errno;
    return Error(ErrorCode::kIo, "cannot create the file for acknowledgements")
        .with_errno(cause)
        .with_path(target);
  }
  return AckSink(descriptor);
}

AckSink::AckSink(AckSink&& other) noexcept : descriptor_(std::exchange(other.descriptor_, -1)) {}

AckSink::~AckSink() {
  if (descriptor_ > STDERR_FILENO) ::close(descriptor_);
}

Status AckSink::tell(Offset durable_end) {
  if (descriptor_ < 0) return {};
  return write_all(descriptor_, as_bytes(fmt::format("{}\n", durable_end.value)));
}

Ingestor::Ingestor(Partition partition, AckSink& acks, WriterStats& stats, Clock& clock,
                   IngestWindow window)
    : partition_(partition),
      acks_(acks),
      stats_(stats),
      clock_(clock),
      window_(window),
      told_(partition.durable_end()) {}

Status Ingestor::add(Bytes record) {
  while (window_is_full(record.size())) NACRE_TRY(wait_for_oldest());
  const std::uint64_t begin_ns = clock_.monotonic_ns();
  if (in_flight_.empty()) busy_since_ns_ = begin_ns;
  const Offset offset = NACRE_TRY(partition_.submit({.value = record}));
  in_flight_.push_back({.offset = offset, .begin_ns = begin_ns, .bytes = record.size()});
  in_flight_bytes_ += record.size();
  return acknowledge();
}

Status Ingestor::settle() {
  if (in_flight_.empty()) return {};
  NACRE_TRY(partition_.wait(in_flight_.back().offset));
  return acknowledge();
}

bool Ingestor::window_is_full(std::size_t next_bytes) const noexcept {
  if (in_flight_.empty()) return false;
  return in_flight_.size() >= window_.records || in_flight_bytes_ + next_bytes > window_.bytes;
}

Status Ingestor::wait_for_oldest() {
  // Only the oldest: what was submitted behind it forms the next group while this one is written.
  NACRE_TRY(partition_.wait(in_flight_.front().offset));
  return acknowledge();
}

Status Ingestor::acknowledge() {
  const Offset durable_end = partition_.durable_end();
  if (durable_end <= told_) return {};
  const std::uint64_t now_ns = clock_.monotonic_ns();
  while (!in_flight_.empty() && in_flight_.front().offset < durable_end) {
    const InFlight& oldest = in_flight_.front();
    stats_.latency.add(now_ns - oldest.begin_ns);
    stats_.records += 1;
    stats_.bytes += oldest.bytes;
    in_flight_bytes_ -= oldest.bytes;
    in_flight_.pop_front();
  }
  stats_.writing_ns += now_ns - std::exchange(busy_since_ns_, now_ns);
  told_ = durable_end;
  return acks_.tell(durable_end);
}

}  // namespace nacre::tools
