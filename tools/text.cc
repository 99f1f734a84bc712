#include "tools/text.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <ctime>

namespace nacre::tools {
namespace {

bool in_range(char character, unsigned low, unsigned high) noexcept {
  const auto value = static_cast<unsigned char>(character);
  return value >= low && value <= high;
}

bool is_continuation(char character) noexcept { return in_range(character, 0x80, 0xBF); }

// What the second byte may be depends on the first: that is what keeps out overlong forms,
// surrogates, and everything past U+10FFFF.
bool is_second_of_three(char first, char second) noexcept {
  if (first == '\xE0') return in_range(second, 0xA0, 0xBF);
  if (first == '\xED') return in_range(second, 0x80, 0x9F);
  return is_continuation(second);
}

bool is_second_of_four(char first, char second) noexcept {
  if (first == '\xF0') return in_range(second, 0x90, 0xBF);
  if (first == '\xF4') return in_range(second, 0x80, 0x8F);
  return is_continuation(second);
}

double per_second(std::uint64_t count, std::uint64_t duration_ns) noexcept {
  return static_cast<double>(count) * 1e9 / static_cast<double>(duration_ns);
}

}  // namespace

std::size_t utf8_length(std::string_view text) noexcept {
  if (text.empty()) return 0;
  const char first = text[0];
  if (in_range(first, 0x00, 0x7F)) return 1;
  if (in_range(first, 0xC2, 0xDF)) return text.size() >= 2 && is_continuation(text[1]) ? 2 : 0;
  if (in_range(first, 0xE0, 0xEF)) {
    const bool good =
        text.size() >= 3 && is_second_of_three(first, text[1]) && is_continuation(text[2]);
    return good ? 3 : 0;
  }
  if (in_range(first, 0xF0, 0xF4)) {
    const bool good = text.size() >= 4 && is_second_of_four(first, text[1]) &&
                      is_continuation(text[2]) && is_continuation(text[3]);
    return good ? 4 : 0;
  }
  return 0;
}

bool is_utf8(std::string_view text) noexcept {
  while (!text.empty()) {
    const std::size_t length = utf8_length(text);
    if (length == 0) return false;
    text.remove_prefix(length);
  }
  return true;
}

std::string base64(Bytes bytes) {
  constexpr std::string_view kAlphabet =
      "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  std::string encoded;
  encoded.reserve((bytes.size() + 2) / 3 * 4);
  for (std::size_t at = 0; at < bytes.size(); at += 3) {
    const std::size_t left = std::min<std::size_t>(3, bytes.size() - at);
    unsigned group = 0;
    for (std::size_t i = 0; i < 3; ++i) {
      group = group << 8 | (i < left ? std::to_integer<unsigned>(bytes[at + i]) : 0U);
    }
    for (std::size_t i = 0; i < 4; ++i) {
      encoded += i <= left ? kAlphabet[group >> (18 - 6 * i) & 63U] : '=';
    }
  }
  return encoded;
}

std::string format_count(std::uint64_t count) {
  std::string text = fmt::format("{}", count);
  for (std::size_t at = text.size(); at > 3;) {
    at -= 3;
    text.insert(at, 1, ',');
  }
  return text;
}

std::string format_bytes(std::uint64_t bytes) {
  constexpr std::array<std::string_view, 5> kUnits = {"KiB", "MiB", "GiB", "TiB", "PiB"};
  if (bytes < 1024) return fmt::format("{} B", bytes);
  double value = static_cast<double>(bytes) / 1024;
  std::size_t unit = 0;
  while (value >= 1023.95 && unit + 1 < kUnits.size()) {
    value /= 1024;
    ++unit;
  }
  return fmt::format("{:.1f} {}", value, kUnits[unit]);
}

std::string format_duration(std::uint64_t duration_ns) {
  const auto value = static_cast<double>(duration_ns);
  if (duration_ns < 1000) return fmt::format("{} ns", duration_ns);
  if (value < 999.95e3) return fmt::format("{:.1f} µs", value / 1e3);
  if (value < 999.95e6) return fmt::format("{:.1f} ms", value / 1e6);
  if (value < 60e9) return fmt::format("{:.2f} s", value / 1e9);
  const std::uint64_t seconds = duration_ns / 1'000'000'000;
  return fmt::format("{} min {:02} s", seconds / 60, seconds % 60);
}

std::string format_rate(std::uint64_t count, std::uint64_t duration_ns) {
  if (duration_ns == 0) return "-";
  return format_count(static_cast<std::uint64_t>(per_second(count, duration_ns))) + "/s";
}

std::string format_byte_rate(std::uint64_t bytes, std::uint64_t duration_ns) {
  if (duration_ns == 0) return "-";
  return format_bytes(static_cast<std::uint64_t>(per_second(bytes, duration_ns))) + "/s";
}

std::string format_time(std::uint64_t wall_ns) {
  const auto seconds = static_cast<time_t>(wall_ns / 1'000'000'000);
  tm parts{};
  ::gmtime_r(&seconds, &parts);
  return fmt::format("{:04}-{:02}-{:02}T{:02}:{:02}:{:02}.{:06}Z", parts.tm_year + 1900,
                     parts.tm_mon + 1, parts.tm_mday, parts.tm_hour, parts.tm_min, parts.tm_sec,
                     wall_ns / 1000 % 1'000'000);
}

std::string plural(std::uint64_t count, std::string_view noun) {
  return fmt::format("{}{}", noun, count == 1 ? "" : "s");
}

std::string printable(Bytes bytes, std::size_t columns) {
  std::string_view rest = as_text(bytes);
  std::string shown;
  std::string shortened;  // What is shown when not all of it fits.
  for (std::size_t column = 0; !rest.empty(); ++column) {
    if (column == columns) return shortened + "…";
    if (column + 1 == columns) shortened = shown;
    const std::size_t length = utf8_length(rest);
    const bool control = length == 1 && (in_range(rest[0], 0, 0x1F) || rest[0] == '\x7F');
    if (length == 0 || control) {
      shown += '.';
    } else {
      shown += rest.substr(0, length);
    }
    rest.remove_prefix(std::max<std::size_t>(length, 1));
  }
  return shown;
}

std::size_t display_width(std::string_view text) noexcept {
  const auto is_start = [](char character) { return !is_continuation(character); };
  return static_cast<std::size_t>(std::count_if(text.begin(), text.end(), is_start));
}

}  // namespace nacre::tools
