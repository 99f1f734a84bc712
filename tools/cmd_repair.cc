// nacre repair: saves what there is of a damaged store into a new one, and lists what was lost.

#include <fmt/format.h>

#include <memory>
#include <string>

#include "lib/base/try.h"
#include "lib/codec/json_writer.h"
#include "nacre/clock.h"
#include "nacre/store.h"
#include "tools/command.h"
#include "tools/log_directory.h"
#include "tools/output.h"
#include "tools/table.h"
#include "tools/text.h"

namespace nacre::tools {
namespace {

struct RepairOptions {
  std::string from;
  std::string to;
  Durability durability = Durability::kPower;
  IoEngine engine = IoEngine::kAuto;
  bool reverse = false;
  bool json = false;
};

Status print_json(const RepairOptions& options, const RepairReport& report,
                  std::uint64_t elapsed_ns) {
  JsonWriter json;
  json.begin_object()
      .field("directory", options.from)
      .field("target", options.to)
      .field("keyspaces", report.keyspaces)
      .field("tables", report.tables)
      .field("damaged_tables", report.damaged_tables)
      .field("log_records", report.log_records)
      .field("entries", report.entries)
      .field("elapsed_ns", elapsed_ns);
  json.key("losses").begin_array();
  for (const RepairLoss& loss : report.losses) {
    json.begin_object()
        .field("path", loss.path)
        .field("offset", loss.offset)
        .field("bytes", loss.bytes)
        .field("what", loss.what)
        .end_object();
  }
  json.end_array().key("notes").begin_array();
  for (const std::string& note : report.notes) json.value(note);
  json.end_array().end_object();
  return print_out(json.text() + "\n");
}

Status print_text(const RepairOptions& options, const RepairReport& report,
                  std::uint64_t elapsed_ns) {
  Facts facts;
  facts.add("new store", options.to);
  facts.add("holds",
            fmt::format("{} {} in {} {}", format_count(report.entries),
                        report.entries == 1 ? "entry" : "entries", format_count(report.keyspaces),
                        plural(report.keyspaces, "keyspace")));
  facts.add(
      "saved from",
      fmt::format("{} {}, {} of them damaged, and {} {} of the log", format_count(report.tables),
                  plural(report.tables, "table"), format_count(report.damaged_tables),
                  format_count(report.log_records), plural(report.log_records, "record")));
  facts.add("took", format_duration(elapsed_ns));
  for (const std::string& note : report.notes) facts.add("note", note);
  std::string text = facts.render() + "\n";
  text +=
      report.losses.empty()
          ? "Nothing was lost.\n"
          : fmt::format("DAMAGED in {} {}; what was there and nowhere else is lost:\n",
                        format_count(report.losses.size()), plural(report.losses.size(), "place"));
  for (const RepairLoss& loss : report.losses) {
    const std::string bytes =
        loss.bytes == 0 ? "from" : fmt::format("{} bytes from", format_count(loss.bytes));
    text += fmt::format("  {} offset {} of {}: {}\n", bytes, loss.offset, loss.path, loss.what);
  }
  return print_out(text);
}

Result<ExitCode> run_repair(const RepairOptions& options) {
  SystemClock clock;
  NACRE_TRY(check_is_directory(options.from));
  const std::uint64_t start_ns = clock.monotonic_ns();
  StoreOptions of_store{.domain = domain_request(options.durability), .io_engine = options.engine};
  if (options.reverse) of_store.comparator = Comparator::reverse_bytewise();
  const RepairReport report =
      NACRE_TRY(Store::repair(options.from, options.to, std::move(of_store)));
  const std::uint64_t elapsed_ns = clock.monotonic_ns() - start_ns;
  NACRE_TRY(options.json ? print_json(options, report, elapsed_ns)
                         : print_text(options, report, elapsed_ns));
  return report.losses.empty() ? ExitCode::kOk : ExitCode::kDamaged;
}

}  // namespace

Command add_repair(CommandLine app) {
  auto options = std::make_shared<RepairOptions>();
  CommandLine command = app.add_subcommand(
      "repair",
      "Save what there is of a damaged store into a new one; status 1 when something was lost");
  command.add_option("DIR", options->from, "The damaged store, which is only read").required();
  command.add_option("TARGET", options->to, "The new one's: not there yet, or empty").required();
  command.add_flag("--reverse", options->reverse,
                   "Where the manifest is lost: the default keyspace was in reverse order");
  add_durability_option(command, options->durability);
  add_engine_option(command, options->engine);
  add_json_flag(command, options->json);
  return {.line = command, .run = [options] { return run_repair(*options); }};
}

}  // namespace nacre::tools
