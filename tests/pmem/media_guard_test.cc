#include "pmem/media_guard.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <atomic>
#include <csignal>
#include <cstdlib>
#include <thread>
#include <vector>

#include "lib/base/assert.h"
#include "tests/support/stray_store.h"
#include "tests/support/temp_directory.h"

namespace nacre::pmem {
namespace {

constexpr std::size_t kPageBytes = 4096;

/// Two mapped pages of which the file has lost the second: reading that one is a SIGBUS.
class TruncatedMapping {
 public:
  TruncatedMapping() {
    // Gone before anybody reads: a process that dies of its fault leaves nothing behind.
    const test::TempDirectory directory;
    const auto path = directory.path() / "file";
    const int descriptor = open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    NACRE_ASSERT(descriptor >= 0);
    NACRE_ASSERT(ftruncate(descriptor, 2 * kPageBytes) == 0);
    void* address =
        mmap(nullptr, 2 * kPageBytes, PROT_READ | PROT_WRITE, MAP_SHARED, descriptor, 0);
    NACRE_ASSERT(address != MAP_FAILED);
    data_ = static_cast<std::byte*>(address);
    data_[0] = std::byte{7};
    NACRE_ASSERT(ftruncate(descriptor, kPageBytes) == 0);
    close(descriptor);
  }
  TruncatedMapping(const TruncatedMapping&) = delete;
  TruncatedMapping& operator=(const TruncatedMapping&) = delete;
  ~TruncatedMapping() { munmap(data_, 2 * kPageBytes); }

  std::byte* data() const { return data_; }
  std::byte* lost() const { return data_ + kPageBytes; }
  Bytes all() const { return {data_, 2 * kPageBytes}; }

