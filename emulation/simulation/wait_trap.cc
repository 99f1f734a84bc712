#include "emulation/simulation/wait_trap.h"

#include <linux/filter.h>
#include <linux/futex.h>
#include <linux/seccomp.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <ucontext.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <climits>
#include <csignal>
#include <ctime>

#include "lib/base/assert.h"

extern "C" {
/// A system call that the filter lets through: it knows the instruction behind it.
long nacre_untrapped_call(long number, std::uintptr_t, std::uintptr_t, std::uintptr_t,
                          std::uintptr_t, std::uintptr_t, std::uintptr_t) noexcept;
extern const char nacre_behind_untrapped_call[];
}

// The arguments move from the registers of a function to those of a system call (System V ABI for
// x86-64, A.2.1).
asm(R"(
  .pushsection .text
  .hidden nacre_untrapped_call
  .globl nacre_untrapped_call
  .type nacre_untrapped_call, @function
nacre_untrapped_call:
  .cfi_startproc
  movq %rdi, %rax
  movq %rsi, %rdi
  movq %rdx, %rsi
  movq %rcx, %rdx
  movq %r8, %r10
  movq %r9, %r8
  movq 8(%rsp), %r9
  syscall
  .hidden nacre_behind_untrapped_call
  .globl nacre_behind_untrapped_call
nacre_behind_untrapped_call:
  ret
  .cfi_endproc
  .size nacre_untrapped_call, .-nacre_untrapped_call
  .popsection
)");

namespace nacre {
namespace {

__attribute__((tls_model("initial-exec"))) constinit thread_local WaitListener* listening = nullptr;
struct sigaction previous_action;

/// SYS_SECCOMP of sigaction(2), which not every C library has.
constexpr int kFromFilter = 1;

constexpr std::uint32_t kFutexCommand = ~std::uint32_t{FUTEX_PRIVATE_FLAG | FUTEX_CLOCK_REALTIME};

long carry_out(long number, const greg_t* registers) {
  const auto argument = [&](int name) { return static_cast<std::uintptr_t>(registers[name]); };
  return nacre_untrapped_call(number, argument(REG_RDI), argument(REG_RSI), argument(REG_RDX),
                              argument(REG_R10), argument(REG_R8), argument(REG_R9));
}

long call_futex(const std::uint32_t* word, int command, std::uint32_t value) {
  return nacre_untrapped_call(SYS_futex, reinterpret_cast<std::uintptr_t>(word),
                              static_cast<std::uintptr_t>(command), value, 0, 0, 0);
}

void on_sigsys(int signal_number, siginfo_t* info, void* context) {
  greg_t* const registers = static_cast<ucontext_t*>(context)->uc_mcontext.gregs;
  if (info->si_code != kFromFilter) {
    ::sigaction(signal_number, &previous_action, nullptr);
    ::raise(signal_number);
    return;
  }
  const int saved_errno = errno;
  if (listening == nullptr) {
    // A thread that a trapped one has started.
    registers[REG_RAX] = carry_out(info->si_syscall, registers);
  } else if (info->si_syscall == SYS_futex) {
    registers[REG_RAX] =
        listening->on_wait({.word = reinterpret_cast<const std::uint32_t*>(registers[REG_RDI]),
                            .expected = static_cast<std::uint32_t>(registers[REG_RDX]),
                            .has_timeout = registers[REG_R10] != 0});
  } else {
    registers[REG_RAX] = listening->on_wait({});
  }
  errno = saved_errno;
}

void install_handler() noexcept {
  struct sigaction action{};
  ::sigemptyset(&action.sa_mask);
  // Nested: who waits in the handler may be in the middle of another trapped call.
  action.sa_flags = SA_SIGINFO | SA_NODEFER | SA_ONSTACK;
  action.sa_sigaction = &on_sigsys;
  NACRE_ASSERT(::sigaction(SIGSYS, &action, &previous_action) == 0);
}

constexpr sock_filter load(std::size_t offset) {
  return BPF_STMT(BPF_LD | BPF_W | BPF_ABS, static_cast<std::uint32_t>(offset));
}
constexpr sock_filter skip_unless_equal(std::uint32_t value, std::uint8_t skipped) {
  return BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, value, 0, skipped);
}
constexpr sock_filter skip_if_equal(std::uint32_t value, std::uint8_t skipped) {
  return BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, value, skipped, 0);
}

bool install_filter() noexcept {
  const auto let_through = reinterpret_cast<std::uintptr_t>(&nacre_behind_untrapped_call[0]);
  constexpr std::size_t kInstruction = offsetof(seccomp_data, instruction_pointer);
  std::array filter = {
      load(kInstruction),
      skip_unless_equal(static_cast<std::uint32_t>(let_through), 3),
      load(kInstruction + 4),
      skip_unless_equal(static_cast<std::uint32_t>(let_through >> 32), 1),
      sock_filter BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
      load(offsetof(seccomp_data, nr)),
      skip_if_equal(SYS_sched_yield, 8),
      skip_if_equal(SYS_nanosleep, 7),
      skip_if_equal(SYS_clock_nanosleep, 6),
      skip_unless_equal(SYS_futex, 4),
      load(offsetof(seccomp_data, args) + sizeof(std::uint64_t)),
      sock_filter BPF_STMT(BPF_ALU | BPF_AND | BPF_K, kFutexCommand),
      skip_if_equal(FUTEX_WAIT, 2),
      skip_if_equal(FUTEX_WAIT_BITSET, 1),
      sock_filter BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
      sock_filter BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_TRAP),
  };
  const sock_fprog program{.len = filter.size(), .filter = filter.data()};
  return ::prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0 &&
         ::prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) == 0;
}

}  // namespace

bool trap_waits(WaitListener& listener) noexcept {
  static const bool installed = (install_handler(), true);
  static_cast<void>(installed);
  listening = &listener;
  return install_filter();
}

void wait_while_equal(const std::uint32_t* word, std::uint32_t value) noexcept {
  call_futex(word, FUTEX_WAIT_PRIVATE, value);
}

void wake_waiters(const std::uint32_t* word) noexcept {
  call_futex(word, FUTEX_WAKE_PRIVATE, INT_MAX);
}

void sleep_one_millisecond() noexcept {
  const timespec time{.tv_sec = 0, .tv_nsec = 1'000'000};
  nacre_untrapped_call(SYS_nanosleep, reinterpret_cast<std::uintptr_t>(&time), 0, 0, 0, 0, 0);
}

}  // namespace nacre
