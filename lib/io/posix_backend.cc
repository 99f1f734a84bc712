#include "lib/io/posix_backend.h"

namespace nacre {

PosixBackend::PosixBackend(FileSystem& file_system, const Options& options)
    : depth_(options.depth),
      pool_(std::make_unique<PosixPool>(*this, file_system, options.depth, options.threads)) {
  info_.name = "posix";
  info_.reason = options.reason;
}

PosixBackend::~PosixBackend() {
  if (forked_.in_child()) static_cast<void>(pool_.release());
}

void PosixBackend::submit(std::span<IoOperation* const> operations, bool reap_follows) {
  if (forked_.in_child()) return forked_.refuse(operations);
  pool_->submit(operations, reap_follows);
}

std::size_t PosixBackend::reap(std::span<IoOperation*> ended, std::uint64_t wait_ns) {
  return forked_.in_child() ? forked_.take(ended) : pool_->reap(ended, wait_ns);
}

void PosixBackend::wake() noexcept {
  if (!forked_.in_child()) pool_->wake();
}

void PosixBackend::cancel(IoOperation& operation) {
  if (!forked_.in_child()) pool_->cancel(operation);
}

}  // namespace nacre
