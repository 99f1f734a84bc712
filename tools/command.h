#pragma once

// What a subcommand of `nacre` is, and what all of them share.

#include <CLI/CLI.hpp>
#include <cstdint>
#include <functional>
#include <string>
#include <utility>
#include <vector>

#include "nacre/pmem.h"
#include "nacre/result.h"

namespace nacre::tools {

/// What the process ends with.
enum class ExitCode : int {
  kOk = 0,
  kDamaged = 1,   ///< Something that was acknowledged is damaged or lost,
                  ///< or the output could not be written.
  kUnusable = 2,  ///< Wrong usage, or an input, directory or machine that cannot be used.
};

/// A subcommand: its words on the command line, and what it does once they are parsed.
struct Command {
  CLI::App* app = nullptr;
  std::function<Result<ExitCode>()> run;
};

Command add_ingest(CLI::App& app);
Command add_cat(CLI::App& app);
Command add_stat(CLI::App& app);
Command add_verify(CLI::App& app);
Command add_dump(CLI::App& app);
Command add_doctor(CLI::App& app);
Command add_demo(CLI::App& app);

/// Adds an option whose value is one of `words`. Lifetime: `target` outlives the parsing.
template <class Enum>
CLI::Option* add_choice(CLI::App& app, const std::string& name, Enum& target,
                        std::vector<std::pair<std::string, Enum>> words,
                        const std::string& description) {
  const auto choose = [name, &target, words = std::move(words)](const std::string& given) {
    std::string known;
    for (const auto& [word, value] : words) {
      if (word == given) {
        target = value;
        return;
      }
      known += (known.empty() ? "" : ", ") + word;
    }
    throw CLI::ValidationError(name, "'" + given + "' is not one of: " + known);
  };
  return app.add_option_function<std::string>(name, choose, description);
}

/// What data has to outlive: the words `power` and `process` on the command line.
enum class Durability : std::uint8_t { kPower, kProcess };

/// Adds `--durability`. Lifetime: `durability` outlives the parsing.
void add_durability_option(CLI::App& app, Durability& durability);
/// Adds `--json`. Lifetime: `json` outlives the parsing.
void add_json_flag(CLI::App& app, bool& json);

DomainRequest domain_request(Durability durability) noexcept;
const char* durability_name(Durability durability) noexcept;
/// "power loss" or "a crash of the process, not power loss".
const char* survival_text(const DomainInfo& domain) noexcept;

/// 1 for `corruption`, unusable for every other error.
ExitCode exit_code_for(const Error& error) noexcept;

}  // namespace nacre::tools
