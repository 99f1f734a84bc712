// One flush or fence of a program taken out, or moved, by its place.

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cstring>
#include <utility>
#include <vector>

#include "nacre/emulation/crash_test.h"
#include "nacre/emulation/simulated_machine.h"

namespace nacre {
namespace {

constexpr std::size_t kLine = 64;

std::uint64_t number_at(pmem::Region& region, std::size_t offset) {
  std::uint64_t value = 0;
  std::memcpy(&value, region.load(offset, sizeof value).data(), sizeof value);
  return value;
}

/// Behind the last call of a function: a jump to it would have the place of its caller.
void keep_call() { asm volatile(""); }

/// A value in one line, and behind it, in another, that it counts.
[[gnu::noinline]] void write_value(pmem::Region& region, std::uint64_t value) {
  std::memcpy(region.data() + kLine, &value, sizeof value);
  region.flush(kLine, sizeof value);
  region.fence();
  std::memcpy(region.data(), &value, sizeof value);
  region.flush(0, sizeof value);
  region.fence();
  keep_call();
}

[[gnu::noinline]] void settle(pmem::Region& region) {
  region.flush(0, kLine);
  region.fence();
  keep_call();
}

CrashReport explore_value(CrashTestOptions options) {
  return CrashTest<std::uint64_t>(std::move(options))
      .run([](SimulatedMachine& machine, CrashRun& run) {
        run.operation("write", [&] { write_value(machine.region(), 7); });
      })
      .recover([](SimulatedMachine& machine) -> Result<std::uint64_t> {
        settle(machine.region());
        const std::uint64_t counts = number_at(machine.region(), 0);
        if (counts == number_at(machine.region(), kLine)) return counts;
        if (counts == 0) return 0;
        return Error(ErrorCode::kCorruption, "it counts, and is not there");
      })
      .check([](const std::uint64_t& found, const CrashHistory& history) -> Status {
        if (found == 7 || history.completed_count() == 0) return {};
        return Error(ErrorCode::kCorruption, "lost");
      })
      .explore();
}

/// Those in `function`, in the order of its lines.
std::vector<CrashSite> sites_in(const std::string& function) {
  CrashTestOptions options;
  options.in_process = true;
  options.note_sites = true;
  std::vector<CrashSite> found;
  for (const CrashSite& site : explore_value(options).ordering_sites) {
    if (site.place.find(function) != site.place.npos) found.push_back(site);
  }
  std::ranges::sort(found, {}, &CrashSite::address);
  return found;
}

CrashVerdict verdict_without(const CrashSite& site, CrashMutation mutation, bool kills = false) {
  CrashTestOptions options;
  options.mutated_site = site.address;
  options.mutation = mutation;
  options.process_kills = kills;
  return explore_value(options).verdict;
}

TEST(CrashMutation, ListsThePlaces) {
  const std::vector<CrashSite> sites = sites_in("write_value");
  ASSERT_EQ(sites.size(), 4U);
  EXPECT_EQ(sites[0].kind, "flush");
  EXPECT_EQ(sites[1].kind, "fence");
  EXPECT_EQ(sites[2].kind, "flush");
  EXPECT_EQ(sites[3].kind, "fence");
  // Behind the last one nothing happens in the operation.
  EXPECT_TRUE(sites[0].can_move);
  EXPECT_TRUE(sites[1].can_move);
  EXPECT_TRUE(sites[2].can_move);
  EXPECT_FALSE(sites[3].can_move);
}

TEST(CrashMutation, WhatIsTakenOutIsMissed) {
  for (const CrashSite& site : sites_in("write_value")) {
    EXPECT_EQ(verdict_without(site, CrashMutation::kDrop), CrashVerdict::kFailed) << site.place;
  }
}

TEST(CrashMutation, WhatComesTooLateIsMissed) {
  const std::vector<CrashSite> sites = sites_in("write_value");
  ASSERT_EQ(sites.size(), 4U);
  for (std::size_t i = 0; i < 3; ++i) {
    EXPECT_EQ(verdict_without(sites[i], CrashMutation::kMove), CrashVerdict::kFailed) << i;
  }
  // It comes to pass all the same where the operation ends.
  EXPECT_EQ(verdict_without(sites[3], CrashMutation::kMove), CrashVerdict::kExhaustive);
}

TEST(CrashMutation, RecoveryNeedsItsOwnAfterAKill) {
  const std::vector<CrashSite> sites = sites_in("settle");
  ASSERT_EQ(sites.size(), 2U);
  for (const CrashSite& site : sites) {
    EXPECT_EQ(verdict_without(site, CrashMutation::kDrop), CrashVerdict::kExhaustive) << site.place;
    EXPECT_EQ(verdict_without(site, CrashMutation::kDrop, /*kills=*/true), CrashVerdict::kFailed)
        << site.place;
  }
}

/// A file that is renamed once its content is durable, with everything a file system has to do.
CrashReport explore_rename(CrashTestOptions options) {
  return CrashTest<std::uint64_t>(std::move(options))
      .run([](SimulatedMachine& machine, CrashRun& run) {
        FileSystem& files = machine.file_system();
        run.operation("write", [&] {
          const std::uint64_t value = 7;
          const auto file = files.open("/new", {.writable = true, .create = true});
          EXPECT_TRUE((*file)->write_at(0, std::as_bytes(std::span(&value, 1))));
          EXPECT_TRUE((*file)->sync_data());
          EXPECT_TRUE(files.rename("/new", "/value"));
          EXPECT_TRUE(files.sync_directory("/"));
        });
      })
      .recover([](SimulatedMachine& machine) -> Result<std::uint64_t> {
        const auto file = machine.file_system().open("/value", {});
        if (!file) return 0;
        std::uint64_t value = 1;
        if (!(*file)->read_at(0, std::as_writable_bytes(std::span(&value, 1)))) return 1;
        return value;
      })
      .check([](const std::uint64_t& found, const CrashHistory& history) -> Status {
        if (found == 7 || (found == 0 && history.completed_count() == 0)) return {};
        return Error(ErrorCode::kCorruption, fmt::format("found {}", found));
      })
      .explore();
}

TEST(CrashMutation, SyncsAreMissedToo) {
  CrashTestOptions listing;
  listing.in_process = true;
  listing.note_sites = true;
  std::size_t syncs = 0;
  for (const CrashSite& site : explore_rename(listing).ordering_sites) {
    ++syncs;
    for (const CrashMutation mutation : {CrashMutation::kDrop, CrashMutation::kMove}) {
      if (mutation == CrashMutation::kMove && !site.can_move) continue;
      CrashTestOptions options;
      options.mutated_site = site.address;
      options.mutation = mutation;
      EXPECT_EQ(explore_rename(options).verdict, CrashVerdict::kFailed)
          << site.kind << " at " << site.place;
    }
  }
  EXPECT_EQ(syncs, 2U);
}

}  // namespace
}  // namespace nacre
