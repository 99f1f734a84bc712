#include "lib/io/uring_bell.h"

#include <poll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <cerrno>
#include <ctime>
#include <utility>

#include "lib/io/errno_error.h"
#include "nacre/io.h"

namespace nacre {

Result<UringBell> UringBell::make() {
  const int descriptor = ::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
  if (descriptor < 0) return error_from_errno(errno, "make an eventfd", {});
  return UringBell(descriptor);
}

UringBell::UringBell(UringBell&& other) noexcept
    : descriptor_(std::exchange(other.descriptor_, -1)) {}

UringBell::~UringBell() {
  if (descriptor_ >= 0) ::close(descriptor_);
}

void UringBell::ring() noexcept {
  // It fails only when it has been rung 2^64 times, and then rings anyway.
  static_cast<void>(::eventfd_write(descriptor_, 1));
}

void UringBell::silence() noexcept {
  eventfd_t count = 0;
  static_cast<void>(::eventfd_read(descriptor_, &count));
}

void UringBell::wait(std::uint64_t wait_ns) noexcept {
  constexpr std::uint64_t kSecond = 1'000'000'000;
  const timespec time{.tv_sec = static_cast<time_t>(wait_ns / kSecond),
                      .tv_nsec = static_cast<long>(wait_ns % kSecond)};
  pollfd look{.fd = descriptor_, .events = POLLIN, .revents = 0};
  ::ppoll(&look, 1, wait_ns == IoBackend::kForever ? nullptr : &time, nullptr);
  silence();
}

}  // namespace nacre
