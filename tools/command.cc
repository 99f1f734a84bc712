#include "tools/command.h"

#include <unistd.h>

#include "nacre/types.h"
#include "tools/output.h"

namespace nacre::tools {

void add_durability_option(CLI::App& app, Durability& durability) {
  add_choice<Durability>(app, "--durability", durability,
                         {{"power", Durability::kPower}, {"process", Durability::kProcess}},
                         "What an acknowledged record survives: 'power' loss (the default), or "
                         "only a crash of the 'process' (mapped files; also works on tmpfs)")
      ->option_text("WHAT");
}

void add_json_flag(CLI::App& app, bool& json) {
  app.add_flag("--json", json, "Print JSON, for machines");
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
