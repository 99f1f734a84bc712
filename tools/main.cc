// The command line tool: parses, runs one subcommand, turns its Error into one line and a status.

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <csignal>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "lib/base/try.h"
#include "nacre/version.h"
#include "tools/command.h"
#include "tools/command_line.h"
#include "tools/output.h"
#include "tools/progress.h"

namespace nacre::tools {
namespace {

constexpr std::size_t kWidestHelp = 100;

std::vector<Command> add_commands(CommandLine app) {
  return {add_ingest(app),     add_cat(app),    add_put(app),  add_get(app),
          add_delete(app),     add_scan(app),   add_load(app), add_compact(app),
          add_checkpoint(app), add_repair(app), add_stat(app), add_verify(app),
          add_dump(app),       add_doctor(app), add_demo(app), add_crashtest(app)};
}

// CLI11 takes a word that is no command for an argument, and says that a command is missing.
std::optional<std::string> find_mistaken_command(std::span<char*> arguments,
                                                 const std::vector<Command>& commands) {
  std::string known;
  for (const Command& command : commands) {
    known += (known.empty() ? "" : ", ") + command.line.name();
  }
  if (arguments.empty()) return "a command is missing; there are: " + known;
  const std::string_view word = arguments.front();
  const auto is_named = [&](const Command& command) { return command.line.name() == word; };
  if (word.starts_with('-') || std::ranges::any_of(commands, is_named)) return {};
  return fmt::format("there is no command '{}'; there are: {}", word, known);
}

ExitCode refuse_usage(std::string_view why) {
  fmt::print(stderr, "nacre: {}\nRun 'nacre --help' for how to call it.\n", why);
  return ExitCode::kUnusable;
}

ExitCode tell(const Result<ExitCode>& result) {
  if (result) return *result;
  // `nacre cat ... | head` has done what was asked for.
  if (reader_has_gone(result.error())) return ExitCode::kOk;
  fmt::print(stderr, "nacre: {}\n", result.error().to_string());
  return exit_code_for(result.error());
}

Result<ExitCode> run(int argc, char** argv) {
  Program program({.name = "nacre",
                   .about = "Durable logs and stores: fill them, read them, check them.",
                   .version = NACRE_VERSION_STRING,
                   .footer = "Exit status: 0 good, 1 damaged or lost, 2 wrong usage, unusable, or "
                             "not printed.\n"
                             "'nacre COMMAND --help' tells more about a command.",
                   .help_columns = std::min(terminal_width(STDOUT_FILENO), kWidestHelp)});
  const std::vector<Command> commands = add_commands(program.line());
  const std::span arguments(argv, static_cast<std::size_t>(argc));
  if (const auto mistake = find_mistaken_command(arguments.subspan(1), commands)) {
    return refuse_usage(*mistake);
  }
  const Program::Parsed parsed = program.parse(argc, argv);
  if (parsed.outcome == Program::Outcome::kMistake) return refuse_usage(parsed.text);
  if (parsed.outcome == Program::Outcome::kText) {
    NACRE_TRY(print_out(parsed.text));
    return ExitCode::kOk;
  }
  for (const Command& command : commands) {
    if (command.line.parsed()) return command.run();
  }
  return ExitCode::kUnusable;
}

}  // namespace
}  // namespace nacre::tools

int main(int argc, char** argv) {
  // A reader that goes away shows as EPIPE at the write, where it can be told from a failure.
  ::signal(SIGPIPE, SIG_IGN);
  nacre::tools::hold_standard_descriptors();
  return static_cast<int>(nacre::tools::tell(nacre::tools::run(argc, argv)));
}
