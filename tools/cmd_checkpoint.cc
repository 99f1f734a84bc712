// nacre checkpoint: a copy of a store as of one moment, which is a store of its own.

#include <fmt/format.h>

#include <memory>
#include <string>

#include "lib/base/try.h"
#include "lib/codec/json_writer.h"
#include "nacre/clock.h"
#include "tools/command.h"
#include "tools/output.h"
#include "tools/store_directory.h"
#include "tools/table.h"
#include "tools/text.h"

namespace nacre::tools {
namespace {

struct CheckpointOptions {
  StoreTarget store;
  std::string target;
  bool json = false;
};

Status print(const CheckpointOptions& options, const StoreStats& stats, std::uint64_t elapsed_ns) {
  std::uint64_t tables = 0;
  std::uint64_t bytes = 0;
  for (const KeyspaceStats& keyspace : stats.keyspaces) {
    for (const LevelStats& level : keyspace.levels) tables += level.tables;
    bytes += keyspace.table_bytes();
  }
  if (options.json) {
    JsonWriter json;
    json.begin_object()
        .field("directory", options.store.directory)
        .field("target", options.target)
        .field("tables", tables)
        .field("bytes", bytes)
        .field("elapsed_ns", elapsed_ns)
        .end_object();
    return print_out(json.text() + "\n");
  }
  Facts facts;
  facts.add("copy", options.target);
  facts.add("holds", fmt::format("{} {}, {}", format_count(tables), plural(tables, "table"),
                                 format_bytes(bytes)));
  facts.add("took", format_duration(elapsed_ns));
  return print_out(facts.render());
}

Result<ExitCode> run_checkpoint(const CheckpointOptions& options) {
  SystemClock clock;
  OpenedStore opened = NACRE_TRY(open_store(options.store, StoreAccess::kChange));
  const std::uint64_t start_ns = clock.monotonic_ns();
  NACRE_TRY(opened.store.checkpoint(options.target));
  const std::uint64_t elapsed_ns = clock.monotonic_ns() - start_ns;
  // Nobody else writes: the store has the tables that the copy has.
  const StoreStats stats = NACRE_TRY(opened.store.stats());
  NACRE_TRY(opened.store.close());
  NACRE_TRY(print(options, stats, elapsed_ns));
  return ExitCode::kOk;
}

}  // namespace

Command add_checkpoint(CommandLine app) {
  auto options = std::make_shared<CheckpointOptions>();
  CommandLine command = app.add_subcommand(
      "checkpoint", "Make a copy of a store that shares its tables, and is a store of its own");
  command.add_option("DIR", options->store.directory, "The store's directory").required();
  command.add_option("TARGET", options->target, "The copy's: not there yet, or empty").required();
  add_store_writer_options(command, options->store);
  add_json_flag(command, options->json);
  return {.line = command, .run = [options] { return run_checkpoint(*options); }};
}

}  // namespace nacre::tools
