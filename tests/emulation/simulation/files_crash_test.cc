// The explorer over files: what programs may rely on, and what they may not.

#include <fmt/format.h>
#include <fmt/ranges.h>
#include <gtest/gtest.h>

#include <set>
#include <string>
#include <utility>

#include "nacre/emulation/crash_test.h"
#include "tests/support/result_matchers.h"

namespace nacre {
namespace {

constexpr OpenOptions kReadOnly{};
constexpr OpenOptions kCreate{.writable = true, .create = true};
constexpr OpenOptions kCreateDurable{.writable = true, .create = true, .data_sync = true};

CrashTestOptions options_for(NameModel names) { return {.machine = {.model = {.names = names}}}; }

/// All of the file at `path`, or "none".
Result<std::string> text_of(FileSystem& files, const std::filesystem::path& path) {
  auto file = files.open(path, kReadOnly);
  if (!file && file.error().code() == ErrorCode::kNotFound) return std::string("none");
  if (!file) return file.error();
  const Result<std::uint64_t> bytes = (*file)->size();
  if (!bytes) return bytes.error();
  std::string text(*bytes, '?');
  const auto got = (*file)->read_at(0, std::as_writable_bytes(std::span(text)));
  if (!got) return got.error();
  text.resize(*got);
  return text;
}

Status unexpected(const std::string& found, const CrashHistory& history) {
  return Error(ErrorCode::kCorruption,
               fmt::format("found \"{}\" after {} of {} operations", found,
                           history.completed_count(), history.operations().size()));
}

/// "none" before, `text` once the only operation has completed, and either while it runs.
auto all_or_nothing(std::string before, std::string after) {
  return [before = std::move(before), after = std::move(after)](
             const std::string& found, const CrashHistory& history) -> Status {
    if (found == after && history.begun_count() > 0) return {};
    if (found == before && history.completed_count() == 0) return {};
    return unexpected(found, history);
  };
}

enum class ReplaceBug : std::uint8_t { kNone, kNoFileSync, kNoDirectorySync, kInPlace };

Status replace(FileSystem& files, std::string_view text, ReplaceBug bug) {
  const bool in_place = bug == ReplaceBug::kInPlace;
  {
    auto file = files.open(in_place ? "/d/file" : "/d/file.tmp", kCreate);
    if (!file) return file.error();
    if (Status cut = (*file)->resize(0); !cut) return cut;
    if (Status written = (*file)->write_at(0, as_bytes(text)); !written) return written;
    if (bug != ReplaceBug::kNoFileSync) {
      if (Status synced = (*file)->sync(); !synced) return synced;
    }
  }
  if (in_place) return {};
  if (Status renamed = files.rename("/d/file.tmp", "/d/file"); !renamed) return renamed;
  return bug == ReplaceBug::kNoDirectorySync ? Status() : files.sync_directory("/d");
}

CrashReport explore_replace(NameModel names, ReplaceBug bug) {
  CrashTest<std::string> test(options_for(names));
  test.setup([](SimulatedMachine& machine) {
        FileSystem& files = machine.file_system();
        EXPECT_OK(files.create_directory("/d"));
        EXPECT_OK(replace(files, "old text", ReplaceBug::kNone));
      })
      .run([bug](SimulatedMachine& machine, CrashRun& run) {
        run.operation("replace",
                      [&] { EXPECT_OK(replace(machine.file_system(), "another", bug)); });
      })
      .recover([](SimulatedMachine& machine) { return text_of(machine.file_system(), "/d/file"); })
      .check(all_or_nothing("old text", "another"))
      .use([](SimulatedMachine& machine) -> Status {
        FileSystem& files = machine.file_system();
        if (Status replaced = replace(files, "third", ReplaceBug::kNone); !replaced) {
          return replaced;
        }
        const auto text = text_of(files, "/d/file");
        if (!text) return text.error();
        return *text == "third" ? Status() : Error(ErrorCode::kCorruption, "found " + *text);
      });
  return test.explore();
}

class FilesCrashOf : public testing::TestWithParam<NameModel> {};

INSTANTIATE_TEST_SUITE_P(BothProfiles, FilesCrashOf,
                         testing::Values(NameModel::kPosixMinimum, NameModel::kOrderedJournal),
                         [](const auto& one) {
                           return one.param == NameModel::kPosixMinimum ? "PosixMinimum"
                                                                        : "OrderedJournal";
                         });

TEST_P(FilesCrashOf, AnAtomicReplaceLeavesOneOfTheTwo) {
  const CrashReport report = explore_replace(GetParam(), ReplaceBug::kNone);
  EXPECT_EQ(report.verdict, CrashVerdict::kExhaustive) << report.to_string();
  EXPECT_GE(report.states, 10U) << report.to_string();
}

TEST_P(FilesCrashOf, ARenameMayComeBeforeTheDataOfAFileThatWasNotSynced) {
  const CrashReport report = explore_replace(GetParam(), ReplaceBug::kNoFileSync);
  ASSERT_EQ(report.verdict, CrashVerdict::kFailed) << report.to_string();
}

TEST_P(FilesCrashOf, ARenameMayBeLostWhileItsDirectoryIsNotSynced) {
  const CrashReport report = explore_replace(GetParam(), ReplaceBug::kNoDirectorySync);
  ASSERT_EQ(report.verdict, CrashVerdict::kFailed) << report.to_string();
  EXPECT_NE(report.failures.front().message.find("\"old text\" after 1"), std::string::npos)
      << report.to_string();
}

TEST_P(FilesCrashOf, WritingInPlaceIsNotAtomic) {
  const CrashReport report = explore_replace(GetParam(), ReplaceBug::kInPlace);
  ASSERT_EQ(report.verdict, CrashVerdict::kFailed) << report.to_string();
}

enum class Sync : std::uint8_t { kNone, kData, kDurableWrite };

/// A log of two lines in one file, whose name is durable; the lines share a unit of the device.
CrashReport explore_log(Sync sync, const CrashModel& model) {
  CrashTest<std::string> test({.machine = {.model = model}});
  const OpenOptions& options = sync == Sync::kDurableWrite ? kCreateDurable : kCreate;
  test.setup(
          [](SimulatedMachine& machine) { EXPECT_OK(machine.file_system().open("/log", kCreate)); })
      .run([sync, options](SimulatedMachine& machine, CrashRun& run) {
        auto file = machine.file_system().open("/log", options).value();
        for (std::size_t i = 0; i < 2; ++i) {
          run.operation(fmt::format("line {}", i), [&] {
            EXPECT_OK(file->write_at(i * 2, as_bytes(i == 0 ? "1\n" : "2\n")));
            if (sync == Sync::kData) {
              EXPECT_OK(file->sync_data());
            }
          });
        }
      })
      .recover([](SimulatedMachine& machine) { return text_of(machine.file_system(), "/log"); })
      .check([](const std::string& found, const CrashHistory& history) -> Status {
        const std::string all = "1\n2\n";
        const std::size_t least = history.completed_count() * 2;
        // What was being written may be zeros within the size, or lie past it.
        const std::string known = found.substr(0, found.find('\0'));
        if (found.size() < least || known.size() < least || !all.starts_with(known)) {
          return unexpected(found, history);
        }
        return {};
      });
  return test.explore();
}

TEST(FilesCrash, LinesOfALogAreThereOnceTheyAreSynced) {
  for (const Sync sync : {Sync::kData, Sync::kDurableWrite}) {
    const CrashReport report = explore_log(sync, {});
    EXPECT_EQ(report.verdict, CrashVerdict::kExhaustive) << report.to_string();
    EXPECT_GE(report.states, 6U) << report.to_string();
  }
}

TEST(FilesCrash, LinesOfALogThatIsNotSyncedAreLost) {
  const CrashReport report = explore_log(Sync::kNone, {});
  ASSERT_EQ(report.verdict, CrashVerdict::kFailed) << report.to_string();
  EXPECT_NE(report.failures.front().message.find("\"\" after 1"), std::string::npos)
      << report.to_string();
}

// The second line is written into a unit that carries the first, acknowledged one.
TEST(FilesCrash, GarbageInAUnitTakesAnAcknowledgedLineAlong) {
  const CrashReport report = explore_log(Sync::kDurableWrite, {.paranoid = true});
  EXPECT_EQ(report.verdict, CrashVerdict::kFailed) << report.to_string();
}

// A failed sync marks what it did not write as clean: the next one succeeds without it.
TEST(FilesCrash, ASyncThatIsTriedAgainSaysNothing) {
  CrashTest<std::string> test;
  test.setup(
          [](SimulatedMachine& machine) { EXPECT_OK(machine.file_system().open("/log", kCreate)); })
      .run([](SimulatedMachine& machine, CrashRun& run) {
        run.operation("write", [&] {
          auto file = machine.file_system().open("/log", kCreate).value();
          EXPECT_OK(file->write_at(0, as_bytes("text")));
          machine.fail_syncs(1);
          const Status failed = file->sync_data();
          EXPECT_EQ(failed.error().code(), ErrorCode::kIo);
          EXPECT_OK(file->sync_data());
        });
      })
      .recover([](SimulatedMachine& machine) -> Result<std::string> {
        auto found = text_of(machine.file_system(), "/log");
        if (found && *found != "text") *found = "none";
        return found;
      })
      .check(all_or_nothing("none", "text"));
  const CrashReport report = test.explore();
  ASSERT_EQ(report.verdict, CrashVerdict::kFailed) << report.to_string();
  EXPECT_NE(report.failures.front().message.find("\"none\" after 1"), std::string::npos)
      << report.to_string();
}

TEST(FilesCrash, AFailedWriteMayBeThereAllTheSame) {
  std::set<std::string> found;
  CrashTest<std::string> test({.in_process = true});
  test.setup([](SimulatedMachine& machine) {
        auto file = machine.file_system().open("/f", kCreate).value();
        EXPECT_OK(file->write_at(0, as_bytes("old")));
      })
      .run([](SimulatedMachine& machine, CrashRun& run) {
        run.operation("write", [&] {
          auto file = machine.file_system().open("/f", kCreateDurable).value();
          machine.fail_writes(1);
          const Status failed = file->write_at(0, as_bytes("new"));
          EXPECT_EQ(failed.error().code(), ErrorCode::kIo);
          EXPECT_EQ(failed.error().path(), "/f");
        });
      })
      .recover([](SimulatedMachine& machine) { return text_of(machine.file_system(), "/f"); })
      .check([&](const std::string& text, const CrashHistory& history) -> Status {
        if (history.completed_count() == 1) found.insert(text);
        return {};
      });
  EXPECT_EQ(test.explore().verdict, CrashVerdict::kExhaustive);
  EXPECT_EQ(found, (std::set<std::string>{"new", "old"}));
}

CrashReport explore_create(NameModel names, bool syncs_directory) {
  CrashTest<std::string> test(options_for(names));
  test.run([syncs_directory](SimulatedMachine& machine, CrashRun& run) {
        FileSystem& files = machine.file_system();
        run.operation("create", [&] {
          EXPECT_OK(files.create_directory("/d"));
          auto file = files.open("/d/file", kCreate).value();
          EXPECT_OK(file->write_at(0, as_bytes("text")));
          EXPECT_OK(file->sync());
          if (!syncs_directory) return;
          EXPECT_OK(files.sync_directory("/d"));
          EXPECT_OK(files.sync_directory("/"));
        });
      })
      .recover([](SimulatedMachine& machine) -> Result<std::string> {
        auto found = text_of(machine.file_system(), "/d/file");
        // Only the acknowledged file has to be whole.
        if (found && *found != "text") *found = "none";
        return found;
      })
      .check(all_or_nothing("none", "text"));
  return test.explore();
}

TEST_P(FilesCrashOf, AFileThatWasCreatedNeedsItsDirectorySynced) {
  const CrashReport synced = explore_create(GetParam(), true);
  EXPECT_EQ(synced.verdict, CrashVerdict::kExhaustive) << synced.to_string();
  const CrashReport not_synced = explore_create(GetParam(), false);
  ASSERT_EQ(not_synced.verdict, CrashVerdict::kFailed) << not_synced.to_string();
  EXPECT_NE(not_synced.failures.front().message.find("\"none\" after 1"), std::string::npos)
      << not_synced.to_string();
}

// The recovery of one state must not see what the recovery of another has made, or has locked.
TEST_P(FilesCrashOf, WhatARecoveryMakesIsUndone) {
  CrashTestOptions options = options_for(GetParam());
  options.depth = 1;
  options.recover_twice = false;
  CrashTest<std::string> test(options);
  test.run([](SimulatedMachine& machine, CrashRun& run) {
        FileSystem& files = machine.file_system();
        run.operation("create", [&] {
          EXPECT_OK(files.open("/a", kCreate));
          EXPECT_OK(files.open("/b", kCreate));
        });
      })
      .recover([](SimulatedMachine& machine) -> Result<std::string> {
        FileSystem& files = machine.file_system();
        const auto names = files.list_directory("/");
        if (!names) return names.error();
        if (!names->empty() && names->back() == "mark") return std::string("marked");
        auto mark = files.open("/mark", kCreate);
        if (!mark) return mark.error();
        if (Status locked = (*mark)->lock_exclusive(); !locked) return locked.error();
        if (Status put = (*mark)->write_at(0, as_bytes("mark")); !put) return put.error();
        return fmt::format("{}", fmt::join(*names, " "));
      })
      .check([](const std::string& found, const CrashHistory& history) -> Status {
        return found == "marked" ? unexpected(found, history) : Status();
      });
  const CrashReport report = test.explore();
  EXPECT_EQ(report.verdict, CrashVerdict::kExhaustive) << report.to_string();
  EXPECT_GT(report.states, 3U);
}

}  // namespace
}  // namespace nacre
