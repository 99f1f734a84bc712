#pragma once

// How bytes and quantities are written for people and for machines.

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "nacre/types.h"

namespace nacre::tools {

/// RFC 4648 section 4, with padding.
std::string base64(Bytes bytes);
/// What `text` is the base64 of, padding included; none when it is not.
std::optional<std::string> from_base64(std::string_view text);

/// Two digits a byte, lower case.
std::string hex(Bytes bytes);
/// What `text` is the hexadecimal of, in either case; none when it is not.
std::optional<std::string> from_hex(std::string_view text);

/// 1234567 as "1,234,567".
std::string format_count(std::uint64_t count);

/// "512 B", "47.8 MiB".
std::string format_bytes(std::uint64_t bytes);

/// "845 ns", "12.3 µs", "1.24 s", "2 min 05 s".
std::string format_duration(std::uint64_t duration_ns);

/// "58,210/s", and "-" when no time has passed.
std::string format_rate(std::uint64_t count, std::uint64_t duration_ns);

/// "39.6 MiB/s", and "-" when no time has passed.
std::string format_byte_rate(std::uint64_t bytes, std::uint64_t duration_ns);

/// UTC, ISO 8601 with microseconds: "2026-01-31T12:00:00.123456Z".
std::string format_time(std::uint64_t wall_ns);

/// `noun` as it goes with `count`: "record", "records".
std::string plural(std::uint64_t count, std::string_view noun);

/// The beginning of `bytes` in at most `columns` columns of one line: what is not printable, or not
/// UTF-8, as "."; an ellipsis where something is left out. `columns` is at least 1.
std::string printable(Bytes bytes, std::size_t columns);

/// Columns that `text` takes on a terminal: one for each character of UTF-8.
std::size_t display_width(std::string_view text) noexcept;

}  // namespace nacre::tools
