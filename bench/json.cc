#include "bench/json.h"

#include <fmt/format.h>

#include <cmath>
#include <iterator>
#include <utility>

#include "lib/base/assert.h"

namespace nacre::bench {

void JsonWriter::key(std::string_view name) {
  separate();
  quote(name);
  out_ += ": ";
  after_key_ = true;
}

void JsonWriter::value(std::string_view text) {
  separate();
  quote(text);
}

void JsonWriter::value(double number) {
  NACRE_ASSERT(std::isfinite(number));
  separate();
  // Six digits say more than any of these measurements knows.
  fmt::format_to(std::back_inserter(out_), "{:.6g}", number);
}

void JsonWriter::value(bool flag) {
  separate();
  out_ += flag ? "true" : "false";
}

std::string JsonWriter::finish() {
  NACRE_ASSERT(has_members_.empty());
  out_ += '\n';
  return std::exchange(out_, {});
}

void JsonWriter::open(char bracket) {
  separate();
  out_ += bracket;
  has_members_.push_back(false);
}

void JsonWriter::close(char bracket) {
  NACRE_ASSERT(!has_members_.empty());
  const bool had_members = has_members_.back();
  has_members_.pop_back();
  if (had_members) {
    out_ += '\n';
    out_.append(2 * has_members_.size(), ' ');
  }
  out_ += bracket;
}

void JsonWriter::separate() {
  if (std::exchange(after_key_, false) || has_members_.empty()) return;
  if (has_members_.back()) out_ += ',';
  has_members_.back() = true;
  out_ += '\n';
  out_.append(2 * has_members_.size(), ' ');
}

void JsonWriter::quote(std::string_view text) {
  out_ += '"';
  for (const char c : text) {
    if (c == '"' || c == '\\') {
      out_ += '\\';
      out_ += c;
    } else if (static_cast<unsigned char>(c) < 0x20) {
      fmt::format_to(std::back_inserter(out_), "\\u{:04x}", static_cast<unsigned>(c));
    } else {
      out_ += c;
    }
  }
  out_ += '"';
}

}  // namespace nacre::bench
