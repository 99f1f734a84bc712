#include "emulation/simulation/device_model.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <optional>
#include <string>
#include <string_view>

#include "tests/emulation/simulation/open_states.h"

namespace nacre {
namespace {

using testing::ElementsAre;

constexpr MediaAddress kFile = 64;       // Where the size stands.
constexpr MediaAddress kContent = 4096;  // Where the bytes begin.
constexpr std::size_t kUnit = 512;

/// One file, and what is done to it.
class OneFile {
 public:
  explicit OneFile(std::string_view text = {}, bool paranoid = false)
      : model_(definite_, kUnit, paranoid) {
    definite_.set_number(kFile, text.size());
    definite_.write(kContent, as_bytes(text));
  }

  std::size_t begin_write(std::uint64_t offset, std::string_view text) {
    size_ = std::max<std::uint64_t>(size_.value_or(definite_.number(kFile)), offset + text.size());
    return add({.kind = EventKind::kWriteBegin,
                .address = kContent + offset,
                .value = *size_,
                .file = kFile},
               text);
  }
  void end_write(std::size_t begun, bool durable = false) {
    add({.kind = EventKind::kWriteEnd,
         .flag = durable,
         .address = kContent,
         .value = begun,
         .file = kFile});
  }
  void fail_write(std::size_t begun) {
    add({.kind = EventKind::kWriteFailed, .value = begun, .file = kFile});
  }
  void write(std::uint64_t offset, std::string_view text, bool durable = false) {
    end_write(begin_write(offset, text), durable);
  }
  void resize(std::uint64_t bytes) {
    size_ = bytes;
    add({.kind = EventKind::kResize, .address = kContent, .value = bytes, .file = kFile});
  }
  std::size_t begin_sync() { return add({.kind = EventKind::kSyncBegin, .file = kFile}); }
  void end_sync(std::size_t begun, bool well = true) {
    add({.kind = EventKind::kSyncEnd, .flag = well, .value = begun, .file = kFile});
  }
  void sync(bool well = true) { end_sync(begin_sync(), well); }
  void add_zeros(std::uint64_t offset, std::uint64_t bytes) {
    add({.kind = EventKind::kZeroPastEnd,
         .address = kContent + offset,
         .value = bytes,
         .file = kFile});
  }

  /// Whether the event added last was worth a crash.
  bool narrowed() const { return narrowed_; }

  /// Size and content of each state, zeros as dots; of a long file, one byte of each unit.
  std::set<std::string> states() const {
    return test::open_states(model_, definite_, [](const test::DefiniteMemory& memory) {
      const std::uint64_t bytes = memory.number(kFile);
      std::string text = std::to_string(bytes) + ":";
      const std::size_t step = bytes >= kUnit ? kUnit : 1;
      for (std::uint64_t i = 0; i < bytes; i += step) {
        const auto byte = static_cast<char>(memory.read(kContent + i, 1).front());
        text += byte == '\0' ? '.' : byte;
      }
      return text;
    });
  }

 private:
  std::size_t add(const Event& event, std::string_view text = {}) {
    const std::size_t index = trace_.add(event, as_bytes(text));
    narrowed_ = model_.narrows(trace_, index);
    model_.apply(trace_, index);
    return index;
  }

