#pragma once

// A small JSON writer: what the benchmarks' result files need, and no more.

#include <string>
#include <string_view>
#include <vector>

namespace nacre::bench {

/// Builds one JSON document, indented. Calls must nest as the document does.
class JsonWriter {
 public:
  void begin_object() { open('{'); }
  void end_object() { close('}'); }
  void begin_array() { open('['); }
  void end_array() { close(']'); }
  /// Inside an object, before each member's value.
  void key(std::string_view name);
  void value(std::string_view text);
  /// `number` must be finite.
  void value(double number);
  void value(bool flag);

  /// The finished document with a newline at its end.
  std::string finish();

 private:
  void open(char bracket);
  void close(char bracket);
  void separate();
  void quote(std::string_view text);

  std::string out_;
  std::vector<bool> has_members_;  // One for each open bracket.
  bool after_key_ = false;
};

}  // namespace nacre::bench
