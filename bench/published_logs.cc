#include "bench/published_logs.h"

#include <cpuid.h>
#include <immintrin.h>

#include <algorithm>
#include <array>
#include <bit>
#include <cstring>

#include "bench/nt_store.h"

namespace nacre::bench {
namespace {

constexpr std::size_t kWord = sizeof(std::uint64_t);

/// Zero's header. The bits counted are those of `payload_bytes` and the payload.
struct ZeroHeader {
  std::uint32_t payload_bytes;
  std::uint32_t bits;
};
static_assert(sizeof(ZeroHeader) == kWord);

enum class FlushInstruction : std::uint8_t { kClwb, kClflushopt, kClflush };

FlushInstruction detect_flush() noexcept {
  unsigned eax = 0;
  unsigned ebx = 0;
  unsigned ecx = 0;
  unsigned edx = 0;
  // Intel SDM, CPUID leaf 7, EBX: bit 23 is CLFLUSHOPT, bit 24 is CLWB.
  if (__get_cpuid_count(7, 0, &eax, &ebx, &ecx, &edx) != 0) {
    if ((ebx & (1U << 24)) != 0) return FlushInstruction::kClwb;
    if ((ebx & (1U << 23)) != 0) return FlushInstruction::kClflushopt;
  }
  return FlushInstruction::kClflush;
}

__attribute__((target("clwb"))) void clwb_lines(std::byte* line, std::byte* end) noexcept {
  for (; line < end; line += kLineBytes) _mm_clwb(line);
}

__attribute__((target("clflushopt"))) void clflushopt_lines(std::byte* line,
                                                            std::byte* end) noexcept {
  for (; line < end; line += kLineBytes) _mm_clflushopt(line);
}

/// Starts writing back every line that [begin, end) touches.
void write_back(std::byte* begin, std::byte* end) noexcept {
  static const FlushInstruction instruction = detect_flush();
  std::byte* line = begin - reinterpret_cast<std::uintptr_t>(begin) % kLineBytes;
  switch (instruction) {
    case FlushInstruction::kClwb:
      return clwb_lines(line, end);
    case FlushInstruction::kClflushopt:
      return clflushopt_lines(line, end);
    case FlushInstruction::kClflush:
      for (; line < end; line += kLineBytes) _mm_clflush(line);
      return;
  }
}

/// Copies words and counts the bits set in them, in one pass as the paper's log does.
__attribute__((target("popcnt"))) std::uint32_t copy_counting(std::byte* to, Bytes from) noexcept {
  std::uint32_t bits = 0;
  for (std::size_t at = 0; at < from.size(); at += kWord) {
    std::uint64_t word = 0;
    std::memcpy(&word, from.data() + at, kWord);
    std::memcpy(to + at, &word, kWord);
    bits += static_cast<std::uint32_t>(__builtin_popcountll(word));
  }
  return bits;
}

__attribute__((target("popcnt"))) std::uint32_t count_bits(Bytes bytes) noexcept {
  std::uint32_t bits = 0;
  for (std::size_t at = 0; at < bytes.size(); at += kWord) {
    std::uint64_t word = 0;
    std::memcpy(&word, bytes.data() + at, kWord);
    bits += static_cast<std::uint32_t>(__builtin_popcountll(word));
  }
  return bits;
}

/// Streams a header of 8 bytes and the payload as whole lines; the last is filled up with zeros.
void stream_entry(std::byte* to, const void* header, Bytes payload) noexcept {
  alignas(kLineBytes) std::array<std::byte, kLineBytes> line{};
  const std::size_t first = std::min(payload.size(), kLineBytes - kWord);
  std::memcpy(line.data(), header, kWord);
  std::memcpy(line.data() + kWord, payload.data(), first);
  stream_lines(to, line.data(), 1);
  payload = payload.subspan(first);
  const std::size_t lines = payload.size() / kLineBytes;
  stream_lines(to + kLineBytes, payload.data(), lines);
  payload = payload.subspan(lines * kLineBytes);
  if (payload.empty()) return;
  line.fill(std::byte{0});
  std::memcpy(line.data(), payload.data(), payload.size());
  stream_lines(to + (1 + lines) * kLineBytes, line.data(), 1);
}

}  // namespace

void ClassicLog::append(Bytes payload) noexcept {
  // The footer needs a word when packed, a line of its own when streamed.
  const std::size_t most = round_up_to_line(kWord + payload.size()) + kLineBytes;
  if (position_ + most > range_.size()) position_ = 0;
  form_ == WriteForm::kStreamed ? append_streamed(payload) : append_packed(payload);
}

void ClassicLog::append_packed(Bytes payload) noexcept {
  std::byte* entry = range_.data() + position_;
  std::byte* footer = entry + kWord + payload.size();
  const std::uint64_t length = payload.size();
  std::memcpy(entry, &length, kWord);
  std::memcpy(entry + kWord, payload.data(), payload.size());
  write_back(entry, footer);
  // The entry must be durable before the footer that makes it valid.
  store_fence();
  std::memcpy(footer, &position_, kWord);
  write_back(footer, footer + kWord);
  // The footer must be durable before the append is acknowledged.
  store_fence();
  position_ += kWord + payload.size() + kWord;
}

void ClassicLog::append_streamed(Bytes payload) noexcept {
  std::byte* entry = range_.data() + position_;
  const std::size_t entry_bytes = round_up_to_line(kWord + payload.size());
  const std::uint64_t length = payload.size();
  stream_entry(entry, &length, payload);
  // As above: first the entry, then the footer, then the acknowledgement.
  store_fence();
  stream_entry(entry + entry_bytes, &position_, {});
  store_fence();
  position_ += entry_bytes + kLineBytes;
}

ZeroLog::ZeroLog(std::span<std::byte> range, WriteForm form) noexcept : range_(range), form_(form) {
  position_ = range_.size();
  reset();
}

bool ZeroLog::append(Bytes payload) noexcept {
  if (position_ + round_up_to_line(kWord + payload.size()) > range_.size()) return false;
  form_ == WriteForm::kStreamed ? append_streamed(payload) : append_packed(payload);
  return true;
}

void ZeroLog::reset() noexcept {
  alignas(kLineBytes) static constexpr std::array<std::byte, 4096> kZeros{};
  // Streamed, so that the next pass does not find its lines in the cache by our help.
  for (std::size_t at = 0; at < position_; at += kZeros.size()) {
    const std::size_t bytes = std::min(kZeros.size(), range_.size() - at);
    stream_lines(range_.data() + at, kZeros.data(), bytes / kLineBytes);
  }
  store_fence();
  position_ = 0;
}

void ZeroLog::append_packed(Bytes payload) noexcept {
  std::byte* entry = range_.data() + position_;
  ZeroHeader header{.payload_bytes = static_cast<std::uint32_t>(payload.size()), .bits = 0};
  header.bits = copy_counting(entry + kWord, payload) +
                static_cast<std::uint32_t>(std::popcount(header.payload_bytes));
  std::memcpy(entry, &header, kWord);
  write_back(entry, entry + kWord + payload.size());
  // Everything must be durable before the append is acknowledged; torn entries show by their bits.
  store_fence();
  position_ += kWord + payload.size();
}

void ZeroLog::append_streamed(Bytes payload) noexcept {
  ZeroHeader header{.payload_bytes = static_cast<std::uint32_t>(payload.size()), .bits = 0};
  header.bits =
      count_bits(payload) + static_cast<std::uint32_t>(std::popcount(header.payload_bytes));
  stream_entry(range_.data() + position_, &header, payload);
  store_fence();
  position_ += round_up_to_line(kWord + payload.size());
}

}  // namespace nacre::bench
