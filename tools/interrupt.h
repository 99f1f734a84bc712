#pragma once

// Ctrl-C as a wish to finish in order, rather than a death in the middle.

#include <cstdint>

namespace nacre::tools {

/// From here on SIGINT and SIGTERM only set the flag below; a system call that waits is
/// interrupted (EINTR). A second signal kills as usual.
void stop_on_signals() noexcept;

/// True once a signal has come. Thread safety: any thread.
bool stop_requested() noexcept;

/// Sleeps for `duration_ms`, or shorter when a signal comes or the reader of `descriptor` (a pipe)
/// has gone. Returns false in both of these cases.
bool sleep_unless_stopped(std::uint32_t duration_ms, int descriptor) noexcept;

}  // namespace nacre::tools
