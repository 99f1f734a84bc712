#pragma once

// JSON (RFC 8259) as text, written front to back.

#include <concepts>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace nacre {

/// Puts the commas; the caller keeps objects and arrays balanced and gives each member of an
/// object a key. What is ill-formed UTF-8 in a string becomes U+FFFD.
class JsonWriter {
 public:
  JsonWriter& begin_object();
  JsonWriter& end_object();
  JsonWriter& begin_array();
  JsonWriter& end_array();
  JsonWriter& key(std::string_view name);
  JsonWriter& value(std::string_view text);
  JsonWriter& value(const char* text) { return value(std::string_view(text)); }
  JsonWriter& value(bool truth);
  /// Not-a-number and infinity, which JSON does not have, become null.
  JsonWriter& value(double number);
  template <std::unsigned_integral T>
    requires(!std::same_as<T, bool>)
  JsonWriter& value(T number) {
    return raw_value(std::to_string(number));
  }

  template <class T>
  JsonWriter& field(std::string_view name, const T& content) {
    return key(name).value(content);
  }

  const std::string& text() const noexcept { return text_; }

 private:
  JsonWriter& raw_value(std::string_view text);
  JsonWriter& open(char bracket);
  JsonWriter& close(char bracket);
  void separate();
  void append_string(std::string_view text);

  std::string text_;
  std::vector<bool> has_members_;  // One for each object or array that is open.
  bool after_key_ = false;
};

}  // namespace nacre
