#include "tools/command.h"

#include <fmt/format.h>
#include <unistd.h>

#include <charconv>
#include <system_error>

#include "nacre/types.h"
#include "tools/output.h"

namespace nacre::tools {

void add_durability_option(CommandLine app, Durability& durability) {
  add_choice<Durability>(app, "--durability", durability,
                         {{"power", Durability::kPower}, {"process", Durability::kProcess}},
                         "What an acknowledged record survives: 'power' loss (the default), or "
                         "only a crash of the 'process' (mapped files; also works on tmpfs)")
      .option_text("WHAT");
}

void add_engine_option(CommandLine app, IoEngine& engine) {
  add_choice<IoEngine>(
      app, "--engine", engine,
      {{"auto", IoEngine::kAuto}, {"io_uring", IoEngine::kIoUring}, {"posix", IoEngine::kPosix}},
      "What writes to an ordinary disk: io_uring where it is there ('auto', the default), "
      "'io_uring' or nothing, or 'posix' calls")
      .option_text("ENGINE");
}

void add_json_flag(CommandLine app, bool& json) {
  app.add_flag("--json", json, "Print JSON, for machines");
}

CommandOption add_number(CommandLine app, const std::string& name, std::uint64_t& target,
                         std::uint64_t largest, const std::string& description) {
  const auto take = [&target, largest](const std::string& given) -> std::optional<std::string> {
    std::uint64_t number = 0;
    const char* const end = given.data() + given.size();
    const auto [stop, fault] = std::from_chars(given.data(), end, number);
    if (fault != std::errc() || stop != end || number > largest) {
      return fmt::format("'{}' is not a whole number from 0 to {}", given, largest);
    }
    target = number;
    return {};
  };
  return app.add_words(name, take, description);
}

DomainRequest domain_request(Durability durability) noexcept {
  return durability == Durability::kPower ? DomainRequest::kAuto : DomainRequest::kEmulated;
}

const char* durability_name(Durability durability) noexcept {
  return durability == Durability::kPower ? "power" : "process";
}

const char* survival_text(const DomainInfo& domain) noexcept {
  return domain.survives_power_loss ? "power loss" : "a crash of the process, not power loss";
}

ExitCode exit_code_for(const Error& error) noexcept {
  return error.code() == ErrorCode::kCorruption ? ExitCode::kDamaged : ExitCode::kUnusable;
}

}  // namespace nacre::tools
