#include "emulation/simulation/name_model.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "tests/emulation/simulation/open_states.h"

namespace nacre {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

constexpr MediaAddress kNames = 8;

/// Names, and what is done to them.
class SomeNames {
 public:
  explicit SomeNames(NameModel profile, const Names& names = {}) : model_(definite_, profile) {
    trace_.set_names(table_);
    definite_.set_number(kNames, table_->index_of(names));
  }

  void create(std::string path, std::uint32_t inode = 0) {
    add({.change = NameChange::kCreate, .path = std::move(path), .target = {}, .inode = inode});
  }
  void make_directory(std::string path) {
    add({.change = NameChange::kMakeDirectory, .path = std::move(path), .target = {}});
  }
  void rename(std::string from, std::string to) {
    add({.change = NameChange::kRename, .path = std::move(from), .target = std::move(to)});
  }
  void remove(std::string path) {
    add({.change = NameChange::kRemove, .path = std::move(path), .target = {}});
  }
  /// Whether it was worth a crash.
  bool sync(std::string_view directory) {
    return add({.kind = EventKind::kSyncNames, .address = kNames}, directory);
  }

  /// The names in each state, files with their inode.
  std::set<std::string> states() const {
    return test::open_states(model_, definite_, [this](const test::DefiniteMemory& memory) {
      std::string text;
      for (const auto& [path, entry] : table_->at(memory.number(kNames))) {
        text += (text.empty() ? "" : " ") + path;
        if (!entry.is_directory) text += "=" + std::to_string(entry.inode);
      }
      return text;
    });
  }
  std::size_t candidates() const { return std::max<std::size_t>(meanings().size(), 1); }
  std::string limit() const {
    CrashState state;
    model_.collect(state);
    return state.limit;
  }
  /// Of the candidates, in their order.
  std::vector<std::string> meanings() const {
    CrashState state;
    model_.collect(state);
    std::vector<std::string> all;
    if (state.granules.empty()) return all;
    for (const Candidate& candidate : state.granules.front().candidates) {
      all.push_back(candidate.meaning);
    }
    return all;
  }

 private:
  void add(const NameOperation& operation) {
    add({.kind = EventKind::kNames, .address = kNames}, operation.to_text());
  }
  bool add(const Event& event, std::string_view text) {
    const std::size_t index = trace_.add(event, as_bytes(text));
    const bool narrows = model_.narrows(trace_, index);
    model_.apply(trace_, index);
    return narrows;
  }

