#pragma once

// The look of --help: descriptions wrapped beside their options.

#include <CLI/CLI.hpp>
#include <cstddef>
#include <string>

namespace nacre::tools {

class HelpFormatter final : public CLI::Formatter {
 public:
  /// `width`: columns of the terminal.
  explicit HelpFormatter(std::size_t width) : width_(width) {}
  std::string make_option(const CLI::Option* option, bool is_positional) const override;
  std::string make_subcommand(const CLI::App* app) const override;

 private:
  std::string make_entry(const std::string& name, const std::string& description) const;
  std::size_t width_;
};

}  // namespace nacre::tools
