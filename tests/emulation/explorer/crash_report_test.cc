// What a report says of a log with one bug at a time: which line lost what, and what would mend it.

#include "nacre/emulation/crash_report.h"

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <array>
#include <cstring>
#include <functional>
#include <string>
#include <thread>
#include <vector>

#include "nacre/emulation/crash_test.h"
#include "nacre/file_system.h"

namespace nacre {
namespace {

using testing::HasSubstr;
using testing::StartsWith;
using Values = std::vector<std::uint64_t>;

enum class Bug : std::uint8_t {
  kNone,
  kNoFlush,
  kFlushBeforeStore,
  kFlushTooShort,
  kNoFence,
  kFenceElsewhere,
  kStreamNotFenced,
  kNotDurableAtReturn,
};

int stored_line = 0;
int flushed_line = 0;
int count_line = 0;
int early_flush_line = 0;

/// A count in the first line, then items of 128 bytes; each holds one number, repeated.
class Items {
 public:
  static constexpr std::size_t kItemBytes = 128;
  Items(pmem::Region& region, Bug bug) : region_(region), bug_(bug) {}

  void push(std::uint64_t value) {
    const std::uint64_t count = number_at(0);
    const std::size_t at = (count + 1) * kItemBytes;
    std::array<std::uint64_t, kItemBytes / 8> item;
    item.fill(value);
    early_flush_line = __LINE__ + 1;
    if (bug_ == Bug::kFlushBeforeStore) region_.flush(at, kItemBytes);
    if (bug_ == Bug::kStreamNotFenced) {
      stored_line = __LINE__ + 1;
      region_.copy(at, std::as_bytes(std::span(item)));
    } else {
      stored_line = __LINE__ + 1;
      std::memcpy(region_.data() + at, item.data(), kItemBytes);
    }
    make_durable(at);
    count_line = __LINE__ + 1;
    region_.store_u64(0, count + 1);
    if (bug_ != Bug::kNotDurableAtReturn) region_.fence();
  }

  Result<Values> values() const {
    Values values;
    const std::uint64_t count = number_at(0);
    for (std::uint64_t i = 1; i <= count; ++i) {
      const std::uint64_t value = number_at(i * kItemBytes);
      for (std::size_t word = 8; word < kItemBytes; word += 8) {
        if (number_at(i * kItemBytes + word) != value) {
          return Error(ErrorCode::kCorruption, fmt::format("item {} is torn", i));
        }
      }
      values.push_back(value);
    }
    return values;
  }

 private:
  void make_durable(std::size_t at) {
    const bool flushes =
        bug_ != Bug::kNoFlush && bug_ != Bug::kFlushBeforeStore && bug_ != Bug::kStreamNotFenced;
    flushed_line = __LINE__ + 1;
    if (flushes) region_.flush(at, bug_ == Bug::kFlushTooShort ? 64 : kItemBytes);
    if (bug_ == Bug::kFenceElsewhere) {
      std::thread([&] { region_.fence(); }).join();
    } else if (bug_ != Bug::kNoFence && bug_ != Bug::kStreamNotFenced) {
      region_.fence();
    }
  }
  std::uint64_t number_at(std::size_t offset) const {
    std::uint64_t value = 0;
    std::memcpy(&value, region_.load(offset, sizeof value).data(), sizeof value);
    return value;
  }