  std::shared_ptr<NameTable> table_ = std::make_shared<NameTable>();
  test::DefiniteMemory definite_{64};
  Trace trace_;
  NamesModel model_;
};

const Names kOneFile = {{"/f", {.is_directory = false, .inode = 1}}};

// Recovery may sync a directory and change no name: nothing is known of names then.
TEST(NamesModel, ASyncOfNothingChangesNothing) {
  test::DefiniteMemory definite(64);
  NamesModel model(definite, NameModel::kPosixMinimum);
  Trace trace;
  const std::size_t index = trace.add({.kind = EventKind::kSyncNames}, as_bytes("/"));
  EXPECT_FALSE(model.narrows(trace, index));
  model.apply(trace, index);
  CrashState state;
  model.collect(state);
  EXPECT_TRUE(state.granules.empty());
}

TEST(NamesModel, IndependentOperationsAreThereInAnySet) {
  SomeNames names(NameModel::kPosixMinimum);
  names.create("/a", 1);
  names.create("/b", 2);
  EXPECT_THAT(names.states(), ElementsAre("", "/a=1", "/a=1 /b=2", "/b=2"));
}

TEST(NamesModel, AJournalKeepsAPrefix) {
  SomeNames names(NameModel::kOrderedJournal);
  names.create("/a", 1);
  names.create("/b", 2);
  EXPECT_THAT(names.states(), ElementsAre("", "/a=1", "/a=1 /b=2"));
}

TEST(NamesModel, WhatIsInADirectoryNeedsTheDirectory) {
  SomeNames names(NameModel::kPosixMinimum);
  names.make_directory("/d");
  names.make_directory("/d/e");
  names.create("/d/e/x", 1);
  EXPECT_THAT(names.states(), ElementsAre("", "/d", "/d /d/e", "/d /d/e /d/e/x=1"));
}

TEST(NamesModel, ARenameReplacesAtOnce) {
  for (const NameModel profile : {NameModel::kPosixMinimum, NameModel::kOrderedJournal}) {
    SomeNames names(profile, kOneFile);
    names.create("/t", 2);
    names.rename("/t", "/f");
    EXPECT_THAT(names.states(), ElementsAre("/f=1", "/f=1 /t=2", "/f=2"));
    EXPECT_TRUE(names.sync("/"));
    EXPECT_THAT(names.states(), ElementsAre("/f=2"));
  }
}

TEST(NamesModel, OnePathHasOneOrder) {
  SomeNames names(NameModel::kPosixMinimum, kOneFile);
  names.remove("/f");
  names.create("/f", 2);
  EXPECT_THAT(names.states(), ElementsAre("", "/f=1", "/f=2"));
}

TEST(NamesModel, ADirectoryGoesAfterWhatWasInIt) {
  SomeNames names(NameModel::kPosixMinimum, {{"/d", {.is_directory = true, .inode = 0}},
                                             {"/d/x", {.is_directory = false, .inode = 1}}});
  names.remove("/d/x");
  names.remove("/d");
  EXPECT_THAT(names.states(), ElementsAre("", "/d", "/d /d/x=1"));
}

TEST(NamesModel, ARenamedDirectoryTakesItsFilesAlong) {
  SomeNames names(NameModel::kPosixMinimum, {{"/d", {.is_directory = true, .inode = 0}},
                                             {"/d/x", {.is_directory = false, .inode = 1}}});
  names.rename("/d", "/e");
  names.create("/e/y", 2);
  // One directory under either name.
  EXPECT_THAT(names.states(),
              ElementsAre("/d /d/x=1", "/d /d/x=1 /d/y=2", "/e /e/x=1", "/e /e/x=1 /e/y=2"));
  EXPECT_TRUE(names.sync("/e"));
  EXPECT_THAT(names.states(), ElementsAre("/d /d/x=1 /d/y=2", "/e /e/x=1 /e/y=2"));
  EXPECT_TRUE(names.sync("/"));
  EXPECT_THAT(names.states(), ElementsAre("/e /e/x=1 /e/y=2"));
}

// What was done in it before it was renamed is covered by a sync under its new name alone.
TEST(NamesModel, ARenameOfADirectorySyncsNothingInIt) {
  SomeNames names(NameModel::kPosixMinimum, {{"/d", {.is_directory = true, .inode = 0}}});
  names.create("/d/x", 1);
  names.rename("/d", "/e");
  EXPECT_TRUE(names.sync("/"));
  EXPECT_THAT(names.states(), ElementsAre("/e", "/e /e/x=1"));
  EXPECT_TRUE(names.sync("/e"));
  EXPECT_THAT(names.states(), ElementsAre("/e /e/x=1"));
}

TEST(NamesModel, ASyncCoversItsDirectoryAlone) {
  const Names directories = {{"/d", {.is_directory = true, .inode = 0}},
                             {"/e", {.is_directory = true, .inode = 0}}};
  SomeNames minimum(NameModel::kPosixMinimum, directories);
  minimum.create("/e/y", 1);
  minimum.create("/d/x", 2);
  EXPECT_FALSE(minimum.sync("/"));
  EXPECT_TRUE(minimum.sync("/d"));
  EXPECT_THAT(minimum.states(), ElementsAre("/d /d/x=2 /e", "/d /d/x=2 /e /e/y=1"));
  EXPECT_FALSE(minimum.sync("/d"));
  EXPECT_TRUE(minimum.sync("/e"));
  EXPECT_THAT(minimum.states(), ElementsAre("/d /d/x=2 /e /e/y=1"));

  SomeNames journal(NameModel::kOrderedJournal, directories);
  journal.create("/e/y", 1);
  journal.create("/d/x", 2);
  EXPECT_TRUE(journal.sync("/d"));
  EXPECT_THAT(journal.states(), ElementsAre("/d /d/x=2 /e /e/y=1"));
}

// A directory that was made and never synced in its parent took its synced files with it on a real
// file system, while the model said that they were durable.
TEST(NamesModel, ASyncOfADirectorySaysNothingOfItsOwnName) {
  SomeNames names(NameModel::kPosixMinimum);
  names.make_directory("/d");
  names.make_directory("/d/e");
  names.create("/other", 1);
  names.create("/d/e/x", 2);
  EXPECT_TRUE(names.sync("/d/e"));
  EXPECT_THAT(names.states(), ElementsAre("", "/d", "/d /d/e /d/e/x=2", "/d /d/e /d/e/x=2 /other=1",
                                          "/d /other=1", "/other=1"));
  EXPECT_TRUE(names.sync("/d"));
  EXPECT_THAT(names.states(),
              ElementsAre("", "/d /d/e /d/e/x=2", "/d /d/e /d/e/x=2 /other=1", "/other=1"));
  EXPECT_TRUE(names.sync("/"));
  EXPECT_THAT(names.states(), ElementsAre("/d /d/e /d/e/x=2 /other=1"));
}

TEST(NamesModel, AJournalCommitsWhatCameBefore) {
  SomeNames names(NameModel::kOrderedJournal);
  names.make_directory("/d");
  names.create("/other", 1);
  names.create("/d/x", 2);
  names.create("/d/y", 3);
  names.create("/z", 4);
  EXPECT_TRUE(names.sync("/d"));
  EXPECT_THAT(names.states(),
              ElementsAre("/d /d/x=2 /d/y=3 /other=1", "/d /d/x=2 /d/y=3 /other=1 /z=4"));
}

const Names kTwoDirectories = {{"/d", {.is_directory = true, .inode = 0}},
                               {"/d/x", {.is_directory = false, .inode = 1}},
                               {"/e", {.is_directory = true, .inode = 0}}};

TEST(NamesModel, ARenameNeedsASyncOfEachOfItsDirectories) {
  for (const auto& [first, second] : {std::pair("/d", "/e"), std::pair("/e", "/d")}) {
    SomeNames names(NameModel::kPosixMinimum, kTwoDirectories);
    names.rename("/d/x", "/e/x");
    EXPECT_FALSE(names.sync(first));
    EXPECT_THAT(names.states(), ElementsAre("/d /d/x=1 /e", "/d /e /e/x=1"));
    EXPECT_TRUE(names.sync(second));
    EXPECT_THAT(names.states(), ElementsAre("/d /e /e/x=1"));

    SomeNames journal(NameModel::kOrderedJournal, kTwoDirectories);
    journal.rename("/d/x", "/e/x");
    EXPECT_TRUE(journal.sync(first));
    EXPECT_THAT(journal.states(), ElementsAre("/d /e /e/x=1"));
  }
}

// The name that stands in its place says that it is gone.
TEST(NamesModel, ARenameIsThereOnceItsOldNameHasAnother) {
  SomeNames names(NameModel::kPosixMinimum, kTwoDirectories);
  names.rename("/d/x", "/e/x");
  names.create("/d/x", 2);
  EXPECT_TRUE(names.sync("/d"));
  EXPECT_THAT(names.states(), ElementsAre("/d /d/x=2 /e /e/x=1"));
}

TEST(NamesModel, ADirectoryThatIsGoneHasLostWhatWasInIt) {
  SomeNames names(NameModel::kPosixMinimum, kTwoDirectories);
  names.remove("/d/x");
  names.remove("/d");
  EXPECT_TRUE(names.sync("/"));
  EXPECT_THAT(names.states(), ElementsAre("/e"));
}

TEST(NamesModel, AFileInADirectoryThatWasMadeAndRenamedNeedsIt) {
  SomeNames names(NameModel::kPosixMinimum);
  names.make_directory("/t");
  names.rename("/t", "/d");
  names.create("/d/x", 1);
  EXPECT_TRUE(names.sync("/d"));
  EXPECT_THAT(names.states(), ElementsAre("", "/d /d/x=1", "/t /t/x=1"));
  EXPECT_TRUE(names.sync("/"));
  EXPECT_THAT(names.states(), ElementsAre("/d /d/x=1"));
}

TEST(NamesModel, SaysWhichNamesThereAreFromTheOldestToTheNewest) {
  SomeNames names(NameModel::kPosixMinimum, kOneFile);
  names.create("/a", 2);
  names.remove("/f");
  EXPECT_THAT(names.meanings(), ElementsAre("names: /f", "names:", "names: /a /f", "names: /a"));
}

TEST(NamesModel, EqualStatesAreOneCandidate) {
  SomeNames names(NameModel::kPosixMinimum);
  names.create("/t", 1);
  names.remove("/t");
  EXPECT_EQ(names.candidates(), 2U);
}

// They ended the test with an assertion, which said nothing to whoever had written it.
TEST(NamesModel, OfTooManySetsSomeAreTried) {
  constexpr std::size_t kFiles = 17;
  SomeNames names(NameModel::kPosixMinimum);
  for (std::uint32_t i = 0; i < kFiles; ++i) names.create("/" + std::to_string(i), i);
  // None, all, each one alone, all but one, and the prefixes of 2 to 15 files.
  EXPECT_EQ(names.candidates(), 2 + 2 * kFiles + kFiles - 3);
  EXPECT_THAT(names.limit(), HasSubstr("17 operations on names"));
  EXPECT_TRUE(names.meanings().front() == "names:");
  EXPECT_THAT(names.meanings().back(), HasSubstr("/0 /1 /10"));

  SomeNames journal(NameModel::kOrderedJournal);
  for (std::uint32_t i = 0; i < 100; ++i) journal.create("/" + std::to_string(i), i);
  EXPECT_EQ(journal.candidates(), 101U);
  EXPECT_EQ(journal.limit(), "");
}

TEST(NameOperation, SurvivesBeingText) {
  const NameOperation rename{
      .change = NameChange::kRename, .path = "/a b", .target = "/c/d", .inode = 0};
  const NameOperation back = NameOperation::from_text(rename.to_text());
  EXPECT_EQ(back.change, rename.change);
  EXPECT_EQ(back.path, rename.path);
  EXPECT_EQ(back.target, rename.target);
  const NameOperation create{
      .change = NameChange::kCreate, .path = "/a", .target = {}, .inode = 4711};
  EXPECT_EQ(NameOperation::from_text(create.to_text()).inode, 4711U);
}

}  // namespace
}  // namespace nacre
