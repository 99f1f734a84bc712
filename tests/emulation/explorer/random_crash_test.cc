#include "emulation/explorer/random_crash.h"

#include <gtest/gtest.h>

#include <set>
#include <string>
#include <vector>

#include "nacre/emulation/simulated_machine.h"

namespace nacre {
namespace {

constexpr std::size_t kLine = 64;

/// What stands in the first two lines after a crash at event `first` or later.
std::string crashed(std::uint64_t seed, std::size_t first) {
  auto machine = SimulatedMachine::create({}).value();
  pmem::Region& region = machine.region();
  machine.core().settle();
  region.data()[0] = std::byte{1};  // Event 0.
  region.flush(0, 1);
  region.fence();  // Event 2.
  region.data()[0] = std::byte{2};
  region.data()[kLine] = std::byte{2};
  region.flush(0, 2 * kLine);
  region.fence();  // Event 6.
  SeededRandom random(seed);
  crash_at_random(machine.core(), first, random);
  EXPECT_TRUE(machine.core().trace().events().empty());
  return std::to_string(std::to_integer<int>(region.data()[0])) +
         std::to_string(std::to_integer<int>(region.data()[kLine]));
}

std::set<std::string> outcomes(std::size_t first) {
  std::set<std::string> found;
  for (std::uint64_t seed = 0; seed < 100; ++seed) found.insert(crashed(seed, first));
  return found;
}

TEST(RandomCrash, LeavesEverythingThatACrashMayLeave) {
  EXPECT_EQ(outcomes(0), (std::set<std::string>{"00", "10", "20", "12", "22"}));
}

TEST(RandomCrash, ComesNoEarlierThanItMay) {
  EXPECT_EQ(outcomes(3), (std::set<std::string>{"10", "20", "12", "22"}));
  EXPECT_EQ(outcomes(7), (std::set<std::string>{"22"}));
}

TEST(RandomCrash, FilesAreWhatTheCrashHasLeft) {
  std::set<std::string> found;
  for (std::uint64_t seed = 0; seed < 60; ++seed) {
    auto machine = SimulatedMachine::create({}).value();
    machine.core().settle();
    FileSystem& files = machine.file_system();
    for (const char* name : {"/one", "/two"}) {
      auto file = files.open(name, {.writable = true, .create = true}).value();
      ASSERT_TRUE(file->write_at(0, as_bytes(name)));
    }
    ASSERT_TRUE(files.sync_directory("/"));
    SeededRandom random(seed);
    crash_at_random(machine.core(), 0, random);
    std::string names;
    const std::vector<std::string> listed = files.list_directory("/").value();
    for (const std::string& name : listed) names += name + " ";
    found.insert(names);
    // A file made now is none of those.
    auto file = files.open("/three", {.writable = true, .create = true}).value();
    EXPECT_EQ(file->size().value(), 0U);
  }
  EXPECT_EQ(found, (std::set<std::string>{"", "one ", "two ", "one two "}));
}

}  // namespace
}  // namespace nacre
