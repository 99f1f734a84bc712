#include "emulation/explorer/exit_guard.h"

#include <atomic>
#include <cstdio>
#include <cstdlib>
#include <utility>

#include "lib/base/assert.h"

namespace nacre {
namespace {

// Written by the thread that explores, and read by the one that exits.
std::atomic<ExitGuard*> innermost = nullptr;

}  // namespace

ExitGuard::ExitGuard(std::function<std::string()> explain)
    : explain_(std::move(explain)), process_(::getpid()) {
  static const bool registered = std::atexit(&on_exit) == 0 && std::at_quick_exit(&on_exit) == 0;
  NACRE_ASSERT(registered);
  // Release: on_exit acquires it, and sees what the guard holds.
  outer_ = innermost.exchange(this, std::memory_order_acq_rel);
}

ExitGuard::~ExitGuard() { innermost.store(outer_, std::memory_order_release); }

void ExitGuard::on_exit() noexcept {
  // Once: what explains may exit, too.
  const ExitGuard* const guard = innermost.exchange(nullptr, std::memory_order_acq_rel);
  if (guard == nullptr || guard->process_ != ::getpid()) return;
  std::fputs(guard->explain_().c_str(), stderr);
  // What the test framework has said so far would be lost with the buffers.
  std::fflush(nullptr);
  ::_exit(1);
}

}  // namespace nacre
