#include "lib/codec/json_writer.h"

#include <fmt/format.h>

#include <cmath>

#include "lib/base/assert.h"
#include "lib/codec/utf8.h"

namespace nacre {

JsonWriter& JsonWriter::begin_object() { return open('{'); }
JsonWriter& JsonWriter::end_object() { return close('}'); }
JsonWriter& JsonWriter::begin_array() { return open('['); }
JsonWriter& JsonWriter::end_array() { return close(']'); }

JsonWriter& JsonWriter::key(std::string_view name) {
  separate();
  append_string(name);
  text_ += ':';
  after_key_ = true;
  return *this;
}

JsonWriter& JsonWriter::value(std::string_view text) {
  separate();
  append_string(text);
  return *this;
}

JsonWriter& JsonWriter::value(bool truth) { return raw_value(truth ? "true" : "false"); }

JsonWriter& JsonWriter::value(double number) {
  return raw_value(std::isfinite(number) ? fmt::format("{}", number) : "null");
}

JsonWriter& JsonWriter::raw_value(std::string_view text) {
  separate();
  text_ += text;
  return *this;
}

JsonWriter& JsonWriter::open(char bracket) {
  separate();
  text_ += bracket;
  has_members_.push_back(false);
  return *this;
}

JsonWriter& JsonWriter::close(char bracket) {
  NACRE_ASSERT(!has_members_.empty());
  has_members_.pop_back();
  text_ += bracket;
  return *this;
}

void JsonWriter::separate() {
  if (after_key_) {
    after_key_ = false;
    return;
  }
  if (has_members_.empty()) return;
  if (has_members_.back()) text_ += ',';
  has_members_.back() = true;
}

void JsonWriter::append_string(std::string_view text) {
  text_ += '"';
  while (!text.empty()) {
    const std::size_t length = utf8_length(text);
    const char first = text[0];
    if (length == 0) {
      text_ += "\\ufffd";
    } else if (first == '"' || first == '\\') {
      text_ += '\\';
      text_ += first;
    } else if (first == '\n') {
      text_ += "\\n";
    } else if (first == '\t') {
      text_ += "\\t";
    } else if (length == 1 && static_cast<unsigned char>(first) < 0x20) {
      text_ += fmt::format("\\u{:04x}", static_cast<unsigned>(first));
    } else {
      text_ += text.substr(0, length);
    }
    text.remove_prefix(length == 0 ? 1 : length);
  }
  text_ += '"';
}

}  // namespace nacre
