#pragma once

// The arguments of a benchmark program.
//
// Parsed in a file of its own: CLI11's header takes several seconds to compile wherever it is read.

#include <cstddef>
#include <expected>
#include <filesystem>
#include <string>
#include <vector>

namespace nacre::bench {

struct Arguments {
  bool quick = false;
  bool list = false;
  std::size_t rounds = 0;
  std::size_t file_mib = 0;
  std::string filter = ".";
  std::string json_file;
  std::string plot_file;
  std::filesystem::path directory;
  std::filesystem::path memory_directory = "/dev/shm";
  std::string device;
};

/// What a program takes, and how it says so.
struct ArgumentsTaken {
  std::string about;
  std::string quick = "End within a minute";
  /// Whether it has rows to choose from; else it takes `--quick`, `--json` and `--memory-dir`.
  bool has_rows = true;
  /// What `--as` takes; none: there is no `--as`.
  std::vector<std::string> devices = {};
};

/// What was given, or what the program is to end with.
std::expected<Arguments, int> parse_arguments(const ArgumentsTaken& taken, int argc, char** argv);

}  // namespace nacre::bench