  test::DefiniteMemory definite_{16384};
  Trace trace_;
  DeviceModel model_;
  std::optional<std::uint64_t> size_;
  bool narrowed_ = false;
};

std::string units(char fill, std::size_t count) { return std::string(count * kUnit, fill); }

TEST(DeviceModel, GrowthAndDataAreOpenEachOnItsOwn) {
  OneFile file;
  file.write(0, "ab");
  EXPECT_THAT(file.states(), ElementsAre("0:", "2:..", "2:ab"));
  file.sync();
  EXPECT_TRUE(file.narrowed());
  EXPECT_THAT(file.states(), ElementsAre("2:ab"));
}

TEST(DeviceModel, UnitsAreOpenEachOnItsOwn) {
  OneFile file(units('x', 3));
  file.write(0, units('y', 2));
  EXPECT_THAT(file.states(), ElementsAre("1536:xxx", "1536:xyx", "1536:yxx", "1536:yyx"));
}

TEST(DeviceModel, AUnitHoldsAnyOfItsContentsAndNoMixture) {
  OneFile file("..");
  file.write(0, "a");
  file.write(1, "b");
  file.write(0, "c");
  EXPECT_THAT(file.states(), ElementsAre("2:..", "2:a.", "2:ab", "2:cb"));
}

TEST(DeviceModel, EqualContentsAreOneAndWritingTheSameIsNone) {
  OneFile file("ab");
  file.write(0, "ab");
  EXPECT_THAT(file.states(), ElementsAre("2:ab"));
  file.write(0, "cd");
  file.write(0, "ab");
  EXPECT_THAT(file.states(), ElementsAre("2:ab", "2:cd"));
}

TEST(DeviceModel, ASyncCoversWhatWasCompletedBeforeItWasSubmitted) {
  OneFile file(units('x', 4));
  file.write(0, "1");
  const std::size_t in_flight = file.begin_write(kUnit, "2");
  const std::size_t sync = file.begin_sync();
  file.end_write(in_flight);
  file.write(2 * kUnit, "3");
  file.end_sync(sync);
  EXPECT_TRUE(file.narrowed());
  EXPECT_THAT(file.states(), ElementsAre("2048:12"
                                         "3x",
                                         "2048:12xx", "2048:1x3x", "2048:1xxx"));
  file.sync();
  EXPECT_THAT(file.states(), ElementsAre("2048:123x"));
}

TEST(DeviceModel, ASyncWithNothingOpenIsNotWorthACrash) {
  OneFile file("ab");
  file.sync();
  EXPECT_FALSE(file.narrowed());
  const std::size_t begun = file.begin_write(0, "c");
  file.sync();
  EXPECT_FALSE(file.narrowed());
  file.end_write(begun);
  EXPECT_FALSE(file.narrowed());
}

TEST(DeviceModel, ADurableWriteIsThereWithItsSizeAndNothingElse) {
  OneFile file;
  file.write(0, "a");
  const std::size_t begun = file.begin_write(1, "b");
  EXPECT_THAT(file.states(), ElementsAre("0:", "1:.", "1:a", "2:..", "2:a.", "2:ab"));
  file.end_write(begun, /*durable=*/true);
  EXPECT_TRUE(file.narrowed());
  EXPECT_THAT(file.states(), ElementsAre("2:.b", "2:ab"));
}

TEST(DeviceModel, WhatCameBeforeADurableWriteDoesNotUndoIt) {
  OneFile file("...");
  file.write(0, "aaa");
  file.write(1, "b", /*durable=*/true);
  EXPECT_THAT(file.states(), ElementsAre("3:.b.", "3:aba"));
  file.sync();
  EXPECT_THAT(file.states(), ElementsAre("3:aba"));
}

TEST(DeviceModel, ADurableWriteTakesTheGrowthThatItLiesIn) {
  OneFile file;
  file.resize(4);
  file.resize(8);
  file.write(2, "b", /*durable=*/true);
  EXPECT_THAT(file.states(), ElementsAre("4:..b.", "8:..b....."));
  file.write(5, "c", /*durable=*/true);
  EXPECT_THAT(file.states(), ElementsAre("8:..b..c.."));
}

TEST(DeviceModel, AFailedSyncPromisesNothingAndNorDoesTheNext) {
  OneFile file(units('x', 2));
  file.write(0, "1");
  file.sync(/*well=*/false);
  EXPECT_FALSE(file.narrowed());
  file.write(kUnit, "2");
  file.sync();
  EXPECT_THAT(file.states(), ElementsAre("1024:12", "1024:x2"));
  file.write(0, "3");
  file.sync();
  EXPECT_THAT(file.states(), ElementsAre("1024:32"));
}

TEST(DeviceModel, AFailedWriteMayBeThereForEver) {
  OneFile file("x");
  file.fail_write(file.begin_write(0, "1"));
  file.sync();
  EXPECT_THAT(file.states(), ElementsAre("1:1", "1:x"));
}

TEST(DeviceModel, ACutTakesItsBytesAlong) {
  OneFile file("abcd");
  file.resize(2);
  EXPECT_THAT(file.states(), ElementsAre("2:ab", "4:abcd"));
  file.resize(4);
  EXPECT_THAT(file.states(), ElementsAre("2:ab", "4:ab..", "4:abcd"));
  file.sync();
  EXPECT_THAT(file.states(), ElementsAre("4:ab.."));
}

TEST(DeviceModel, WhatWasCutNeverComesBackIntoTheNewFile) {
  OneFile file("abcd");
  file.resize(0);
  file.write(0, "X");
  EXPECT_THAT(file.states(), ElementsAre("0:", "1:.", "1:X", "4:X...", "4:abcd"));
}

TEST(DeviceModel, ACutOverAnOpenWriteLeavesEitherOrNone) {
  OneFile file("ab");
  file.write(0, "cd");
  file.resize(1);
  EXPECT_THAT(file.states(), ElementsAre("1:a", "1:c", "2:ab", "2:cd"));
}

TEST(DeviceModel, GarbageTakesTheWholeUnitUntilTheWriteIsDurable) {
  OneFile file("ab", /*paranoid=*/true);
  file.write(0, "c");
  const std::set<std::string> open = file.states();
  ASSERT_EQ(open.size(), 3U);
  EXPECT_TRUE(open.contains("2:ab") && open.contains("2:cb"));
  file.sync();
  EXPECT_THAT(file.states(), ElementsAre("2:cb"));
}

TEST(DeviceModel, WhatLiesPastTheEndNeverWas) {
  OneFile file("abcd");
  file.add_zeros(2, 2);
  EXPECT_THAT(file.states(), ElementsAre("4:ab.."));
}

}  // namespace
}  // namespace nacre
