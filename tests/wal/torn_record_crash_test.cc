// A record that two crashes have torn, one after the other.
//
// A crash left of a record all but one word. It began a block, so that the next one, after the
// recovery that had not found it, went to the same place; that had the missing word in common with
// it, and a crash kept this word alone. Together they were the first record, whole.

#include <gtest/gtest.h>

#include <array>
#include <cstddef>
#include <filesystem>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "lib/base/try.h"
#include "mmap/segment_format.h"
#include "mmap/segment_pool.h"
#include "nacre/emulation/crash_test.h"
#include "nacre/wal.h"
#include "wal/record_format.h"

namespace nacre {
namespace {

using Records = std::vector<std::string>;

constexpr std::string_view kTorn = "rejected, and the same";
constexpr std::string_view kNext = "appended, and the same";
constexpr std::size_t kCommonWord = sizeof(wal::FrameHeader) + 8;

struct Case {
  std::string name;
  bool block = false;
  CrashModel model;
  std::size_t torn_bytes = 8;  ///< What a crash decides as a whole.
};

class TornRecord : public testing::TestWithParam<Case> {
 protected:
  static Environment environment(SimulatedMachine& machine) {
    return GetParam().block ? machine.block_environment() : machine.environment();
  }
  static Result<Wal> open(SimulatedMachine& machine) {
    return Wal::open("/log", {.lanes = 1,
                              .segment_bytes = kMinSegmentBytes,
                              .spare_segments = 0,
                              .environment = environment(machine)});
  }
  /// As large as one thing that a crash decides, and two more.
  static std::string record(std::string_view text) {
    std::string record(text);
    record.resize(3 * GetParam().torn_bytes, '.');
    return record;
  }
  /// Writes zeros; durable, as all that a setup leaves.
  static void erase(File& file, std::uint64_t offset, std::size_t bytes) {
    const std::vector<std::byte> zeros(bytes);
    ASSERT_TRUE(file.write_at(offset, zeros));
  }

  /// A log as the first crash leaves it: not closed, and its one record without some of its bytes.
  static void tear(SimulatedMachine& machine) {
    FileSystem& files = machine.file_system();
    const auto names = files.list_directory("/log/segments");
    ASSERT_TRUE(names);
    ASSERT_EQ(names->size(), 1U);
    const std::filesystem::path path = std::filesystem::path("/log/segments") / names->front();
    const auto header = read_segment_header(files, path);
    ASSERT_TRUE(header);
    ASSERT_TRUE(header->state.closed_cleanly);
    const auto file = files.open(path, {.writable = true});
    ASSERT_TRUE(file);
    erase(**file, header->slot * kSegmentSlotBytes + offsetof(SegmentSlot, crc), 8);
    const std::size_t unit = GetParam().torn_bytes;
    const std::size_t begin = kSegmentDataOffset + kCommonWord;
    erase(**file, (begin + unit - 1) / unit * unit, unit);
  }
};

TEST_P(TornRecord, IsNotMadeWholeByTheNextOne) {
  const CrashReport report =
      CrashTest<Records>({.machine = {.model = GetParam().model}, .recover_twice = false})
          .setup([](SimulatedMachine& machine) {
            {
              auto wal = open(machine);
              ASSERT_TRUE(wal);
              ASSERT_TRUE(wal->lane(0).append(as_bytes(record(kTorn))));
            }
            tear(machine);
          })
          .run([](SimulatedMachine& machine, CrashRun& run) {
            auto wal = open(machine);
            ASSERT_TRUE(wal);
            run.operation("append",
                          [&] { ASSERT_TRUE(wal->lane(0).append(as_bytes(record(kNext)))); });
          })
          .recover([](SimulatedMachine& machine) -> Result<Records> {
            const Wal wal = NACRE_TRY(open(machine));
            Records records;
            NACRE_TRY(wal.replay([&](std::uint32_t, const RecordView& found) {
              records.emplace_back(as_text(found.payload));
              return Status();
            }));
            return records;
          })
          .check([](const Records& records, const CrashHistory& history) -> Status {
            if (records == Records{record(kNext)}) return {};
            if (records.empty() && history.completed_count() == 0) return {};
            return Error(ErrorCode::kCorruption, records.empty()
                                                     ? "an acknowledged record is lost"
                                                     : "found a record that had been given up");
          })
          .explore();
  EXPECT_EQ(report.verdict, CrashVerdict::kExhaustive) << report.to_string();
}

INSTANTIATE_TEST_SUITE_P(
    Models, TornRecord,
    testing::Values(
        Case{"CacheLine", false, CrashModel::cache_line(), 8},
        Case{"MappedSectors", false, {.memory = MemoryModel::kMappedPages, .strict = true}, 512},
        Case{"BlockSectors", true, {.device_unit_bytes = 512}, 512}),
    [](const auto& tested) { return tested.param.name; });

}  // namespace
}  // namespace nacre
