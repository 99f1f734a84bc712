// Places in the source, looked up from return addresses of this very file.

#include "emulation/explorer/call_site.h"

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <array>
#include <cstring>

#include "emulation/simulation/machine.h"
#include "nacre/emulation/simulated_machine.h"

namespace nacre {
namespace {

using testing::HasSubstr;
using testing::StartsWith;

#ifdef NACRE_TEST_WITHOUT_DEBUG_INFO
constexpr bool kHasLines = false;
#else
constexpr bool kHasLines = true;
#endif

[[gnu::noinline]] const void* return_address() { return __builtin_return_address(0); }

struct Caller {
  [[gnu::noinline]] static std::pair<const void*, int> call(int) {
    const int line = __LINE__ + 1;
    const void* const site = return_address();
    return {site, line};
  }
  [[gnu::always_inline]] static inline std::pair<const void*, int> inlined() {
    const int line = __LINE__ + 1;
    const void* const site = return_address();
    return {site, line};
  }
  [[gnu::noinline]] static std::array<int, 2> call_inlined(const void*& site) {
    const int line = __LINE__ + 1;
    const auto found = inlined();
    site = found.first;
    return {found.second, line};
  }
};

TEST(CallSites, NamesFileLineAndFunction) {
  CallSites sites;
  const auto [site, line] = Caller::call(1);
  const std::string text = sites.describe(std::array{site});
  if (kHasLines) {
    EXPECT_EQ(text, fmt::format("call_site_test.cc:{} in nacre::Caller::call(int)", line));
    EXPECT_EQ(sites.describe_briefly(std::array{site}), fmt::format("call_site_test.cc:{}", line));
  } else {
    EXPECT_THAT(text, HasSubstr("nacre::Caller::call(int)"));
    EXPECT_THAT(text, testing::Not(HasSubstr("call_site_test.cc")));
  }
}

TEST(CallSites, UnfoldsInlinedCalls) {
  if (!kHasLines) GTEST_SKIP() << "inlined calls stand in the debug information";
  CallSites sites;
  const void* site = nullptr;
  const auto [inner, outer] = Caller::call_inlined(site);
  const auto& frames = sites.frames(site);
  ASSERT_GE(frames.size(), 2U);
  EXPECT_EQ(frames[0].line, inner);
  EXPECT_THAT(frames[0].function, HasSubstr("inlined"));
  EXPECT_EQ(frames[1].line, outer);
  EXPECT_THAT(frames[1].function, HasSubstr("call_inlined"));
}

TEST(CallSites, GivesTheAddressWhereThereIsNoName) {
  CallSites sites;
  const auto* const nowhere = reinterpret_cast<const void*>(0x10);
  EXPECT_EQ(sites.describe(std::array{nowhere}), "0x10");
  EXPECT_EQ(sites.describe({}), "a place unknown");
}

/// Stores by its own instruction, by memcpy, which is a library's, and through the region.
struct Writer {
  [[gnu::noinline]] static int plain(SimulatedMachine& machine) {
    auto* const word = reinterpret_cast<volatile std::uint64_t*>(machine.region().data());
    *word = 7;
    return __LINE__ - 1;
  }
  [[gnu::noinline]] static int copied(SimulatedMachine& machine, std::size_t bytes) {
    const std::array<std::byte, 512> source{std::byte{1}};
    void* (*volatile copy)(void*, const void*, std::size_t) = &std::memcpy;
    copy(machine.region().data(), source.data(), bytes);
    return __LINE__ - 1;
  }
  [[gnu::noinline]] static int through(SimulatedMachine& machine) {
    machine.region().store_u64(0, 9);
    return __LINE__ - 1;
  }
};

template <class Write>
void expect_told(std::string_view name, Write write) {
  auto machine = SimulatedMachine::create();
  ASSERT_TRUE(machine);
  Machine& core = machine->core();
  core.set_captures_calls(true);
  core.set_recording(true);
  const int caller_line = __LINE__ + 1;
  const int line = write(*machine);
  core.set_recording(false);
  const Trace& trace = core.trace();
  ASSERT_FALSE(trace.events().empty());
  CallSites sites;
  for (const Event& event : trace.events()) {
    const std::string text = sites.describe(trace.calls(event));
    if (kHasLines) {
      EXPECT_THAT(text, StartsWith(fmt::format("call_site_test.cc:{} in ", line)));
      EXPECT_THAT(text, HasSubstr(fmt::format("from call_site_test.cc:{}", caller_line)));
    }
    EXPECT_THAT(text, HasSubstr(fmt::format("nacre::Writer::{}(", name)));
  }
}

TEST(CallSites, NamesAPlainStore) { expect_told("plain", &Writer::plain); }

TEST(CallSites, NamesTheCallerOfMemcpyNotMemcpy) {
#if defined(__SANITIZE_THREAD__)
  GTEST_SKIP() << "the thread sanitizer has a memcpy of its own, with a file and lines";
#endif
  expect_told("copied", [](SimulatedMachine& machine) { return Writer::copied(machine, 24); });
  expect_told("copied", [](SimulatedMachine& machine) { return Writer::copied(machine, 300); });
}

TEST(CallSites, NamesTheCallerOfTheRegion) { expect_told("through", &Writer::through); }

TEST(CallSites, KeepsNoCallersUnlessAsked) {
  auto machine = SimulatedMachine::create();
  ASSERT_TRUE(machine);
  Writer::through(*machine);
  const Trace& trace = machine->core().trace();
  ASSERT_FALSE(trace.events().empty());
  EXPECT_EQ(trace.calls(trace.events()[0]).size(), 1U);
}

TEST(ShortFunctionName, LeavesOutWhatOnlyACompilerWants) {
  EXPECT_EQ(short_function_name("List::push(unsigned long)"), "List::push(unsigned long)");
  EXPECT_EQ(short_function_name("app::(anonymous namespace)::run()"), "app::run()");
  EXPECT_EQ(short_function_name("run(int) [clone .constprop.0]"), "run(int)");
  EXPECT_EQ(short_function_name("main::{lambda(nacre::SimulatedMachine&)#1}::operator()"
                                "(nacre::SimulatedMachine&) const"),
            "a lambda in main");
  EXPECT_EQ(short_function_name("app::run(int)::$_0::operator()(int) const"),
            "a lambda in app::run");
  EXPECT_EQ(short_function_name("app::run(int)::'lambda0'(int)::operator()(int) const"),
            "a lambda in app::run");
  EXPECT_EQ(short_function_name("void Tree::insert<std::map<int, int> >(std::pair<int const, int> "
                                "const&, std::vector<unsigned long, std::allocator<int> > const&)"),
            "void Tree::insert<std::map<int, int> >(...)");
}

}  // namespace
}  // namespace nacre
