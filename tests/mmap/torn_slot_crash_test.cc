// A header slot that two crashes have torn, one after the other.
//
// A crash tore the header that a log wrote when it was closed: of the slot all words were there but
// the sequence. The log was opened again, grew, and was closed again, which wrote the same slot
// with the same sequence; another crash kept that word of it alone. Together the words were the
// header of the first closing, whole and the newest, and the records behind its end were refused as
// damage. `nacre crashtest wal-model` found it.

#include <gtest/gtest.h>

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <memory>
#include <vector>

#include "mmap/segment.h"
#include "mmap/segment_format.h"
#include "mmap/segment_pool.h"
#include "nacre/emulation/crash_test.h"

namespace nacre {
namespace {

constexpr std::uint64_t kFirstEnd = 8256;
constexpr std::uint64_t kSecondEnd = 12352;

std::unique_ptr<SegmentPool> make_pool(const Environment& environment) {
  return std::make_unique<SegmentPool>(
      *environment.file_system, environment.domain, *environment.executor,
      SegmentPool::Options{
          .directory = "/segments", .log_uuid = Uuid{{1}}, .segment_bytes = kMinSegmentBytes});
}

SegmentState closed_at(SegmentState state, std::uint64_t end) {
  state.closed_cleanly = true;
  state.end_offset = end;
  state.end_lsn = Lsn{2};
  return state;
}

/// The slot of `state`, which is to be written next, with the sequence that was there before.
void tear(SegmentPool& pool, SegmentState state) {
  state.sequence += 1;
  SegmentSlot slot = encode_segment_slot(closed_at(state, kFirstEnd));
  slot.sequence = state.sequence - 2;
  auto region = pool.map_file(state.id, kSegmentDataOffset, pmem::MapContent::kKeep).value();
  const std::size_t other = state.sequence % 2 == 1 ? 0 : kSegmentSlotBytes;
  region->copy(other, std::as_bytes(std::span(&slot, 1)));
}

TEST(Segment, WordsOfTwoTornHeadersAreNoHeader) {
  SegmentId id;
  const CrashReport report =
      CrashTest<std::uint64_t>()
          .setup([&](SimulatedMachine& machine) {
            const Environment environment = machine.environment();
            ASSERT_TRUE(environment.file_system->create_directory("/segments"));
            const auto pool = make_pool(environment);
            const auto segment = pool->take().value();
            id = segment->state().id;
            SegmentState active = segment->state();
            active.use = SegmentUse::kActive;
            ASSERT_TRUE(segment->write_state(active));
            tear(*pool, segment->state());
          })
          .run([&](SimulatedMachine& machine, CrashRun& run) {
            const auto pool = make_pool(machine.environment());
            std::vector<Error> problems;
            const auto found = pool->find_segments(problems).value();
            ASSERT_EQ(found.size(), 1U);
            const auto segment = pool->open(found[0]);
            run.operation("close again", [&] {
              ASSERT_TRUE(segment->write_state(closed_at(segment->state(), kSecondEnd)));
            });
          })
          .recover([&](SimulatedMachine& machine) -> Result<std::uint64_t> {
            auto header = read_segment_header(
                machine.file_system(), std::filesystem::path("/segments") / segment_file_name(id));
            if (!header) return header.error();
            return header->state.closed_cleanly ? header->state.end_offset : 0;
          })
          .check([](std::uint64_t end, const CrashHistory& history) -> Status {
            if (end == kFirstEnd) return Error(ErrorCode::kCorruption, "closed where it never was");
            const bool is_closed = end == kSecondEnd;
            if (is_closed || history.completed_count() == 0) return {};
            return Error(ErrorCode::kCorruption, "the closing is lost");
          })
          .explore();
  EXPECT_EQ(report.verdict, CrashVerdict::kExhaustive) << report.to_string();
}

}  // namespace
}  // namespace nacre
