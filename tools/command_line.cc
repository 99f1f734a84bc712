#include "tools/command_line.h"

#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <map>
#include <utility>

#include "tools/table.h"
#include "tools/text.h"

namespace nacre::tools {
namespace {

constexpr std::size_t kNameColumns = 24;
constexpr std::size_t kNarrowestDescription = 30;

/// The look of --help: descriptions wrapped beside their options.
class HelpFormatter final : public CLI::Formatter {
 public:
  explicit HelpFormatter(std::size_t columns) : columns_(columns) {}

  std::string make_option(const CLI::Option* option, bool is_positional) const override {
    std::string name = make_option_name(option, is_positional);
    // Only the texts of our own: of a positional, the name says all.
    if (!option->get_option_text().empty()) name += " " + option->get_option_text();
    return make_entry(name, make_option_desc(option));
  }

  std::string make_subcommand(const CLI::App* app) const override {
    return make_entry(app->get_name(), app->get_description());
  }

 private:
  std::string make_entry(const std::string& name, const std::string& description) const {
    const std::size_t wanted = columns_ > kNameColumns ? columns_ - kNameColumns : 0;
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

  const std::size_t columns_;
};

}  // namespace

CommandOption& CommandOption::required() {
  option_->required();
  return *this;
}

CommandOption& CommandOption::option_text(const std::string& text) {
  option_->option_text(text);
  return *this;
}

CommandOption& CommandOption::description(const std::string& text) {
  option_->description(text);
  return *this;
}

CommandOption& CommandOption::hidden() {
  option_->group("");
  return *this;
}

CommandOption& CommandOption::needs(CommandOption other) {
  option_->needs(other.option_);
  return *this;
}

CommandOption& CommandOption::excludes(CommandOption other) {
  option_->excludes(other.option_);
  return *this;
}

CommandOption& CommandOption::range(std::uint64_t least, std::uint64_t most) {
  option_->check(CLI::Range(least, most).description(""));
  return *this;
}

bool CommandOption::given() const { return option_->count() > 0; }

CommandLine CommandLine::add_subcommand(const std::string& name, const std::string& description) {
  CLI::App* const command = app_->add_subcommand(name, description);
  command->footer("");
  return CommandLine(command);
}

const std::string& CommandLine::name() const { return app_->get_name(); }

bool CommandLine::parsed() const { return app_->parsed(); }

CommandOption CommandLine::add_option(const std::string& name, std::string& target,
                                      const std::string& description) {
  return CommandOption(app_->add_option(name, target, description));
}

CommandOption CommandLine::add_option(const std::string& name, std::optional<std::string>& target,
                                      const std::string& description) {
  return CommandOption(app_->add_option(name, target, description));
}

CommandOption CommandLine::add_option(const std::string& name, std::vector<std::string>& target,
                                      const std::string& description) {
  return CommandOption(app_->add_option(name, target, description));
}

CommandOption CommandLine::add_option(const std::string& name, std::uint32_t& target,
                                      const std::string& description) {
  return CommandOption(app_->add_option(name, target, description));
}

CommandOption CommandLine::add_option(const std::string& name, std::uint64_t& target,
                                      const std::string& description) {
  return CommandOption(app_->add_option(name, target, description));
}

CommandOption CommandLine::add_flag(const std::string& name, bool& target,
                                    const std::string& description) {
  return CommandOption(app_->add_flag(name, target, description));
}

CommandOption CommandLine::add_size(const std::string& name, std::uint64_t& target,
                                    const std::string& description) {
  return CommandOption(app_->add_option(name, target, description)
                           ->transform(CLI::AsSizeValue(false).description(""))
                           ->option_text("N"));
}

CommandOption CommandLine::add_seconds(const std::string& name, double& target,
                                       const std::string& description) {
  const std::map<std::string, double> units = {{"s", 1}, {"min", 60}, {"h", 3600}};
  return CommandOption(
      app_->add_option(name, target, description)
          ->transform(
              CLI::AsNumberWithUnit(units, CLI::AsNumberWithUnit::CASE_SENSITIVE).description(""))
          ->check(CLI::Range(0.0, 1e9).description(""))
          ->option_text("TIME"));
}

CommandOption CommandLine::add_words(const std::string& name, TakeWord take,
                                     const std::string& description) {
  const auto take_or_throw = [name, take = std::move(take)](const std::string& given) {
    if (const auto wrong = take(given)) throw CLI::ValidationError(name, *wrong);
  };
  return CommandOption(app_->add_option_function<std::string>(name, take_or_throw, description));
}

CommandOption CommandLine::option(const std::string& name) const {
  return CommandOption(app_->get_option(name));
}

Program::Program(const Description& description)
    : app_(std::make_unique<CLI::App>(description.about, description.name)),
      version_(description.version) {
  app_->formatter(std::make_shared<HelpFormatter>(description.help_columns));
  app_->set_version_flag("--version", version_);
  app_->require_subcommand(1);
  app_->footer(description.footer);
}

Program::~Program() = default;

CommandLine Program::line() noexcept { return CommandLine(app_.get()); }

Program::Parsed Program::parse(int argc, char** argv) {
  try {
    app_->parse(argc, argv);
  } catch (const CLI::CallForHelp&) {
    // Of the subcommand that was named, if one was.
    return {.outcome = Outcome::kText, .text = app_->help()};
  } catch (const CLI::CallForVersion&) {
    return {.outcome = Outcome::kText, .text = fmt::format("{} {}\n", app_->get_name(), version_)};
  } catch (const CLI::ParseError& error) {
    return {.outcome = Outcome::kMistake, .text = error.what()};
  }
  return {.outcome = Outcome::kCommand, .text = {}};
}

}  // namespace nacre::tools
