#include "tools/table.h"

#include <algorithm>
#include <utility>

#include "lib/base/assert.h"
#include "tools/text.h"

namespace nacre::tools {
namespace {

constexpr std::string_view kGap = "  ";

void append_cell(std::string& line, std::string_view cell, std::size_t width, Align align) {
  const std::size_t padding = width - display_width(cell);
  if (align == Align::kRight) line.append(padding, ' ');
  line += cell;
  if (align == Align::kLeft) line.append(padding, ' ');
}

void end_line(std::string& text, std::string line) {
  line.resize(line.find_last_not_of(' ') + 1);
  text += line;
  text += '\n';
}

}  // namespace

Table::Table(std::vector<Column> columns) : columns_(std::move(columns)) {}

void Table::add_row(std::vector<std::string> cells) {
  NACRE_ASSERT(cells.size() == columns_.size());
  rows_.push_back(std::move(cells));
}

std::string Table::render() const {
  std::vector<std::size_t> widths;
  for (std::size_t i = 0; i < columns_.size(); ++i) {
    std::size_t width = display_width(columns_[i].title);
    for (const auto& row : rows_) width = std::max(width, display_width(row[i]));
    widths.push_back(width);
  }
  std::string text;
  const auto append_row = [&](const auto& cell_at) {
    std::string line;
    for (std::size_t i = 0; i < columns_.size(); ++i) {
      if (i > 0) line += kGap;
      append_cell(line, cell_at(i), widths[i], columns_[i].align);
    }
    end_line(text, std::move(line));
  };
  append_row([&](std::size_t i) { return std::string_view(columns_[i].title); });
  for (const auto& row : rows_) {
    append_row([&](std::size_t i) { return std::string_view(row[i]); });
  }
  return text;
}

void Facts::add(std::string name, std::string value) {
  facts_.push_back({.name = std::move(name), .value = std::move(value)});
}

std::string Facts::render(std::size_t indent, std::size_t width) const {
  std::size_t name_width = 0;
  for (const Fact& fact : facts_) name_width = std::max(name_width, display_width(fact.name));
  const std::size_t value_at = indent + name_width + kGap.size();
  const std::size_t value_width = width > value_at + 20 ? width - value_at : 20;
  std::string text;
  for (const Fact& fact : facts_) {
    std::string line(indent, ' ');
    append_cell(line, fact.name, name_width, Align::kLeft);
    line += kGap;
    for (const std::string& piece : wrap(fact.value, value_width)) {
      end_line(text, std::exchange(line, std::string(value_at, ' ')) + piece);
    }
  }
  return text;
}

std::vector<std::string> wrap(std::string_view text, std::size_t width) {
  std::vector<std::string> lines;
  std::string line;
  while (!text.empty()) {
    const std::size_t word_bytes = std::min(text.find(' '), text.size());
    const std::string_view word = text.substr(0, word_bytes);
    text.remove_prefix(std::min(word_bytes + 1, text.size()));
    if (!line.empty() && display_width(line) + 1 + display_width(word) > width) {
      lines.push_back(std::exchange(line, {}));
    }
    if (!line.empty()) line += ' ';
    line += word;
  }
  lines.push_back(std::move(line));
  return lines;
}

}  // namespace nacre::tools
