#include "mmap/segment_format.h"

#include <gtest/gtest.h>

#include <array>
#include <cstring>
#include <string>

#include "lib/codec/crc32c.h"
#include "tests/support/result_matchers.h"

namespace nacre {
namespace {

using test::has_code;

SegmentState example() {
  SegmentState state;
  for (std::size_t i = 0; i < state.log_uuid.bytes.size(); ++i) {
    state.log_uuid.bytes[i] = static_cast<std::uint8_t>(0xa0 + i);
  }
  state.id = SegmentId{0x0102030405060708};
  state.segment_bytes = 0x10000;
  state.sequence = 0x1112131415161718;
  state.generation = 0x21222324;
  state.use = SegmentUse::kSealed;
  state.closed_cleanly = true;
  state.lane = 0x31323334;
  state.lane_sequence = 0x4142434445464748;
  state.first_lane_sequence = 0x5152535455565758;
  state.base_lsn = Lsn{0x6162636465666768};
  state.end_offset = 0x7172737475767778;
  state.end_lsn = Lsn{0x8182838485868788};
  state.next = SegmentId{0x9192939495969798};
  return state;
}

/// `value` as `bytes` little-endian bytes.
std::string le(std::uint64_t value, std::size_t bytes) {
  std::string text;
  for (std::size_t i = 0; i < bytes; ++i) text += static_cast<char>(value >> (8 * i) & 0xff);
  return text;
}

/// The slot for `example()`, byte by byte as docs/format/segment.md has it.
std::string example_bytes() {
  std::string covered = le(1, 4) + le(0x1112131415161718, 8);
  for (int i = 0; i < 16; ++i) covered += static_cast<char>(0xa0 + i);
  covered += le(0x0102030405060708, 8) + le(0x10000, 8) + le(0x21222324, 4) + le(3, 4) + le(1, 4) +
             le(0x31323334, 4) + le(0x4142434445464748, 8) + le(0x5152535455565758, 8) +
             le(0x6162636465666768, 8) + le(0x7172737475767778, 8) + le(0x8182838485868788, 8) +
             le(0x9192939495969798, 8) + std::string(64, '\0');
  return "NACRESEG" + le(~crc32c(~0U, as_bytes(covered)), 4) + covered;
}

std::string text_of(const SegmentSlot& slot) {
  return {reinterpret_cast<const char*>(&slot), sizeof slot};
}

/// Both slots of a file, each given or blank.
std::string header_of(std::string_view first, std::string_view second) {
  std::string header(kSegmentDataOffset, '\0');
  header.replace(0, first.size(), first);
  header.replace(kSegmentSlotBytes, second.size(), second);
  return header;
}

std::string slot_with_sequence(std::uint64_t sequence) {
  SegmentState state = example();
  state.sequence = sequence;
  return text_of(encode_segment_slot(state));
}

/// A slot of another format version, with the checksum right.
std::string slot_of_version(std::uint32_t version) {
  std::string slot = example_bytes();
  slot.replace(12, 4, le(version, 4));
  slot.replace(8, 4, le(~crc32c(~0U, as_bytes(slot).subspan(12)), 4));
  return slot;
}

TEST(SegmentSlot, IsWrittenAsTheFormatSays) {
  EXPECT_EQ(text_of(encode_segment_slot(example())), example_bytes());
  EXPECT_EQ(example_bytes().size(), 184U);
}

TEST(SegmentSlot, ReadsBackWhatWasWritten) {
  for (const SegmentUse use : {SegmentUse::kFree, SegmentUse::kActive, SegmentUse::kSealed}) {
    for (const bool clean : {false, true}) {
      SegmentState state = example();
      state.use = use;
      state.closed_cleanly = clean;
      const DecodedSlot slot = decode_segment_slot(as_bytes(text_of(encode_segment_slot(state))));
      ASSERT_EQ(slot.condition, SlotCondition::kValid);
      EXPECT_EQ(slot.state, state);
      EXPECT_EQ(slot.format_version, 1U);
    }
  }
}

TEST(SegmentSlot, EachFlagIsABitOfItsOwn) {
  SegmentState state = example();
  state.closed_cleanly = false;
  EXPECT_EQ(std::uint32_t{encode_segment_slot(state).flags}, 0U);
  state.unsynced = true;
  const std::string slot = text_of(encode_segment_slot(state));
  EXPECT_EQ(slot.substr(64, 4), le(2, 4));
  EXPECT_EQ(decode_segment_slot(as_bytes(slot)).state, state);
}

TEST(SegmentSlot, EveryFlippedBitIsFound) {
  const std::string good = example_bytes();
  for (std::size_t offset = 0; offset < good.size(); ++offset) {
    for (unsigned bit = 0; bit < 8; ++bit) {
      std::string bad = good;
      bad[offset] = static_cast<char>(static_cast<unsigned char>(bad[offset]) ^ (1U << bit));
      ASSERT_EQ(decode_segment_slot(as_bytes(bad)).condition, SlotCondition::kDamaged)
          << offset << "." << bit;
    }
  }
}

TEST(SegmentSlot, ZerosAreBlankAndAnythingElseIsNot) {
  std::string slot(sizeof(SegmentSlot), '\0');
  EXPECT_EQ(decode_segment_slot(as_bytes(slot)).condition, SlotCondition::kBlank);
  slot.back() = 1;
  EXPECT_EQ(decode_segment_slot(as_bytes(slot)).condition, SlotCondition::kDamaged);
}

TEST(SegmentSlot, ATornSlotIsDamaged) {
  const std::string old_slot = slot_with_sequence(3);
  const std::string new_slot = slot_with_sequence(0x0505050505050505);
  for (std::size_t arrived = 16; arrived < new_slot.size(); arrived += 8) {
    const std::string torn = new_slot.substr(0, arrived) + old_slot.substr(arrived);
    if (torn == new_slot) continue;
    EXPECT_EQ(decode_segment_slot(as_bytes(torn)).condition, SlotCondition::kDamaged) << arrived;
  }
}

TEST(SegmentSlot, AnUnknownUseIsDamaged) {
  for (const std::uint32_t use : {0U, 4U, 0x80000001U}) {
    SegmentState state = example();
    state.use = static_cast<SegmentUse>(use);
    EXPECT_EQ(decode_segment_slot(as_bytes(text_of(encode_segment_slot(state)))).condition,
              SlotCondition::kDamaged);
  }
}

TEST(SegmentSlot, AnotherVersionIsToldFromDamage) {
  const DecodedSlot newer = decode_segment_slot(as_bytes(slot_of_version(2)));
  EXPECT_EQ(newer.condition, SlotCondition::kNewer);
  EXPECT_EQ(newer.format_version, 2U);
}

TEST(SegmentHeader, TheHigherSequenceCounts) {
  for (const bool swapped : {false, true}) {
    const std::string low = slot_with_sequence(9);
    const std::string high = slot_with_sequence(10);
    const std::string header = swapped ? header_of(high, low) : header_of(low, high);
    ASSERT_OK_AND_ASSIGN(const DecodedHeader decoded, decode_segment_header(as_bytes(header)));
    EXPECT_EQ(decoded.state.sequence, 10U);
    EXPECT_EQ(decoded.slot, swapped ? 0U : 1U);
    EXPECT_FALSE(decoded.other_damaged);
  }
}

TEST(SegmentHeader, TheValidSlotCountsBesideABlankOrDamagedOne) {
  const std::string good = slot_with_sequence(9);
  std::string bad = slot_with_sequence(10);
  bad[100] = static_cast<char>(bad[100] ^ 1);
  for (const bool swapped : {false, true}) {
    for (const bool damaged : {false, true}) {
      const std::string other = damaged ? bad : std::string();
      const std::string header = swapped ? header_of(other, good) : header_of(good, other);
      ASSERT_OK_AND_ASSIGN(const DecodedHeader decoded, decode_segment_header(as_bytes(header)));
      EXPECT_EQ(decoded.state.sequence, 9U);
      EXPECT_EQ(decoded.slot, swapped ? 1U : 0U);
      EXPECT_EQ(decoded.other_damaged, damaged);
    }
  }
}

TEST(SegmentHeader, WithoutAValidSlotItIsCorrupt) {
  std::string bad = example_bytes();
  bad[0] = 'X';
  for (const std::string& header : {header_of("", ""), header_of(bad, ""), header_of(bad, bad)}) {
    const auto decoded = decode_segment_header(as_bytes(header));
    ASSERT_THAT(decoded, has_code(ErrorCode::kCorruption));
    EXPECT_FALSE(decoded.error().message().empty());
  }
}

TEST(SegmentHeader, ANewerVersionIsUnsupportedInEitherSlot) {
  const std::string newer = slot_of_version(7);
  for (const std::string& header : {header_of(newer, ""), header_of(example_bytes(), newer)}) {
    const auto decoded = decode_segment_header(as_bytes(header));
    ASSERT_THAT(decoded, has_code(ErrorCode::kUnsupported));
    EXPECT_THAT(decoded.error().message(), testing::HasSubstr("version 7"));
  }
}

TEST(SegmentHeader, AFileShorterThanTheHeaderIsCorrupt) {
  const std::string header = header_of(example_bytes(), "");
  for (const std::size_t bytes : {0U, 1U, 184U, 4096U, 8191U}) {
    EXPECT_THAT(decode_segment_header(as_bytes(header).first(bytes)),
                has_code(ErrorCode::kCorruption))
        << bytes;
  }
}

TEST(RecordSeed, EveryPartOfTheIdentityCounts) {
  const SegmentState base = example();
  SegmentState generation = base;
  generation.generation += 1;
  SegmentState id = base;
  id.id.value += 1;
  SegmentState log = base;
  log.log_uuid.bytes[15] ^= 1;
  for (const SegmentState& other : {generation, id, log}) {
    EXPECT_NE(record_seed(other), record_seed(base));
  }
  SegmentState later = base;
  later.sequence += 1;
  later.use = SegmentUse::kActive;
  later.lane += 1;
  EXPECT_EQ(record_seed(later), record_seed(base)) << "a state change must not void the records";
}

TEST(SegmentUseName, NamesEachUse) {
  EXPECT_EQ(segment_use_name(SegmentUse::kFree), "free");
  EXPECT_EQ(segment_use_name(SegmentUse::kActive), "active");
  EXPECT_EQ(segment_use_name(SegmentUse::kSealed), "sealed");
}

}  // namespace
}  // namespace nacre
