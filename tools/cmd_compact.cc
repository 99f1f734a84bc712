// nacre compact: takes what a store holds into as few tables as there can be.

#include <fmt/format.h>

#include <memory>
#include <string>
#include <vector>

#include "lib/base/try.h"
#include "lib/codec/json_writer.h"
#include "lib/store/inspect.h"
#include "nacre/clock.h"
#include "tools/command.h"
#include "tools/log_directory.h"
#include "tools/output.h"
#include "tools/store_directory.h"
#include "tools/table.h"
#include "tools/text.h"

namespace nacre::tools {
namespace {

struct CompactOptions {
  StoreTarget store;
  bool all = true;
  bool json = false;
};

struct Tables {
  std::uint64_t count = 0;
  std::uint64_t bytes = 0;
};

Result<Tables> count_tables(const CompactOptions& options) {
  PosixFileSystem file_system;
  const Superblock superblock =
      NACRE_TRY(read_store_superblock(file_system, options.store.directory));
  const auto manifest = NACRE_TRY(store::read_manifest(
      file_system, {.directory = options.store.directory, .log_uuid = superblock.uuid}));
  Tables tables;
  for (const auto& [id, keyspace] : manifest.keyspaces) {
    if (!options.all && keyspace.name != options.store.keyspace) continue;
    for (const auto& [number, table] : keyspace.tables) {
      tables.count += 1;
      tables.bytes += table.file_bytes;
    }
  }
  return tables;
}

Status compact(const CompactOptions& options) {
  OpenedStore opened = NACRE_TRY(open_store(options.store, StoreAccess::kChange));
  NACRE_TRY(opened.store.flush());
  std::vector<std::string> keyspaces = {options.store.keyspace};
  if (options.all) keyspaces = opened.store.keyspaces();
  for (const std::string& name : keyspaces) {
    const Keyspace keyspace = NACRE_TRY(opened.store.keyspace(name));
    NACRE_TRY(opened.store.compact(keyspace));
  }
  return opened.store.close();
}

Status print(const CompactOptions& options, const Tables& before, const Tables& after,
             std::uint64_t elapsed_ns) {
  if (options.json) {
    JsonWriter json;
    json.begin_object()
        .field("directory", options.store.directory)
        .field("tables_before", before.count)
        .field("bytes_before", before.bytes)
        .field("tables", after.count)
        .field("bytes", after.bytes)
        .field("elapsed_ns", elapsed_ns)
        .end_object();
    return print_out(json.text() + "\n");
  }
  const auto text = [](const Tables& tables) {
    return fmt::format("{} {}, {}", format_count(tables.count), plural(tables.count, "table"),
                       format_bytes(tables.bytes));
  };
  Facts facts;
  facts.add("before", text(before));
  facts.add("now", text(after));
  facts.add("took", format_duration(elapsed_ns));
  return print_out(facts.render());
}

Result<ExitCode> run_compact(const CompactOptions& options) {
  SystemClock clock;
  NACRE_TRY(check_is_directory(options.store.directory));
  const Tables before = NACRE_TRY(count_tables(options));
  const std::uint64_t start_ns = clock.monotonic_ns();
  NACRE_TRY(compact(options));
  const std::uint64_t elapsed_ns = clock.monotonic_ns() - start_ns;
  const Tables after = NACRE_TRY(count_tables(options));
  NACRE_TRY(print(options, before, after, elapsed_ns));
  return ExitCode::kOk;
}

}  // namespace

Command add_compact(CommandLine app) {
  auto options = std::make_shared<CompactOptions>();
  CommandLine command = app.add_subcommand(
      "compact", "Write a store's newest data into tables, and merge all tables");
  add_store_options(command, options->store);
  CommandOption keyspace = command.option("--keyspace").description("Which keyspace (all)");
  add_store_writer_options(command, options->store);
  add_json_flag(command, options->json);
  return {.line = command, .run = [options, keyspace] {
            options->all = !keyspace.given();
            return run_compact(*options);
          }};
}

}  // namespace nacre::tools