  pmem::Region& region_;
  Bug bug_;
};

CrashReport explore(Bug bug, CrashTestOptions options = {}, bool in_process = true) {
  // Here, so that the lines noted are seen.
  options.in_process = in_process;
  return CrashTest<Values>(options)
      .run([bug](SimulatedMachine& machine, CrashRun& run) {
        Items items(machine.region(), bug);
        for (std::uint64_t i = 1; i <= 3; ++i) {
          run.operation(fmt::format("push {}", i), [&] { items.push(i * 0x1111); });
        }
      })
      .recover(
          [](SimulatedMachine& machine) { return Items(machine.region(), Bug::kNone).values(); })
      .check([](const Values& values, const CrashHistory& history) -> Status {
        if (values.size() < history.completed_count()) {
          return Error(ErrorCode::kCorruption,
                       fmt::format("{} items after {} pushes had returned", values.size(),
                                   history.completed_count()));
        }
        for (std::size_t i = 0; i < values.size(); ++i) {
          if (values[i] == (i + 1) * 0x1111) continue;
          return Error(ErrorCode::kCorruption, fmt::format("item {} is {:#x}", i, values[i]));
        }
        return {};
      })
      .explore();
}

/// "crash_report_test.cc:12", as reports have it.
std::string at(int line) { return fmt::format("crash_report_test.cc:{}", line); }

/// The only failure of that bug, and the granule that it says was lost.
void expect_mend(Bug bug, const std::string& hint) {
  const CrashReport report = explore(bug);
  ASSERT_EQ(report.failures.size(), 1U) << report.to_string();
  const CrashFailure& failure = report.failures[0];
  const CrashGranule* lost = nullptr;
  for (const auto& granules : {std::cref(failure.granules), std::cref(failure.overtaken)}) {
    for (const CrashGranule& granule : granules.get()) {
      if (!granule.newest && lost == nullptr) lost = &granule;
    }
  }
  ASSERT_NE(lost, nullptr) << report.to_string();
  EXPECT_EQ(lost->hint, hint) << report.to_string();
  EXPECT_THAT(report.to_string(), HasSubstr(hint));
}

TEST(CrashReport, NamesAMissingFlush) {
  explore(Bug::kNoFlush);
  expect_mend(Bug::kNoFlush, fmt::format("not flushed before what was stored at {}: flush it, and "
                                         "fence",
                                         at(count_line)));
}

TEST(CrashReport, NamesAFlushThatComesTooEarly) {
  explore(Bug::kFlushBeforeStore);
  expect_mend(Bug::kFlushBeforeStore,
              fmt::format("last flushed at {}, before it was stored: flush after it, and fence",
                          at(early_flush_line)));
}

TEST(CrashReport, NamesAFlushThatEndsTooEarly) {
  explore(Bug::kFlushTooShort);
  expect_mend(Bug::kFlushTooShort,
              fmt::format("the flush at {} ends at 0xc0, short of these bytes: flush them too",
                          at(flushed_line)));
}

TEST(CrashReport, NamesAMissingFence) {
  explore(Bug::kNoFence);
  expect_mend(Bug::kNoFence, fmt::format("flushed at {}, but not fenced before what was stored at "
                                         "{}: fence after that flush",
                                         at(flushed_line), at(count_line)));
}

TEST(CrashReport, NamesAFenceOfAnotherThread) {
  const CrashReport report = explore(Bug::kFenceElsewhere);
  EXPECT_THAT(report.to_string(),
              HasSubstr("a fence waits only for what its own thread has flushed"));
}

TEST(CrashReport, NamesAStreamThatIsNotFenced) {
  explore(Bug::kStreamNotFenced);
  expect_mend(Bug::kStreamNotFenced,
              fmt::format("streamed past the cache, but not fenced before what was stored at {}: "
                          "fence after it",
                          at(count_line)));
}

TEST(CrashReport, NamesWhatAnAcknowledgementLacks) {
  explore(Bug::kNotDurableAtReturn);
  // store_u64 flushes, which nobody would look for at its line.
  expect_mend(Bug::kNotDurableAtReturn, "not fenced before the crash: fence after it");
}

enum class FileBug : std::uint8_t { kNoSync, kNoDirectorySync };

int write_line = 0;
int rename_line = 0;

CrashReport explore_file(FileBug bug) {
  CrashTestOptions options;
  options.in_process = true;
  return CrashTest<std::string>(options)
      .setup([](SimulatedMachine& machine) {
        ASSERT_TRUE(machine.file_system().create_directory("/d"));
        ASSERT_TRUE(machine.file_system().sync_directory("/"));
      })
      .run([bug](SimulatedMachine& machine, CrashRun& run) {
        FileSystem& files = machine.file_system();
        run.operation("publish", [&] {
          auto file = files.open("/d/new", {.writable = true, .create = true});
          ASSERT_TRUE(file);
          write_line = __LINE__ + 1;
          ASSERT_TRUE((*file)->write_at(0, as_bytes("text")));
          if (bug != FileBug::kNoSync) {
            ASSERT_TRUE((*file)->sync());
          }
          rename_line = __LINE__ + 1;
          ASSERT_TRUE(files.rename("/d/new", "/d/name"));
          if (bug != FileBug::kNoDirectorySync) {
            ASSERT_TRUE(files.sync_directory("/d"));
          }
        });
      })
      .recover([](SimulatedMachine& machine) -> Result<std::string> {
        auto file = machine.file_system().open("/d/name", {});
        if (!file) return std::string("none");
        std::array<std::byte, 4> bytes{};
        const auto got = (*file)->read_at(0, bytes);
        if (!got) return got.error();
        return std::string(as_text(Bytes(bytes).first(*got)));
      })
      .check([](const std::string& found, const CrashHistory& history) -> Status {
        if (found == "text" || (found == "none" && history.completed_count() == 0)) return {};
        return Error(ErrorCode::kCorruption, "found \"" + found + "\"");
      })
      .explore();
}

TEST(CrashReport, NamesAFileThatWasNotSynced) {
  const CrashReport report = explore_file(FileBug::kNoSync);
  ASSERT_EQ(report.failures.size(), 1U) << report.to_string();
  const std::string text = report.to_string();
  EXPECT_THAT(text, HasSubstr("stored at " + at(write_line)));
  EXPECT_THAT(text, HasSubstr(fmt::format("the file was not synced before what was stored at {}: "
                                          "sync it once the write has returned",
                                          at(rename_line))));
}

TEST(CrashReport, NamesADirectoryThatWasNotSynced) {
  const CrashReport report = explore_file(FileBug::kNoDirectorySync);
  ASSERT_EQ(report.failures.size(), 1U) << report.to_string();
  const std::string text = report.to_string();
  EXPECT_THAT(text, HasSubstr("LOST  names: /d\n"));
  // Not the creation before it, which nobody has been told of.
  EXPECT_THAT(text, HasSubstr("stored at rename /d/new to /d/name\n"));
  EXPECT_THAT(text, HasSubstr("the directory was not synced before the crash: sync the directory "
                              "/d"));
}

TEST(CrashReport, NamesTheDirectoryThatHoldsADirectory) {
  const CrashReport report =
      CrashTest<bool>()
          .run([](SimulatedMachine& machine, CrashRun& run) {
            run.operation("create", [&] {
              FileSystem& files = machine.file_system();
              ASSERT_TRUE(files.create_directory("/d"));
              ASSERT_TRUE(files.open("/d/x", {.writable = true, .create = true}));
              ASSERT_TRUE(files.sync_directory("/d"));
            });
          })
          .recover([](SimulatedMachine& machine) -> Result<bool> {
            return machine.file_system().stat("/d/x").has_value();
          })
          .check([](const bool& found, const CrashHistory& history) -> Status {
            if (found || history.completed_count() == 0) return {};
            return Error(ErrorCode::kCorruption, "the file is gone");
          })
          .explore();
  ASSERT_EQ(report.failures.size(), 1U) << report.to_string();
  EXPECT_THAT(report.to_string(), HasSubstr("stored at create directory /d\n"));
  EXPECT_THAT(report.to_string(), HasSubstr("sync the directory /\n"));
}

/// Overwrites 8 bytes of a file without a sync; paranoid, so that garbage may be there.
CrashReport explore_overwrite(std::string_view finds) {
  CrashTestOptions options;
  options.machine.model.paranoid = true;
  return CrashTest<std::string>(options)
      .setup([](SimulatedMachine& machine) {
        auto file = machine.file_system().open("/log", {.writable = true, .create = true});
        ASSERT_TRUE(file && (*file)->write_at(0, std::vector<std::byte>(8192)));
      })
      .run([](SimulatedMachine& machine, CrashRun& run) {
        run.operation("write", [&] {
          auto file = machine.file_system().open("/log", {.writable = true});
          ASSERT_TRUE(file && (*file)->write_at(4096 + 128, as_bytes("01234567")));
        });
      })
      .recover([](SimulatedMachine& machine) -> Result<std::string> {
        auto file = machine.file_system().open("/log", {});
        if (!file) return file.error();
        std::array<std::byte, 8> bytes{};
        if (auto got = (*file)->read_at(4096 + 128, bytes); !got) return got.error();
        return std::string(as_text(bytes));
      })
      .check([finds](const std::string& found, const CrashHistory& history) -> Status {
        const bool is_old = found == std::string(8, '\0');
        const bool is_new = found == "01234567";
        if (history.completed_count() == 0) return {};
        if (finds == "new" ? is_new : is_old || is_new) return {};
        return Error(ErrorCode::kCorruption, "found it");
      })
      .explore();
}

// Addresses of the simulator's own said nothing to whoever read them.
TEST(CrashReport, NamesTheFileAndTheOffsetInIt) {
  const CrashReport report = explore_overwrite("new");
  ASSERT_EQ(report.failures.size(), 1U) << report.to_string();
  EXPECT_THAT(report.to_string(), HasSubstr("LOST  4,096 bytes at 4096 of /log\n"));
  EXPECT_EQ(report.failures[0].granules.at(0).path, "/log");
  EXPECT_EQ(report.failures[0].granules[0].pieces.at(0).address, 4096U + 128);
}

TEST(CrashReport, NamesGarbageAsSuch) {
  const CrashReport report = explore_overwrite("garbage");
  ASSERT_EQ(report.failures.size(), 1U) << report.to_string();
  EXPECT_THAT(report.to_string(), HasSubstr("LEFT  4,096 bytes of garbage at 4096 of /log\n"));
  EXPECT_THAT(report.to_string(), HasSubstr("mend the device was writing these 4096 bytes"));
}

// It flushes by itself: a mend that speaks of a flush sends people after one they never wrote.
TEST(CrashReport, SaysOfAWordThatItWasNotFenced) {
  const CrashReport report =
      CrashTest<bool>()
          .run([](SimulatedMachine& machine, CrashRun& run) {
            run.operation("store", [&] { machine.region().store_u64(0, 1); });
          })
          .recover([](SimulatedMachine& machine) -> Result<bool> {
            return machine.region().load(0, 1)[0] != std::byte{0};
          })
          .check([](const bool& found, const CrashHistory& history) -> Status {
            if (found || history.completed_count() == 0) return {};
            return Error(ErrorCode::kCorruption, "lost");
          })
          .explore();
  ASSERT_EQ(report.failures.size(), 1U) << report.to_string();
  EXPECT_THAT(report.to_string(), HasSubstr("mend not fenced before the crash: fence after it\n"));
}

int undo_line = 0;
int recover_line = 0;

/// Puts what is at 64 back to 0, and then says at 128 that this is done.
void undo(pmem::Region& region) {
  std::uint64_t pending = 0;
  std::memcpy(&pending, region.load(128, sizeof pending).data(), sizeof pending);
  if (pending == 0) return;
  std::uint64_t before = 0;
  std::memcpy(&before, region.load(64, sizeof before).data(), sizeof before);
  undo_line = __LINE__ + 1;
  std::memcpy(region.data(), &before, sizeof before);
  region.store_u64(128, 0);
  region.fence();
}

TEST(CrashReport, NamesTheCallersInRecovery) {
  CrashTestOptions options;
  options.in_process = true;
  const CrashReport report =
      CrashTest<std::uint64_t>(options)
          .setup([](SimulatedMachine& machine) {
            machine.region().store_u64(0, 1);
            machine.region().store_u64(64, 1);
          })
          .run([](SimulatedMachine& machine, CrashRun& run) {
            pmem::Region& region = machine.region();
            run.operation("change and undo", [&] {
              region.store_u64(128, 1);
              region.fence();
              region.store_u64(0, 7);
              region.fence();
            });
          })
          .recover([](SimulatedMachine& machine) -> Result<std::uint64_t> {
            recover_line = __LINE__ + 1;
            undo(machine.region());
            std::uint64_t value = 0;
            std::memcpy(&value, machine.region().load(0, sizeof value).data(), sizeof value);
            return value;
          })
          .check([](const std::uint64_t& value, const CrashHistory&) -> Status {
            if (value == 1) return {};
            return Error(ErrorCode::kCorruption, fmt::format("{} has not been undone", value));
          })
          .explore();
  ASSERT_EQ(report.failures.size(), 1U) << report.to_string();
  EXPECT_THAT(report.failures[0].crash_point, HasSubstr("in the recovery from that"));
  const std::string text = report.to_string();
  EXPECT_THAT(text, HasSubstr(fmt::format("{} in nacre::undo", at(undo_line))));
  EXPECT_THAT(text, HasSubstr(fmt::format("from {} in a lambda", at(recover_line))));
  EXPECT_THAT(text, HasSubstr("not flushed before what was stored"));
}

TEST(CrashReport, SaysWhereAndWhat) {
  const CrashReport report = explore(Bug::kNoFlush);
  ASSERT_EQ(report.failures.size(), 1U);
  const CrashFailure& failure = report.failures[0];
  ASSERT_EQ(failure.granules.size(), 1U);
  ASSERT_EQ(failure.overtaken.size(), 1U);
  const CrashGranule& count = failure.granules[0];
  EXPECT_THAT(count.kept_store, StartsWith(at(count_line)));
  ASSERT_EQ(count.pieces.size(), 1U);
  EXPECT_EQ(count.pieces[0].oldest, "0000000000000000................");
  EXPECT_EQ(count.pieces[0].kept, "0100000000000000................");
  const CrashGranule& item = failure.overtaken[0];
  EXPECT_THAT(item.lost_store, StartsWith(at(stored_line)));
  EXPECT_EQ(item.address, 128U);
  ASSERT_FALSE(item.pieces.empty());
  EXPECT_THAT(item.pieces[0].kept, StartsWith("0000"));
  EXPECT_THAT(item.pieces[0].newest, StartsWith("1111"));
}

TEST(CrashReport, HasATimelineWhereItIsAskedFor) {
  EXPECT_TRUE(explore(Bug::kNone).timeline.points.empty());
  const CrashReport report = explore(Bug::kNone, {.timeline = true});
  const CrashTimeline& timeline = report.timeline;
  ASSERT_EQ(timeline.operations.size(), 3U);
  EXPECT_EQ(timeline.operations[1].name, "push 2");
  EXPECT_LT(timeline.operations[0].end, timeline.operations[1].begin);
  ASSERT_EQ(timeline.points.size(), report.crash_points);
  std::uint64_t states = 0;
  std::size_t outcomes = 0;
  double product = 0;
  for (const CrashPointSummary& point : timeline.points) {
    states += point.states;
    outcomes += point.outcomes;
    product += point.product;
  }
  EXPECT_EQ(states, report.states);
  EXPECT_EQ(outcomes, report.distinct_outcomes);
  EXPECT_EQ(product, report.product);
  // Push 1: the copy as one step, its flush and fence, the count with a flush, and a fence.
  const auto& steps = timeline.steps;
  ASSERT_GE(steps.size(), 6U);
  EXPECT_EQ(steps[1].kind, "flush");
  EXPECT_EQ(steps[1].bytes, 128U);
  EXPECT_EQ(steps[2].kind, "fence");
  EXPECT_TRUE(steps[2].orders);
}

TEST(CrashReport, HasTheSameTimelineFromAChild) {
  CrashTestOptions options{.timeline = true};
  const CrashReport here = explore(Bug::kNoFence, options);
  const CrashReport there = explore(Bug::kNoFence, options, /*in_process=*/false);
  ASSERT_EQ(there.timeline.points.size(), here.timeline.points.size());
  ASSERT_EQ(there.timeline.steps.size(), here.timeline.steps.size());
  EXPECT_EQ(there.timeline.steps[0].site, here.timeline.steps[0].site);
  EXPECT_EQ(there.timeline.points[1].description, here.timeline.points[1].description);
  EXPECT_EQ(there.timeline.points[1].states, here.timeline.points[1].states);
  // What a child tells of a failure is what is told here.
  ASSERT_EQ(there.failures.size(), 1U);
  EXPECT_EQ(there.failures[0].overtaken.at(0).hint, here.failures[0].overtaken.at(0).hint);
  EXPECT_EQ(there.failures[0].overtaken.at(0).pieces.size(),
            here.failures[0].overtaken.at(0).pieces.size());
}

TEST(CrashReport, IsAPageThatNeedsNothingElse) {
  const std::string page = explore(Bug::kNoFence, {.timeline = true}).to_html();
  for (const char* const stranger : {"<script", "http:", "https:", "src=", "@import", "url("}) {
    EXPECT_EQ(page.find(stranger), page.npos) << stranger;
  }
  for (const char* const part : {"FAILED", "<svg", "push 2", "KEPT", "LOST", "--crash_repro="}) {
    EXPECT_THAT(page, HasSubstr(part));
  }
}

TEST(CrashReport, EscapesWhatProgramsCallTheirOperations) {
  CrashReport report;
  report.model = "<b>&\"";
  EXPECT_THAT(report.to_html(), HasSubstr("&lt;b&gt;&amp;&quot;"));
  EXPECT_THAT(report.to_json(), HasSubstr("\"<b>&\\\"\""));
}

TEST(CrashReport, IsJson) {
  const std::string json = explore(Bug::kNoFence, {.timeline = true}).to_json();
  EXPECT_THAT(json, StartsWith("{\"verdict\":\"FAILED\","));
  for (const char* const part : {"\"hint\":\"flushed at ", "\"steps\":[{", "\"points\":[{"}) {
    EXPECT_THAT(json, HasSubstr(part));
  }
}

}  // namespace
}  // namespace nacre
