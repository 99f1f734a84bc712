#include "pmem/copy_routines.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cstring>
#include <set>
#include <string>
#include <vector>

#include "tests/pmem/guarded_buffer.h"

namespace nacre::pmem {
namespace {

using test::GuardedBuffer;

constexpr std::byte kCanary{0xee};
constexpr std::size_t kMaxHeadBytes = 130;
constexpr std::size_t kMaxBodyBytes = 300;

/// Never 0 and never the canary, and different for every position near by.
std::byte pattern(std::size_t position, unsigned kind) {
  return static_cast<std::byte>(1 + (position * 7 + kind * 101) % 200);
}

void fill(std::byte* begin, std::size_t bytes, unsigned kind) {
  for (std::size_t i = 0; i < bytes; ++i) begin[i] = pattern(i, kind);
}

std::size_t round_up_to_line(std::size_t bytes) {
  return (bytes + kCacheLineBytes - 1) / kCacheLineBytes * kCacheLineBytes;
}

class EveryCopyRoutine : public testing::TestWithParam<std::size_t> {
 protected:
  const CopyRoutines& routines() const { return supported_copy_routines()[GetParam()]; }

  /// Streams into `target_` and compares every byte of it; returns whether all were right.
  bool stream_is_exact(const std::byte* head, std::size_t head_bytes, const std::byte* body,
                       std::size_t body_bytes) {
    const std::size_t line_bytes = round_up_to_line(head_bytes + body_bytes);
    std::byte* const to = target_.begin() + kCacheLineBytes;
    std::memset(target_.begin(), static_cast<int>(kCanary), kTargetBytes);
    routines().stream(to, head, head_bytes, body, body_bytes);
    store_fence();

    std::byte expected[kTargetBytes];
    std::memset(expected, static_cast<int>(kCanary), kTargetBytes);
    std::memset(expected + kCacheLineBytes, 0, line_bytes);
    std::memcpy(expected + kCacheLineBytes, head, head_bytes);
    std::memcpy(expected + kCacheLineBytes + head_bytes, body, body_bytes);
    return std::memcmp(expected, target_.begin(), kTargetBytes) == 0;
  }

