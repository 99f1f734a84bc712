#pragma once

// What a subcommand of `nacre` is, and what all of them share.

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "nacre/pmem.h"
#include "nacre/result.h"
#include "tools/command_line.h"

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
  CommandLine line;
  std::function<Result<ExitCode>()> run;
};

Command add_ingest(CommandLine app);
Command add_cat(CommandLine app);
Command add_stat(CommandLine app);
Command add_verify(CommandLine app);
Command add_dump(CommandLine app);
Command add_doctor(CommandLine app);
Command add_demo(CommandLine app);
Command add_crashtest(CommandLine app);
Command add_put(CommandLine app);
Command add_get(CommandLine app);
Command add_delete(CommandLine app);
Command add_scan(CommandLine app);
Command add_load(CommandLine app);
Command add_compact(CommandLine app);
Command add_checkpoint(CommandLine app);
Command add_repair(CommandLine app);

/// Adds an option whose value is one of `words`. Lifetime: `target` outlives the parsing.
template <class Enum>
CommandOption add_choice(CommandLine app, const std::string& name, Enum& target,
                         std::vector<std::pair<std::string, Enum>> words,
                         const std::string& description) {
  const auto choose = [&target, words = std::move(words)](const std::string& given) {
    std::string known;
    for (const auto& [word, value] : words) {
      if (word == given) {
        target = value;
        return std::optional<std::string>();
      }
      known += (known.empty() ? "" : ", ") + word;
    }
    return std::optional("'" + given + "' is not one of: " + known);
  };
  return app.add_words(name, choose, description);
}

/// What data has to outlive: the words `power` and `process` on the command line.
enum class Durability : std::uint8_t { kPower, kProcess };

/// Adds `--durability`. Lifetime: `durability` outlives the parsing.
void add_durability_option(CommandLine app, Durability& durability);
/// Adds `--json`. Lifetime: `json` outlives the parsing.
void add_json_flag(CommandLine app, bool& json);

/// Adds an option that takes a whole number up to `largest`. CLI11's own conversion takes "-1" for
/// 2^64-1, and nothing at all for 0. Lifetime: `target` outlives the parsing.
CommandOption add_number(CommandLine app, const std::string& name, std::uint64_t& target,
                         std::uint64_t largest, const std::string& description);

DomainRequest domain_request(Durability durability) noexcept;

/// Adds `--engine`. Lifetime: `engine` outlives the parsing.
void add_engine_option(CommandLine app, IoEngine& engine);
const char* durability_name(Durability durability) noexcept;
/// "power loss" or "a crash of the process, not power loss".
const char* survival_text(const DomainInfo& domain) noexcept;

/// 1 for `corruption`, unusable for every other error.
ExitCode exit_code_for(const Error& error) noexcept;

}  // namespace nacre::tools
