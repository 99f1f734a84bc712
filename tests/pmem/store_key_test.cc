#include "pmem/store_key.h"

#include <sys/mman.h>

#include <cerrno>
#include <cstddef>

#include "tests/support/result_matchers.h"
#include "tests/support/stray_store.h"

namespace nacre::pmem {
namespace {

constexpr std::size_t kPageBytes = 4096;

/// A page of its own.
class Page {
 public:
  Page()
      : data_(static_cast<std::byte*>(mmap(nullptr, kPageBytes, PROT_READ | PROT_WRITE,
                                           MAP_PRIVATE | MAP_ANONYMOUS, -1, 0))) {}
  ~Page() { munmap(data_, kPageBytes); }
  Page(const Page&) = delete;
  Page& operator=(const Page&) = delete;
  std::byte* data() const noexcept { return data_; }

 private:
  std::byte* data_;
};

TEST(StoreKey, WithoutOneEverybodyStoresAsEver) {
  const Page page;
  const StoreKey none;
  EXPECT_FALSE(none);
  ASSERT_OK(none.protect(page.data(), kPageBytes, "a page"));
  test::store_at(page.data());
  {
    const StoreScope scope(none);
    test::store_at(page.data());
  }
  test::store_at(page.data());
}

TEST(StoreKey, WhereThereAreNoneItIsUnsupportedAndSaysWhatToDo) {
  if (test::has_protection_keys()) GTEST_SKIP() << "there are protection keys";
  const auto key = StoreKey::of_process();
  ASSERT_THAT(key, test::has_code(ErrorCode::kUnsupported));
  EXPECT_THAT(key.error().message(),
              testing::AllOf(testing::HasSubstr(probe_store_keys().processor ? "kernel" : "pku"),
                             testing::HasSubstr("open without overwrite_protection")));
}

TEST(StoreKey, WhyThereIsNoneIsSaid) {
  const auto why = [](bool processor, bool kernel, int sys_errno) {
    return no_store_key({.processor = processor, .kernel = kernel}, sys_errno).message();
  };
  EXPECT_THAT(why(false, false, 0), testing::HasSubstr("this processor has none"));
  EXPECT_THAT(why(true, false, 0), testing::HasSubstr("started with nopku?"));
  EXPECT_THAT(why(true, true, ENOSPC), testing::HasSubstr("others in this process"));
  EXPECT_THAT(why(true, true, EINVAL), testing::HasSubstr("the kernel refuses"));
}

class StoreKeyDeathTest : public testing::Test {
 protected:
  void SetUp() override {
    if (!test::has_protection_keys()) GTEST_SKIP() << "no protection keys";
    // Each ends in a process that has run nothing else, and taken no key yet.
    GTEST_FLAG_SET(death_test_style, "threadsafe");
  }
};

TEST_F(StoreKeyDeathTest, OutsideAScopeAStoreFaults) {
  const auto store_outside = [] {
    const Page page;
    const StoreKey key = StoreKey::of_process().value();
    key.protect(page.data(), kPageBytes, "a page").value();
    test::exit_with_fault([&] {
      {
        const StoreScope scope(key);
        test::store_at(page.data());
      }
      test::store_at(page.data());
    });
  };
  EXPECT_EXIT(store_outside(), testing::ExitedWithCode(SEGV_PKUERR), "");
}

TEST_F(StoreKeyDeathTest, OutsideAScopeALoadFaults) {
  // Or some threads could read there and others could not.
  const auto load_outside = [] {
    const Page page;
    const StoreKey key = StoreKey::of_process().value();
    key.protect(page.data(), kPageBytes, "a page").value();
    test::exit_with_fault(
        [&] { static_cast<void>(*const_cast<const volatile std::byte*>(page.data())); });
  };
  EXPECT_EXIT(load_outside(), testing::ExitedWithCode(SEGV_PKUERR), "");
}

TEST_F(StoreKeyDeathTest, InsideAnInnerScopeAndBehindItAStorePasses) {
  const auto store_inside = [] {
    const Page page;
    const StoreKey key = StoreKey::of_process().value();
    key.protect(page.data(), kPageBytes, "a page").value();
    test::exit_with_fault([&] {
      const StoreScope outer(key);
      {
        const StoreScope inner(key);
        test::store_at(page.data());
      }
      test::store_at(page.data());
    });
  };
  EXPECT_EXIT(store_inside(), testing::ExitedWithCode(0), "");
}

TEST_F(StoreKeyDeathTest, AProcessHasOneAndKeepsIt) {
  const auto ask_again = [] {
    StoreKey::of_process().value();
    while (pkey_alloc(0, 0) > 0) {
    }
    std::_Exit(StoreKey::of_process() ? 0 : 1);
  };
  EXPECT_EXIT(ask_again(), testing::ExitedWithCode(0), "");
}

TEST_F(StoreKeyDeathTest, WhenOthersHaveTakenAllItSaysSo) {
  const auto ask_last = [] {
    while (pkey_alloc(0, 0) > 0) {
    }
    const auto key = StoreKey::of_process();
    const bool told = !key && key.error().code() == ErrorCode::kUnsupported &&
                      key.error().message().find("taken all") != std::string::npos;
    std::_Exit(told ? 0 : 1);
  };
  EXPECT_EXIT(ask_last(), testing::ExitedWithCode(0), "");
}

TEST_F(StoreKeyDeathTest, WhatIsNotMappedIsNotProtected) {
  const auto key = StoreKey::of_process();
  ASSERT_OK(key);
  std::byte* gone = nullptr;
  {
    const Page page;
    gone = page.data();
  }
  const Status outcome = key->protect(gone, kPageBytes, "/data/segment");
  ASSERT_THAT(outcome, test::has_code(ErrorCode::kNoSpace));
  EXPECT_EQ(outcome.error().path(), "/data/segment");
}

}  // namespace
}  // namespace nacre::pmem