 private:
  std::byte* data_ = nullptr;
};

std::byte read(const std::byte* address) {
  return *static_cast<const volatile std::byte*>(address);
}

/// Reads `address` while `guarded` is guarded; returns the fault.
const std::byte* fault_of_reading(Bytes guarded, const std::byte* address) {
  return catch_media_fault(guarded, [&]() noexcept { static_cast<void>(read(address)); });
}

TEST(MediaGuard, ReturnsNullWhenNothingFails) {
  const TruncatedMapping mapping;
  std::byte seen{};
  EXPECT_EQ(catch_media_fault(mapping.all(), [&]() noexcept { seen = read(mapping.data()); }),
            nullptr);
  EXPECT_EQ(seen, std::byte{7});
}

TEST(MediaGuard, NamesTheAddressThatCouldNotBeRead) {
  const TruncatedMapping mapping;
  volatile bool reached_end = false;
  const std::byte* const fault = catch_media_fault(mapping.all(), [&]() noexcept {
    static_cast<void>(read(mapping.lost() + 100));
    reached_end = true;
  });
  EXPECT_EQ(fault, mapping.lost() + 100);
  EXPECT_FALSE(reached_end);
}

TEST(MediaGuard, CatchesAgainAndAgain) {
  const TruncatedMapping mapping;
  for (int i = 0; i < 100; ++i) {
    ASSERT_EQ(fault_of_reading(mapping.all(), mapping.lost()), mapping.lost());
  }
}

// A handler begins with no rights to any key. Whoever jumped out of it went on without: a program
// that has pages under keys of its own died at them, after nacre had read a bad block.
TEST(MediaGuard, ACaughtFaultLeavesTheRightsToProtectionKeysAlone) {
  if (!test::has_protection_keys()) GTEST_SKIP() << "no protection keys";
  const TruncatedMapping mapping;
  const int key = pkey_alloc(0, PKEY_DISABLE_WRITE);
  ASSERT_GT(key, 0);
  ASSERT_EQ(fault_of_reading(mapping.all(), mapping.lost()), mapping.lost());
  EXPECT_EQ(pkey_get(key), PKEY_DISABLE_WRITE);
  pkey_free(key);
}

TEST(MediaGuard, ACaughtFaultLeavesTheSignalMaskAlone) {
  const TruncatedMapping mapping;
  sigset_t wanted;
  sigemptyset(&wanted);
  sigaddset(&wanted, SIGUSR1);
  sigset_t before;
  ASSERT_EQ(pthread_sigmask(SIG_BLOCK, &wanted, &before), 0);
  ASSERT_NE(fault_of_reading(mapping.all(), mapping.lost()), nullptr);
  sigset_t after;
  ASSERT_EQ(pthread_sigmask(SIG_SETMASK, &before, &after), 0);
  EXPECT_EQ(sigismember(&after, SIGUSR1), 1);
  EXPECT_EQ(sigismember(&after, SIGBUS), 0);
  EXPECT_EQ(sigismember(&after, SIGUSR2), 0);
}

TEST(MediaGuard, AnInnerFaultEndsTheInnerBodyAlone) {
  const TruncatedMapping outer;
  const TruncatedMapping inner;
  volatile bool outer_went_on = false;
  const std::byte* volatile inner_fault = nullptr;
  const std::byte* const outer_fault = catch_media_fault(outer.all(), [&]() noexcept {
    inner_fault = fault_of_reading(inner.all(), inner.lost() + 1);
    outer_went_on = true;
    static_cast<void>(read(outer.lost() + 2));
  });
  EXPECT_EQ(inner_fault, inner.lost() + 1);
  EXPECT_TRUE(outer_went_on);
  EXPECT_EQ(outer_fault, outer.lost() + 2);
}

TEST(MediaGuard, AFaultInTheOuterRangeLeavesTheInnerGuardToo) {
  const TruncatedMapping outer;
  const TruncatedMapping inner;
  volatile bool went_on = false;
  const std::byte* const fault = catch_media_fault(outer.all(), [&]() noexcept {
    static_cast<void>(fault_of_reading(inner.all(), outer.lost()));
    went_on = true;
  });
  EXPECT_EQ(fault, outer.lost());
  EXPECT_FALSE(went_on);
  // The inner guard is gone with its stack: the next one starts afresh.
  EXPECT_EQ(fault_of_reading(inner.all(), inner.lost()), inner.lost());
}

TEST(MediaGuard, EachThreadHasItsOwn) {
  std::atomic<int> wrong = 0;
  std::vector<std::thread> threads;
  for (int t = 0; t < 4; ++t) {
    threads.emplace_back([&wrong, t] {
      const TruncatedMapping mapping;
      for (int i = 0; i < 50; ++i) {
        const std::byte* const lost = mapping.lost() + t;
        if (fault_of_reading(mapping.all(), lost) != lost) ++wrong;
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(wrong, 0);
}

// Each of these starts a fresh process, since the handler is installed once in a process's life.
class MediaGuardDeathTest : public testing::Test {
 protected:
  void SetUp() override { testing::GTEST_FLAG(death_test_style) = "threadsafe"; }

  static void set_previous_handler(void (*handler)(int)) {
    struct sigaction action{};
    action.sa_handler = handler;
    NACRE_ASSERT(sigaction(SIGBUS, &action, nullptr) == 0);
  }
  /// Installs the guard, and then reads the lost page while another range is guarded.
  static void fault_outside(const TruncatedMapping& mapping) {
    NACRE_ASSERT(catch_media_fault(mapping.all(), []() noexcept {}) == nullptr);
    const std::byte other{};
    static_cast<void>(fault_of_reading(Bytes(&other, 1), mapping.lost()));
  }
};

TEST_F(MediaGuardDeathTest, AFaultOutsideEveryGuardDiesAsItWouldHave) {
  const TruncatedMapping mapping;
  EXPECT_EXIT(
      {
        set_previous_handler(SIG_DFL);
        fault_outside(mapping);
      },
      testing::KilledBySignal(SIGBUS), "");
}

TEST_F(MediaGuardDeathTest, AFaultInAnIgnoringProcessDiesAsItWouldHave) {
  const TruncatedMapping mapping;
  EXPECT_EXIT(
      {
        set_previous_handler(SIG_IGN);
        fault_outside(mapping);
      },
      testing::KilledBySignal(SIGBUS), "");
}

TEST_F(MediaGuardDeathTest, AFaultOutsideReachesThePreviousHandler) {
  const TruncatedMapping mapping;
  EXPECT_EXIT(
      {
        set_previous_handler([](int) { std::exit(42); });
        fault_outside(mapping);
      },
      testing::ExitedWithCode(42), "");
}

TEST_F(MediaGuardDeathTest, AFaultOutsideReachesAPreviousHandlerThatWantsTheAddress) {
  const TruncatedMapping mapping;
  EXPECT_EXIT(
      {
        struct sigaction action{};
        action.sa_flags = SA_SIGINFO;
        action.sa_sigaction = [](int, siginfo_t* info, void*) {
          std::exit(info->si_code == BUS_ADRERR && info->si_addr != nullptr ? 43 : 1);
        };
        NACRE_ASSERT(sigaction(SIGBUS, &action, nullptr) == 0);
        fault_outside(mapping);
      },
      testing::ExitedWithCode(43), "");
}

TEST_F(MediaGuardDeathTest, ASignalSomebodySentIsNotAMediaFault) {
  const TruncatedMapping mapping;
  EXPECT_EXIT(
      {
        set_previous_handler(SIG_DFL);
        static_cast<void>(catch_media_fault(mapping.all(), []() noexcept { raise(SIGBUS); }));
      },
      testing::KilledBySignal(SIGBUS), "");
  EXPECT_EXIT(
      {
        set_previous_handler(SIG_IGN);
        static_cast<void>(catch_media_fault(mapping.all(), []() noexcept { raise(SIGBUS); }));
        std::exit(0);
      },
      testing::ExitedWithCode(0), "");
}

volatile int handled = 0;

TEST_F(MediaGuardDeathTest, ASignalSomebodySentReachesThePreviousHandlerWhichMayReturn) {
  EXPECT_EXIT(
      {
        set_previous_handler([](int) { handled = handled + 1; });
        static_cast<void>(catch_media_fault({}, []() noexcept { raise(SIGBUS); }));
        raise(SIGBUS);
        std::exit(handled);
      },
      testing::ExitedWithCode(2), "");
  EXPECT_EXIT(
      {
        struct sigaction action{};
        action.sa_flags = SA_SIGINFO;
        action.sa_sigaction = [](int, siginfo_t* info, void*) {
          handled = handled + (info->si_code == SI_TKILL ? 1 : 0);
        };
        NACRE_ASSERT(sigaction(SIGBUS, &action, nullptr) == 0);
        static_cast<void>(catch_media_fault({}, []() noexcept { raise(SIGBUS); }));
        std::exit(handled);
      },
      testing::ExitedWithCode(1), "");
}

// The process lives on for a moment: it holds the signal back, and sees that it was sent again.
TEST_F(MediaGuardDeathTest, ASignalSomebodySentIsSentAgain) {
  EXPECT_EXIT(
      {
        set_previous_handler(SIG_DFL);
        NACRE_ASSERT(catch_media_fault({}, []() noexcept {}) == nullptr);
        sigset_t held;
        sigemptyset(&held);
        sigaddset(&held, SIGBUS);
        pthread_sigmask(SIG_BLOCK, &held, nullptr);
        struct sigaction guard{};
        NACRE_ASSERT(sigaction(SIGBUS, nullptr, &guard) == 0);
        siginfo_t sent{};
        sent.si_code = SI_TKILL;
        guard.sa_sigaction(SIGBUS, &sent, nullptr);
        sigset_t pending;
        sigpending(&pending);
        set_previous_handler(SIG_IGN);
        std::exit(sigismember(&pending, SIGBUS));
      },
      testing::ExitedWithCode(1), "");
}

/// Sends a SIGBUS that names an address, as only the kernel should.
void send_forged_sigbus(std::byte* address) {
  siginfo_t info{};
  info.si_signo = SIGBUS;
  info.si_code = SI_QUEUE;
  info.si_addr = address;
  NACRE_ASSERT(syscall(SYS_rt_tgsigqueueinfo, getpid(), gettid(), SIGBUS, &info) == 0);
}

TEST_F(MediaGuardDeathTest, ASentSignalThatNamesAGuardedAddressIsNotAMediaFault) {
  const TruncatedMapping mapping;
  EXPECT_EXIT(
      {
        set_previous_handler(SIG_DFL);
        static_cast<void>(catch_media_fault(
            mapping.all(), [&]() noexcept { send_forged_sigbus(mapping.data()); }));
      },
      testing::KilledBySignal(SIGBUS), "");
}

}  // namespace
}  // namespace nacre::pmem
