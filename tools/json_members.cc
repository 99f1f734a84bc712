#include "tools/json_members.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <cstdint>
#include <optional>
#include <system_error>
#include <utility>

#include "lib/codec/utf8.h"

namespace nacre::tools {
namespace {

/// Arrays and objects within one another, beyond which a text is refused rather than the stack
/// used up.
constexpr int kDeepest = 128;

void append_utf8(std::string& text, std::uint32_t point) {
  const auto put = [&text](std::uint32_t byte) { text += static_cast<char>(byte); };
  if (point < 0x80) return put(point);
  if (point < 0x800) {
    put(0xC0 | point >> 6);
  } else {
    if (point < 0x10000) {
      put(0xE0 | point >> 12);
    } else {
      put(0xF0 | point >> 18);
      put(0x80 | (point >> 12 & 0x3F));
    }
    put(0x80 | (point >> 6 & 0x3F));
  }
  put(0x80 | (point & 0x3F));
}

/// Goes over a text once; the first thing that is wrong stays.
class Parser {
 public:
  explicit Parser(std::string_view text) : text_(text) {}

  std::expected<JsonMembers, std::string> members() {
    JsonMembers members;
    skip_space();
    if (!expect('{', "an object must begin with '{'")) return failed();
    skip_space();
    if (!take('}')) {
      do {
        skip_space();
        std::string name;
        if (!string(name) || !colon()) return failed();
        if (!member(members[std::move(name)]) || !separator('}')) return failed();
      } while (!closed_);
    }
    skip_space();
    if (at_ != text_.size()) fail("there is more behind the object");
    return problem_ ? failed() : std::expected<JsonMembers, std::string>(std::move(members));
  }

 private:
  std::unexpected<std::string> failed() { return std::unexpected(*std::move(problem_)); }
  bool fail(std::string_view what) {
    if (!problem_) problem_ = fmt::format("{} at column {}", what, at_ + 1);
    return false;
  }

  bool take(char wanted) {
    if (at_ == text_.size() || text_[at_] != wanted) return false;
    ++at_;
    return true;
  }
  bool expect(char wanted, std::string_view what) { return take(wanted) || fail(what); }
  void skip_space() { at_ = std::min(text_.find_first_not_of(" \t\r\n", at_), text_.size()); }
  bool colon() {
    skip_space();
    const bool there = expect(':', "a ':' is missing");
    skip_space();
    return there;
  }
  /// Behind a member: whether it was the last one stands in `closed_`.
  bool separator(char end) {
    skip_space();
    closed_ = take(end);
    return closed_ || expect(',', fmt::format("a ',' or '{}' is missing", end));
  }

  bool member(JsonMember& member) {
    if (at_ < text_.size() && text_[at_] == '"') {
      member.is_string = true;
      member.text.clear();
      return string(member.text);
    }
    const std::size_t begin = at_;
    if (!value(0)) return false;
    member.is_string = false;
    member.text = text_.substr(begin, at_ - begin);
    return true;
  }

  bool value(int depth) {
    if (depth > kDeepest) return fail("too many arrays and objects within one another");
    if (at_ == text_.size()) return fail("a value is missing");
    if (text_[at_] == '"') {
      std::string unused;
      return string(unused);
    }
    if (take('{')) return elements('}', depth);
    if (take('[')) return elements(']', depth);
    return word();
  }

  bool elements(char end, int depth) {
    skip_space();
    if (take(end)) return true;
    do {
      skip_space();
      if (end == '}') {
        std::string unused;
        if (!string(unused) || !colon()) return false;
      }
      if (!value(depth + 1) || !separator(end)) return false;
    } while (!closed_);
    return true;
  }

  /// A number, or one of the three names.
  bool word() {
    const std::size_t end = std::min(
        text_.find_first_not_of("0123456789+-.eEabcdefghijklmnopqrstuvwxyz", at_), text_.size());
    const std::string_view found = text_.substr(at_, end - at_);
    double number = 0;
    const auto parsed = std::from_chars(found.data(), found.data() + found.size(), number);
    // What from_chars takes besides numbers of JSON are the names of infinity and of no number.
    const std::size_t digit = found.starts_with('-') ? 1 : 0;
    const bool is_number = digit < found.size() && found[digit] >= '0' && found[digit] <= '9' &&
                           parsed.ptr == found.data() + found.size();
    if (!is_number && found != "true" && found != "false" && found != "null") {
      return fail("this is no value");
    }
    at_ = end;
    return true;
  }

  bool string(std::string& text) {
    if (!expect('"', "a '\"' is missing")) return false;
    while (at_ < text_.size() && text_[at_] != '"') {
      const auto character = static_cast<unsigned char>(text_[at_]);
      if (character < 0x20) return fail("a control character must be escaped");
      if (character == '\\') {
        if (!escape(text)) return false;
      } else {
        text += text_[at_++];
      }
    }
    return expect('"', "a string does not end");
  }

  bool escape(std::string& text) {
    constexpr std::string_view kNames = "\"\\/bfnrt";
    constexpr std::string_view kMeans = "\"\\/\b\f\n\r\t";
    ++at_;
    if (take('u')) return code_point(text);
    const std::size_t name = at_ < text_.size() ? kNames.find(text_[at_]) : std::string_view::npos;
    if (name == std::string_view::npos) return fail("this escape is unknown");
    text += kMeans[name];
    ++at_;
    return true;
  }

  bool code_point(std::string& text) {
    auto point = four_digits();
    if (point && *point >= 0xD800 && *point < 0xDC00) {
      const auto low = take('\\') && take('u') ? four_digits() : std::nullopt;
      if (!low || *low < 0xDC00 || *low > 0xDFFF) return fail("half of a surrogate pair");
      point = 0x10000 + ((*point - 0xD800) << 10) + (*low - 0xDC00);
    } else if (point && *point >= 0xDC00 && *point <= 0xDFFF) {
      return fail("half of a surrogate pair");
    }
    if (!point) return fail("'\\u' needs four hexadecimal digits");
    append_utf8(text, *point);
    return true;
  }

  std::optional<std::uint32_t> four_digits() {
    const std::string_view digits = text_.substr(at_, 4);
    std::uint32_t number = 0;
    const auto parsed = std::from_chars(digits.data(), digits.data() + digits.size(), number, 16);
    if (digits.size() != 4 || parsed.ptr != digits.data() + 4) return {};
    at_ += 4;
    return number;
  }

  std::string_view text_;
  std::size_t at_ = 0;
  bool closed_ = false;
  std::optional<std::string> problem_;
};

}  // namespace

std::expected<JsonMembers, std::string> parse_json_members(std::string_view text) {
  if (!is_utf8(text)) return std::unexpected("it is not UTF-8");
  return Parser(text).members();
}

}  // namespace nacre::tools
