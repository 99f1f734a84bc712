#include "tools/help_formatter.h"

#include <algorithm>
#include <utility>

#include "tools/table.h"
#include "tools/text.h"

namespace nacre::tools {
namespace {

constexpr std::size_t kNameColumns = 24;
constexpr std::size_t kNarrowestDescription = 30;

}  // namespace

std::string HelpFormatter::make_option(const CLI::Option* option, bool is_positional) const {
  std::string name = make_option_name(option, is_positional);
  // Only the texts of our own: of a positional, the name says all.
  if (!option->get_option_text().empty()) name += " " + option->get_option_text();
  return make_entry(name, make_option_desc(option));
}

std::string HelpFormatter::make_subcommand(const CLI::App* app) const {
  return make_entry(app->get_name(), app->get_description());
}

std::string HelpFormatter::make_entry(const std::string& name,
                                      const std::string& description) const {
  const std::size_t wanted = width_ > kNameColumns ? width_ - kNameColumns : 0;
  const std::string indent(kNameColumns, ' ');
  std::string text;
  std::string line = "  " + name;
  if (display_width(line) + 2 > kNameColumns) text += std::exchange(line, "") + "\n";
  line.resize(kNameColumns, ' ');
  for (const std::string& piece : wrap(description, std::max(wanted, kNarrowestDescription))) {
    text += std::exchange(line, indent) + piece + "\n";
  }
  return text;
}

}  // namespace nacre::tools