  static constexpr std::size_t kTargetBytes = 640;
  static_assert(kTargetBytes >= kMaxHeadBytes + kMaxBodyBytes + 3 * kCacheLineBytes);
  GuardedBuffer head_;
  GuardedBuffer body_;
  GuardedBuffer target_;
};

TEST_P(EveryCopyRoutine, StreamsSourcesThatEndAtAPageNobodyMayRead) {
  for (std::size_t head_bytes = 0; head_bytes <= kMaxHeadBytes; ++head_bytes) {
    std::byte* const head = head_.end() - head_bytes;
    fill(head, head_bytes, 1);
    for (std::size_t body_bytes = 0; body_bytes <= kMaxBodyBytes; ++body_bytes) {
      std::byte* const body = body_.end() - body_bytes;
      fill(body, body_bytes, 2);
      ASSERT_TRUE(stream_is_exact(head, head_bytes, body, body_bytes))
          << "head " << head_bytes << ", body " << body_bytes;
    }
  }
}

TEST_P(EveryCopyRoutine, StreamsSourcesThatBeginAfterAPageNobodyMayRead) {
  fill(head_.begin(), kMaxHeadBytes, 1);
  fill(body_.begin(), kMaxBodyBytes, 2);
  for (std::size_t head_bytes = 0; head_bytes <= kMaxHeadBytes; ++head_bytes) {
    for (std::size_t body_bytes = 0; body_bytes <= kMaxBodyBytes; ++body_bytes) {
      ASSERT_TRUE(stream_is_exact(head_.begin(), head_bytes, body_.begin(), body_bytes))
          << "head " << head_bytes << ", body " << body_bytes;
    }
  }
}

TEST_P(EveryCopyRoutine, StreamsUpToTheLastLineOfAPage) {
  fill(head_.begin(), 24, 1);
  fill(body_.begin(), 104, 2);
  std::byte* const to = target_.end() - 128;
  routines().stream(to, head_.begin(), 24, body_.begin(), 100);
  store_fence();
  EXPECT_EQ(std::memcmp(to, head_.begin(), 24), 0);
  EXPECT_EQ(std::memcmp(to + 24, body_.begin(), 100), 0);
  EXPECT_TRUE(std::all_of(to + 124, to + 128, [](std::byte b) { return b == std::byte{0}; }));
}

TEST_P(EveryCopyRoutine, StreamsNothingForEmptySources) {
  EXPECT_TRUE(stream_is_exact(head_.end(), 0, body_.end(), 0));
  std::memset(target_.begin(), static_cast<int>(kCanary), kTargetBytes);
  routines().stream(target_.begin(), nullptr, 0, nullptr, 0);
  store_fence();
  EXPECT_EQ(target_.begin()[0], kCanary);
}

/// The lines the last copy handed to its flush function.
std::set<std::uintptr_t> flushed_lines;

void record_flush(const std::byte* begin, std::size_t bytes) noexcept {
  const auto first = reinterpret_cast<std::uintptr_t>(begin) / kCacheLineBytes;
  const auto last = (reinterpret_cast<std::uintptr_t>(begin) + bytes - 1) / kCacheLineBytes;
  for (std::uintptr_t line = first; line <= last; ++line) flushed_lines.insert(line);
}

TEST_P(EveryCopyRoutine, CopiesToAnyAddressAndFlushesTheRaggedEnds) {
  for (std::size_t past_line = 0; past_line < kCacheLineBytes; ++past_line) {
    for (std::size_t bytes = 0; bytes <= 260; ++bytes) {
      std::byte* const from = body_.end() - bytes;
      fill(from, bytes, 3);
      std::byte* const to = target_.begin() + kCacheLineBytes + past_line;
      std::memset(target_.begin(), static_cast<int>(kCanary), kTargetBytes);
      flushed_lines.clear();
      routines().copy(to, from, bytes, &record_flush);
      store_fence();

      std::byte expected[kTargetBytes];
      std::memset(expected, static_cast<int>(kCanary), kTargetBytes);
      std::memcpy(expected + kCacheLineBytes + past_line, from, bytes);
      ASSERT_EQ(std::memcmp(expected, target_.begin(), kTargetBytes), 0)
          << "to line + " << past_line << ", " << bytes << " bytes";

      std::set<std::uintptr_t> ragged;
      const auto begin = reinterpret_cast<std::uintptr_t>(to);
      if (bytes > 0 && past_line != 0) ragged.insert(begin / kCacheLineBytes);
      if (bytes > 0 && (begin + bytes) % kCacheLineBytes != 0) {
        ragged.insert((begin + bytes) / kCacheLineBytes);
      }
      ASSERT_EQ(flushed_lines, ragged) << "to line + " << past_line << ", " << bytes << " bytes";
    }
  }
}

TEST_P(EveryCopyRoutine, CopiesSourcesOfAnyAlignment) {
  fill(body_.begin(), GuardedBuffer::kPageBytes, 4);
  for (std::size_t shift = 0; shift < kCacheLineBytes; ++shift) {
    std::byte* const from = body_.end() - 1000 - shift;
    routines().copy(target_.begin() + 5, from, 1000, native_flush().flush);
    store_fence();
    ASSERT_EQ(std::memcmp(target_.begin() + 5, from, 1000), 0) << shift;
  }
}

std::string routine_name(const testing::TestParamInfo<std::size_t>& index) {
  std::string name(supported_copy_routines()[index.param].name);
  std::erase(name, '-');
  return name;
}

INSTANTIATE_TEST_SUITE_P(Cpu, EveryCopyRoutine,
                         testing::Range(std::size_t{0}, supported_copy_routines().size()),
                         routine_name);

TEST(CopyRoutines, OffersThePortableOneLastAndTheBestFirst) {
  const auto supported = supported_copy_routines();
  ASSERT_FALSE(supported.empty());
  EXPECT_EQ(supported.back().name, "portable");
  EXPECT_EQ(best_copy_routines().name, supported.front().name);
}

TEST(NativeFlush, LeavesTheBytesAndTouchesNoOtherPage) {
  GuardedBuffer buffer;
  fill(buffer.begin(), GuardedBuffer::kPageBytes, 5);
  native_flush().flush(buffer.begin(), GuardedBuffer::kPageBytes);
  native_flush().flush(buffer.end() - 1, 1);
  native_flush().flush(buffer.begin() + 100, 200);
  store_fence();
  EXPECT_EQ(buffer.end()[-1], pattern(GuardedBuffer::kPageBytes - 1, 5));
}

}  // namespace
}  // namespace nacre::pmem
