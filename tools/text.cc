#include "tools/text.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <ctime>

#include "lib/codec/utf8.h"

namespace nacre::tools {
namespace {

constexpr std::string_view kAlphabet =
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

/// The place of `digit` in `digits`, or none.
std::optional<unsigned> place_in(std::string_view digits, char digit) noexcept {
  const std::size_t place = digits.find(digit);
  if (place == std::string_view::npos) return {};
  return static_cast<unsigned>(place);
}

double per_second(std::uint64_t count, std::uint64_t duration_ns) noexcept {
  return static_cast<double>(count) * 1e9 / static_cast<double>(duration_ns);
}

}  // namespace

std::string base64(Bytes bytes) {
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

std::optional<std::string> from_base64(std::string_view text) {
  if (text.size() % 4 != 0) return {};
  std::string_view digits = text;
  while (digits.ends_with('=') && text.size() - digits.size() < 2) digits.remove_suffix(1);
  std::string decoded;
  decoded.reserve(text.size() / 4 * 3);
  unsigned bits = 0;
  unsigned held = 0;
  for (const char digit : digits) {
    const auto place = place_in(kAlphabet, digit);
    if (!place) return {};
    bits = bits << 6 | *place;
    held += 6;
    if (held < 8) continue;
    held -= 8;
    decoded += static_cast<char>(bits >> held & 0xFFU);
  }
  // What fills the last digit up is zero, or another text would mean the same bytes.
  if ((bits & ((1U << held) - 1)) != 0) return {};
  return decoded;
}

std::string hex(Bytes bytes) {
  constexpr std::string_view kDigits = "0123456789abcdef";
  std::string encoded;
  encoded.reserve(bytes.size() * 2);
  for (const std::byte byte : bytes) {
    encoded += kDigits[std::to_integer<unsigned>(byte) >> 4];
    encoded += kDigits[std::to_integer<unsigned>(byte) & 0xFU];
  }
  return encoded;
}

std::optional<std::string> from_hex(std::string_view text) {
  constexpr std::string_view kDigits = "0123456789abcdef0123456789ABCDEF";
  if (text.size() % 2 != 0) return {};
  std::string decoded;
  decoded.reserve(text.size() / 2);
  for (std::size_t at = 0; at < text.size(); at += 2) {
    const auto high = place_in(kDigits, text[at]);
    const auto low = place_in(kDigits, text[at + 1]);
    if (!high || !low) return {};
    decoded += static_cast<char>((*high % 16) << 4 | *low % 16);
  }
  return decoded;
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
    const bool control =
        length == 1 && (static_cast<unsigned char>(rest[0]) < 0x20 || rest[0] == '\x7F');
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
  const auto is_start = [](char character) {
    return (static_cast<unsigned char>(character) & 0xC0) != 0x80;
  };
  return static_cast<std::size_t>(std::count_if(text.begin(), text.end(), is_start));
}

}  // namespace nacre::tools
