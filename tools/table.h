#pragma once

// Aligned columns for people.

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace nacre::tools {

enum class Align : std::uint8_t { kLeft, kRight };

struct Column {
  std::string title;
  Align align = Align::kLeft;
};

/// Rows under titles; each column as wide as its widest cell, two spaces between columns, no
/// spaces at the end of a line.
class Table {
 public:
  explicit Table(std::vector<Column> columns);
  /// `cells.size()` is the number of columns.
  void add_row(std::vector<std::string> cells);
  /// With a '\n' after each line.
  std::string render() const;

 private:
  std::vector<Column> columns_;
  std::vector<std::vector<std::string>> rows_;
};

/// Named values below each other: "name   value".
class Facts {
 public:
  void add(std::string name, std::string value);
  /// Each line begins with `indent` spaces and ends with '\n'. A value that does not fit into
  /// `width` columns goes on below its own beginning, broken between words.
  std::string render(std::size_t indent = 0, std::size_t width = 100) const;

 private:
  struct Fact {
    std::string name;
    std::string value;
  };
  std::vector<Fact> facts_;
};

/// Breaks `text` between words into lines of at most `width` columns; a longer word stands alone.
std::vector<std::string> wrap(std::string_view text, std::size_t width);

}  // namespace nacre::tools
