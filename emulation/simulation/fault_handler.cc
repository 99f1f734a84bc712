#include "emulation/simulation/fault_handler.h"

#include <ucontext.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <csignal>
#include <mutex>

#include "emulation/simulation/media.h"
#include "emulation/simulation/streaming_store.h"
#include "emulation/simulation/turn_scheduler.h"
#include "lib/base/assert.h"

#if !defined(__x86_64__)
#error "nacre's simulated media step over stores with the trap flag of x86-64"
#endif

namespace nacre {
namespace {

/// Bit 8 of RFLAGS: a debug exception follows the next instruction (Intel SDM, volume 1, 3.4.3.3).
constexpr greg_t kTrapFlag = 0x100;
/// Bit 1 of a page fault's error code: the access was a write (Intel SDM, volume 3, 4.7).
constexpr greg_t kWriteAccess = 0x2;

struct Watched {
  std::atomic<Media*> media{nullptr};
  std::atomic<const std::byte*> begin{nullptr};
  std::atomic<std::size_t> bytes{0};
};

std::array<Watched, FaultHandler::kMaxWatched> all_watched;
std::mutex watch_mutex;
struct sigaction previous_segv;
struct sigaction previous_trap;

// What this thread is stepping over. The model makes it a plain access in the handler.
__attribute__((tls_model("initial-exec"))) constinit thread_local Media* stepping = nullptr;
__attribute__((tls_model("initial-exec"))) constinit thread_local const void* stepped_instruction =
    nullptr;

Media* find_media(const std::byte* address) noexcept {
  for (const Watched& watched : all_watched) {
    Media* const media = watched.media.load(std::memory_order_acquire);
    if (media == nullptr) continue;
    const std::byte* const begin = watched.begin.load(std::memory_order_relaxed);
    if (address >= begin && address < begin + watched.bytes.load(std::memory_order_relaxed)) {
      return media;
    }
  }
  return nullptr;
}

void hand_on(const struct sigaction& previous, int signal_number, siginfo_t* info, void* context) {
  if ((previous.sa_flags & SA_SIGINFO) != 0) {
    previous.sa_sigaction(signal_number, info, context);
  } else if (previous.sa_handler != SIG_DFL && previous.sa_handler != SIG_IGN) {
    previous.sa_handler(signal_number);
  } else {
    // The instruction at fault is run again on return, and kills the process this time.
    struct sigaction action{};
    action.sa_handler = SIG_DFL;
    ::sigaction(signal_number, &action, nullptr);
    if (info->si_code <= 0 || signal_number == SIGTRAP) ::raise(signal_number);
  }
}

void on_segv(int signal_number, siginfo_t* info, void* context) {
  auto& registers = static_cast<ucontext_t*>(context)->uc_mcontext.gregs;
  const auto* const address = static_cast<const std::byte*>(info->si_addr);
  Media* const media = info->si_code == SEGV_ACCERR ? find_media(address) : nullptr;
  const bool is_store = (registers[REG_ERR] & kWriteAccess) != 0;
  // From the fault to the end of the step nobody else stores to the page.
  if (media != nullptr && is_store) scheduling_point();
  bool step = false;
  if (media == nullptr || !media->on_fault(address, is_store, step)) {
    hand_on(previous_segv, signal_number, info, context);
    return;
  }
  if (!step) return;
  stepping = media;
  stepped_instruction = reinterpret_cast<const void*>(registers[REG_RIP]);
  registers[REG_EFL] |= kTrapFlag;
}

void on_trap(int signal_number, siginfo_t* info, void* context) {
  Media* const media = stepping;
  if (media == nullptr) {
    hand_on(previous_trap, signal_number, info, context);
    return;
  }
  stepping = nullptr;
  static_cast<ucontext_t*>(context)->uc_mcontext.gregs[REG_EFL] &= ~kTrapFlag;
  media->on_step(stepped_instruction, is_streaming_store(stepped_instruction));
  scheduling_point();
}

void install_handlers() noexcept {
  struct sigaction action{};
  ::sigemptyset(&action.sa_mask);
  // On the alternate stack where the thread has one; nested, since a search may fault itself.
  action.sa_flags = SA_SIGINFO | SA_NODEFER | SA_ONSTACK;
  action.sa_sigaction = &on_segv;
  NACRE_ASSERT(::sigaction(SIGSEGV, &action, &previous_segv) == 0);
  action.sa_sigaction = &on_trap;
  NACRE_ASSERT(::sigaction(SIGTRAP, &action, &previous_trap) == 0);
}

}  // namespace

bool FaultHandler::watch(Media& media, const std::byte* guarded, std::size_t bytes) noexcept {
  const std::scoped_lock lock(watch_mutex);
  static const bool installed = (install_handlers(), true);
  static_cast<void>(installed);
  const auto free = std::ranges::find_if(all_watched, [](const Watched& watched) {
    return watched.media.load(std::memory_order_relaxed) == nullptr;
  });
  if (free == all_watched.end()) return false;
  free->begin.store(guarded, std::memory_order_relaxed);
  free->bytes.store(bytes, std::memory_order_relaxed);
  free->media.store(&media, std::memory_order_release);  // Pairs with find_media.
  return true;
}

void FaultHandler::forget(Media& media) noexcept {
  const std::scoped_lock lock(watch_mutex);
  for (Watched& watched : all_watched) {
    if (watched.media.load(std::memory_order_relaxed) == &media) {
      watched.media.store(nullptr, std::memory_order_release);
    }
  }
}

}  // namespace nacre
