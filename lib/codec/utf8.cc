#include "lib/codec/utf8.h"

namespace nacre {
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

}  // namespace nacre
