#include "nacre/emulation/poisoned_range.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/mman.h>
#include <unistd.h>

#include <atomic>
#include <cstring>
#include <optional>
#include <thread>
#include <utility>

#include "lib/base/assert.h"
#include "pmem/media_guard.h"
#include "tests/support/result_matchers.h"
#include "tests/support/temp_directory.h"

namespace nacre {
namespace {

using test::has_code;

constexpr std::size_t kPage = PoisonedRange::kPageBytes;
constexpr std::size_t kPages = 4;

/// ThreadSanitizer takes a mapping that is put in the place of another for a store to all of it,
/// and would report a race with this load.
__attribute__((noinline, no_sanitize("thread"))) std::byte load_unseen(const std::byte* address) {
  return *static_cast<const volatile std::byte*>(address);
}

/// A file of four pages, each filled with its number, and a mapping of it.
class PoisonedRangeTest : public testing::Test {
 protected:
  PoisonedRangeTest() {
    descriptor_ = open((directory_.path() / "file").c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    NACRE_ASSERT(descriptor_ >= 0 && ftruncate(descriptor_, kPages * kPage) == 0);
    void* address =
        mmap(nullptr, kPages * kPage, PROT_READ | PROT_WRITE, MAP_SHARED, descriptor_, 0);
    NACRE_ASSERT(address != MAP_FAILED);
    data_ = static_cast<std::byte*>(address);
    for (std::size_t page = 0; page < kPages; ++page) {
      std::memset(data_ + page * kPage, static_cast<int>(page), kPage);
    }
  }
  ~PoisonedRangeTest() override {
    munmap(data_, kPages * kPage);
    close(descriptor_);
  }

  Bytes all() const { return {data_, kPages * kPage}; }
  /// The address of the fault that reading the first byte of `page` is, or null.
  const std::byte* fault_of(std::size_t page) const {
    return pmem::catch_media_fault(all(), [this, page]() noexcept {
      const std::byte seen = load_unseen(data_ + page * kPage);
      NACRE_ASSERT(seen == static_cast<std::byte>(page));
    });
  }

  const test::TempDirectory directory_;
  int descriptor_ = -1;
  std::byte* data_ = nullptr;
};

TEST_F(PoisonedRangeTest, StrikesItsPagesAloneAndHeals) {
  {
    ASSERT_OK_AND_ASSIGN(const PoisonedRange poison,
                         PoisonedRange::create(all().subspan(kPage + 100, 256)));
    EXPECT_EQ(poison.pages().data(), data_ + kPage);
    EXPECT_EQ(poison.pages().size(), kPage);
    EXPECT_EQ(fault_of(0), nullptr);
    EXPECT_EQ(fault_of(1), data_ + kPage);
    EXPECT_EQ(fault_of(2), nullptr);
  }
  for (std::size_t page = 0; page < kPages; ++page) EXPECT_EQ(fault_of(page), nullptr);
}

TEST_F(PoisonedRangeTest, CoversEveryPageThatItsBytesTouch) {
  ASSERT_OK_AND_ASSIGN(const PoisonedRange poison,
                       PoisonedRange::create(all().subspan(2 * kPage - 1, 2)));
  EXPECT_EQ(poison.pages().size(), 2 * kPage);
  EXPECT_EQ(fault_of(0), nullptr);
  EXPECT_EQ(fault_of(1), data_ + kPage);
  EXPECT_EQ(fault_of(2), data_ + 2 * kPage);
  EXPECT_EQ(fault_of(3), nullptr);
}

TEST_F(PoisonedRangeTest, StrikesStoresToo) {
  ASSERT_OK_AND_ASSIGN(const PoisonedRange poison, PoisonedRange::create(all().first(1)));
  auto store = [this]() noexcept { *static_cast<volatile std::byte*>(data_) = std::byte{9}; };
  EXPECT_EQ(pmem::catch_media_fault(all(), store), data_);
}

TEST_F(PoisonedRangeTest, TheFileItselfIsAsItWas) {
  ASSERT_OK_AND_ASSIGN(std::optional<PoisonedRange> poison, PoisonedRange::create(all()));
  std::byte seen{7};
  ASSERT_EQ(pread(descriptor_, &seen, 1, 3 * kPage), 1);
  EXPECT_EQ(seen, std::byte{3});
  const std::byte written{2};
  ASSERT_EQ(pwrite(descriptor_, &written, 1, 2 * kPage + 1), 1);
  poison.reset();
  EXPECT_EQ(data_[2 * kPage + 1], written) << "healed, it shows the file";
}

TEST_F(PoisonedRangeTest, MovesWithItsOwner) {
  ASSERT_OK_AND_ASSIGN(PoisonedRange first, PoisonedRange::create(all().first(1)));
  {
    const PoisonedRange second = std::move(first);
    EXPECT_NE(fault_of(0), nullptr);
  }
  EXPECT_EQ(fault_of(0), nullptr);
}

// A reader meets the bytes or the signal, and never an address without memory, which would kill it.
TEST_F(PoisonedRangeTest, AReaderBesideItLives) {
  std::atomic<bool> stop = false;
  std::thread reader([&] {
    while (!stop) static_cast<void>(fault_of(1));
  });
  for (int i = 0; i < 200; ++i) {
    ASSERT_OK(PoisonedRange::create(all().subspan(kPage, 1)));
  }
  stop = true;
  reader.join();
}

TEST_F(PoisonedRangeTest, RefusesWhatIsNoSharedMapping) {
  EXPECT_THAT(PoisonedRange::create({}), has_code(ErrorCode::kInvalidArgument));
  void* own = mmap(nullptr, kPage, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  ASSERT_NE(own, MAP_FAILED);
  const Bytes page(static_cast<const std::byte*>(own), kPage);
  EXPECT_THAT(PoisonedRange::create(page), has_code(ErrorCode::kInvalidArgument));
  munmap(own, kPage);
  EXPECT_THAT(PoisonedRange::create(page), has_code(ErrorCode::kInvalidArgument));
}

}  // namespace
}  // namespace nacre
