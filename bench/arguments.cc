#include "bench/arguments.h"

#include <CLI/CLI.hpp>

namespace nacre::bench {
namespace {

void add_row_options(CLI::App& app, Arguments& arguments) {
  app.add_flag("--list", arguments.list, "Name the rows and end");
  app.add_option("--plot", arguments.plot_file, "Write a chart (SVG) to this file");
  app.add_option("--filter", arguments.filter, "Only rows whose name matches this expression");
  app.add_option("--rounds", arguments.rounds, "Rounds a row (25, or at most 9 with --quick)")
      ->check(CLI::Range(1, 1000));
  app.add_option("--file-mib", arguments.file_mib,
                 "Size of the files on the ordinary file system, in MiB (each row's own)")
      ->check(CLI::Range(1, 1 << 20));
  app.add_option("--dir", arguments.directory, "Where to write on an ordinary file system")
      ->check(CLI::ExistingDirectory);
}

}  // namespace

std::expected<Arguments, int> parse_arguments(const ArgumentsTaken& taken, int argc, char** argv) {
  Arguments arguments;
  CLI::App app(taken.about);
  app.add_flag("--quick", arguments.quick, taken.quick);
  app.add_option("--json", arguments.json_file, "Write the figures to this file");
  if (taken.has_rows) add_row_options(app, arguments);
  app.add_option("--memory-dir", arguments.memory_directory, "Where to write in memory (tmpfs)")
      ->check(CLI::ExistingDirectory);
  if (!taken.devices.empty()) {
    app.add_option("--as", arguments.device, "The rows in memory, as slow as this device")
        ->check(CLI::IsMember(taken.devices));
  }
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    return std::unexpected(app.exit(error));
  }
  return arguments;
}

}  // namespace nacre::bench
