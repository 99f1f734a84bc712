#pragma once

// Which bytes are UTF-8.

#include <cstddef>
#include <string_view>

namespace nacre {

/// True when `text` is well-formed UTF-8 (Unicode 15, table 3-7).
bool is_utf8(std::string_view text) noexcept;

/// How many bytes of well-formed UTF-8 the character at the front of `text` takes; 0 when it is
/// ill-formed or `text` is empty.
std::size_t utf8_length(std::string_view text) noexcept;

}  // namespace nacre
