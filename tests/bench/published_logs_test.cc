#include "bench/published_logs.h"

#include <gtest/gtest.h>

#include <array>
#include <bit>
#include <cstdint>
#include <cstring>
#include <memory>
#include <span>
#include <vector>

#include "bench/nt_store.h"

namespace nacre::bench {
namespace {

constexpr std::size_t kRangeBytes = 4096;

/// A peer that wrote less than its method asks for would look faster than it is.
class PublishedLog : public testing::TestWithParam<WriteForm> {
 protected:
  PublishedLog() : payload_(104), storage_(kRangeBytes + kLineBytes, std::byte{0xee}) {
    for (std::size_t i = 0; i < payload_.size(); ++i) payload_[i] = static_cast<std::byte>(i * 7);
    void* start = storage_.data();
    std::size_t space = storage_.size();
    std::align(kLineBytes, kRangeBytes, start, space);
    range_ = {static_cast<std::byte*>(start), kRangeBytes};
  }

  std::uint64_t word_at(std::size_t offset) const {
    std::uint64_t word = 0;
    std::memcpy(&word, range_.data() + offset, sizeof(word));
    return word;
  }
  bool holds_payload_at(std::size_t offset) const {
    return std::memcmp(range_.data() + offset, payload_.data(), payload_.size()) == 0;
  }
  std::size_t entry_bytes(std::size_t bytes) const {
    return GetParam() == WriteForm::kStreamed ? round_up_to_line(bytes) : bytes;
  }

  std::vector<std::byte> payload_;
  std::vector<std::byte> storage_;
  std::span<std::byte> range_;
};

TEST_P(PublishedLog, ClassicWritesLengthPayloadAndAFooterBehindThem) {
  ClassicLog log(range_, GetParam());
  log.append(payload_);
  log.append(payload_);
  EXPECT_EQ(word_at(0), payload_.size());
  EXPECT_TRUE(holds_payload_at(8));
  const std::size_t footer = entry_bytes(8 + payload_.size());
  EXPECT_EQ(word_at(footer), 0U);
  const std::size_t second = footer + entry_bytes(8);
  EXPECT_EQ(word_at(second), payload_.size());
  EXPECT_TRUE(holds_payload_at(second + 8));
  EXPECT_EQ(word_at(second + footer), second);
}

TEST_P(PublishedLog, ClassicGoesRoundWithoutLeavingItsRange) {
  ClassicLog log(range_.first(kRangeBytes / 2), GetParam());
  for (int i = 0; i < 100; ++i) log.append(payload_);
  for (const std::byte untouched : range_.subspan(kRangeBytes / 2)) {
    ASSERT_EQ(untouched, std::byte{0xee});
  }
}

TEST_P(PublishedLog, ZeroCountsTheBitsOfItsEntry) {
  ZeroLog log(range_, GetParam());
  ASSERT_TRUE(log.append(payload_));
  int bits = std::popcount(payload_.size());
  for (const std::byte byte : payload_) bits += std::popcount(static_cast<std::uint8_t>(byte));
  EXPECT_EQ(word_at(0) & 0xffffffffU, payload_.size());
  EXPECT_EQ(word_at(0) >> 32, static_cast<std::uint64_t>(bits));
  EXPECT_TRUE(holds_payload_at(8));
}

TEST_P(PublishedLog, ZeroStopsWhenFullAndStartsOverFromZeros) {
  ZeroLog log(range_, GetParam());
  int appended = 0;
  while (log.append(payload_)) ++appended;
  EXPECT_EQ(appended, static_cast<int>(kRangeBytes / entry_bytes(8 + payload_.size())));
  log.reset();
  for (const std::byte byte : range_) ASSERT_EQ(byte, std::byte{0});
  EXPECT_TRUE(log.append(payload_));
}

INSTANTIATE_TEST_SUITE_P(Forms, PublishedLog,
                         testing::Values(WriteForm::kWriteBack, WriteForm::kStreamed),
                         [](const auto& param_info) {
                           return param_info.param == WriteForm::kStreamed ? "Streamed"
                                                                           : "WriteBack";
                         });

TEST(BenchFloor, WritesWholeRecordsRoundItsRange) {
  alignas(kLineBytes) std::array<std::byte, 6 * kLineBytes> range{};
  std::vector<std::byte> source(16 * 2 * kLineBytes);
  for (std::size_t i = 0; i < source.size(); ++i) source[i] = static_cast<std::byte>(i / 128 + 1);
  FloorLoop loop{.range = std::span(range).first(5 * kLineBytes),
                 .source = source.data(),
                 .source_stride = 2 * kLineBytes,
                 .record_bytes = 2 * kLineBytes};
  run_floor(loop, 3);
  EXPECT_EQ(range[0], std::byte{3});  // The third record went round to the start.
  EXPECT_EQ(range[2 * kLineBytes], std::byte{2});
  EXPECT_EQ(range[4 * kLineBytes - 1], std::byte{2});
  EXPECT_EQ(range[4 * kLineBytes], std::byte{0});
  EXPECT_EQ(loop.count, 3U);
}

}  // namespace
}  // namespace nacre::bench
