#pragma once

// The words of a command line: which options a command takes, and what was given.
//
// This stands before CLI11, whose one header costs some five seconds of compilation in each file
// that reads it, most of them for objects that nobody uses; command_line.cc alone does.
//
// Thread safety: none. Lifetime: a CommandLine and a CommandOption are pointers into a Program.

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace CLI {
class App;
class Option;
}  // namespace CLI

namespace nacre::tools {

class CommandOption {
 public:
  explicit CommandOption(CLI::Option* option) : option_(option) {}

  CommandOption& required();
  /// What --help shows behind the name.
  CommandOption& option_text(const std::string& text);
  CommandOption& description(const std::string& text);
  CommandOption& hidden();
  CommandOption& needs(CommandOption other);
  CommandOption& excludes(CommandOption other);
  /// Takes whole numbers from `least` to `most` alone.
  CommandOption& range(std::uint64_t least, std::uint64_t most);
  /// Once the words are parsed: whether this is among them.
  bool given() const;

 private:
  CLI::Option* option_;
};

class CommandLine {
 public:
  explicit CommandLine(CLI::App* app) : app_(app) {}

  CommandLine add_subcommand(const std::string& name, const std::string& description);
  const std::string& name() const;
  /// Once the words are parsed: whether they name this command.
  bool parsed() const;

  /// An option, or, where `name` has no dashes, an argument by its place. Lifetime: `target`
  /// outlives the parsing.
  CommandOption add_option(const std::string& name, std::string& target,
                           const std::string& description);
  CommandOption add_option(const std::string& name, std::optional<std::string>& target,
                           const std::string& description);
  CommandOption add_option(const std::string& name, std::vector<std::string>& target,
                           const std::string& description);
  CommandOption add_option(const std::string& name, std::uint32_t& target,
                           const std::string& description);
  CommandOption add_option(const std::string& name, std::uint64_t& target,
                           const std::string& description);
  CommandOption add_flag(const std::string& name, bool& target, const std::string& description);
  /// Bytes, such as 16MiB.
  CommandOption add_size(const std::string& name, std::uint64_t& target,
                         const std::string& description);
  /// Such as 60s or 5min.
  CommandOption add_seconds(const std::string& name, double& target,
                            const std::string& description);
  /// `take` says what is wrong with the word it is given, if anything is.
  using TakeWord = std::function<std::optional<std::string>(const std::string&)>;
  CommandOption add_words(const std::string& name, TakeWord take, const std::string& description);

  /// One that was added before.
  CommandOption option(const std::string& name) const;

 private:
  CLI::App* app_;
};

/// A program that is called by the name of one of its commands.
class Program {
 public:
  struct Description {
    std::string name;
    std::string about;
    std::string version;
    std::string footer;
    std::size_t help_columns = 80;
  };
  explicit Program(const Description& description);
  ~Program();
  Program(const Program&) = delete;
  Program& operator=(const Program&) = delete;

  CommandLine line() noexcept;

  enum class Outcome : std::uint8_t {
    kCommand,  ///< One is to be run.
    kText,     ///< `text` was asked for: help, or the version.
    kMistake,  ///< `text` says what.
  };
  struct Parsed {
    Outcome outcome;
    std::string text;
  };
  Parsed parse(int argc, char** argv);

 private:
  std::unique_ptr<CLI::App> app_;
  const std::string version_;
};

}  // namespace nacre::tools
