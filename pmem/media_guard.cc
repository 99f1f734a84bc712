#include "pmem/media_guard.h"

#include <ucontext.h>

#include <csetjmp>
#include <csignal>
#include <cstdint>
#include <cstring>

#include "pmem/store_key.h"

namespace nacre::pmem {
namespace {

/// One running catch_media_fault. Lives on its stack.
struct GuardFrame {
  std::uintptr_t begin = 0;
  std::uintptr_t end = 0;
  GuardFrame* outer = nullptr;
  /// A handler runs without what the thread may do with pages under protection keys, and whoever
  /// jumps out of it goes on so.
  std::uint32_t rights = 0;
  /// Written by the handler, read after the jump back.
  const std::byte* volatile fault = nullptr;
  sigjmp_buf resume;
};

// The handler reads this in a thread that may never have guarded anything; the model makes that a
// plain load, where a lazily allocated one would call malloc.
__attribute__((tls_model("initial-exec"))) constinit thread_local GuardFrame* volatile innermost =
    nullptr;

/// What the handler hands on to. Written once, before the handler stands.
struct sigaction previous_action;

GuardFrame* find_frame(const void* address) noexcept {
  const auto at = reinterpret_cast<std::uintptr_t>(address);
  for (GuardFrame* frame = innermost; frame != nullptr; frame = frame->outer) {
    if (at >= frame->begin && at < frame->end) return frame;
  }
  return nullptr;
}

/// True for a fault of the running instruction, as opposed to a signal somebody sent.
bool is_access_fault(const siginfo_t& info) noexcept {
  return info.si_code == BUS_ADRERR || info.si_code == BUS_OBJERR || info.si_code == BUS_MCEERR_AR;
}

/// Does what the process would have done without this handler.
void hand_on(int signal_number, siginfo_t* info, void* context) noexcept {
  if ((previous_action.sa_flags & SA_SIGINFO) != 0) {
    previous_action.sa_sigaction(signal_number, info, context);
    return;
  }
  if (previous_action.sa_handler == SIG_IGN && info->si_code <= 0) return;
  if (previous_action.sa_handler != SIG_DFL && previous_action.sa_handler != SIG_IGN) {
    previous_action.sa_handler(signal_number);
    return;
  }
  // An instruction at fault is run again on return, and kills the process this time (the kernel
  // lets nobody ignore that); a signal that was sent is sent again.
  struct sigaction action{};
  action.sa_handler = SIG_DFL;
  sigaction(signal_number, &action, nullptr);
  if (!is_access_fault(*info)) raise(signal_number);
}

void on_sigbus(int signal_number, siginfo_t* info, void* context) {
  GuardFrame* const frame = is_access_fault(*info) ? find_frame(info->si_addr) : nullptr;
  if (frame == nullptr) {
    hand_on(signal_number, info, context);
    return;
  }
  frame->fault = static_cast<const std::byte*>(info->si_addr);
  // Sets the mask back to what it was at the fault, where a guard that saved it at its start would
  // cost a system call each time. (ThreadSanitizer blocks every signal around a handler.)
  pthread_sigmask(SIG_SETMASK, &static_cast<const ucontext_t*>(context)->uc_sigmask, nullptr);
  siglongjmp(frame->resume, 1);
}

/// Returns whether threads have rights that a handler does not.
bool install_handler() noexcept {
  struct sigaction action{};
  action.sa_sigaction = &on_sigbus;
  sigemptyset(&action.sa_mask);
  // SA_NODEFER: what is handed on may fault or raise again and dies as it would have without us.
  // SA_ONSTACK: for those who have an alternate stack.
  action.sa_flags = SA_SIGINFO | SA_NODEFER | SA_ONSTACK;
  // Read first: a fault of another thread may come as soon as the handler stands.
  sigaction(SIGBUS, nullptr, &previous_action);
  sigaction(SIGBUS, &action, nullptr);
  return probe_store_keys().kernel;
}

/// Apart from its caller, so that no local of that one lives across the jump.
[[gnu::noinline]] void run_guarded(GuardFrame& frame, GuardedBody body, void* context) noexcept {
  if (sigsetjmp(frame.resume, 0) == 0) body(context);
}

}  // namespace

const std::byte* catch_media_fault(Bytes range, GuardedBody body, void* context) noexcept {
  // One load where it stands already: a read of a few hundred nanoseconds pays for this each time.
  static const bool has_keys = install_handler();

  GuardFrame frame;
  if (has_keys) frame.rights = read_rights();
  frame.begin = reinterpret_cast<std::uintptr_t>(range.data());
  frame.end = frame.begin + range.size();
  frame.outer = innermost;
  innermost = &frame;
  run_guarded(frame, body, context);
  innermost = frame.outer;
  if (has_keys && frame.fault != nullptr) [[unlikely]]
    write_rights(frame.rights);
  return frame.fault;
}

}  // namespace nacre::pmem
