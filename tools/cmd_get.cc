// nacre get, nacre scan: what a store holds, one key of it or many.

#include <fmt/format.h>
#include <unistd.h>

#include <limits>
#include <memory>
#include <string>
#include <utility>

#include "lib/base/try.h"
#include "lib/codec/json_writer.h"
#include "tools/command.h"
#include "tools/key_range.h"
#include "tools/key_text.h"
#include "tools/output.h"
#include "tools/store_directory.h"
#include "tools/store_reader.h"
#include "tools/text.h"

namespace nacre::tools {
namespace {

constexpr std::uint64_t kAllKeys = std::numeric_limits<std::uint64_t>::max();
constexpr std::size_t kShownKeyColumns = 60;

struct ReadingOptions {
  StoreTarget store;
  std::string key;
  KeyRange range;
  std::uint64_t count = kAllKeys;
  bool hex = false;
  bool json = false;
};

std::string pair_line(const ReadingOptions& options, Bytes key, Bytes value) {
  if (options.json) {
    JsonWriter json;
    json.begin_object();
    put_bytes(json, "key", key);
    put_bytes(json, "value", value);
    return json.end_object().text() + "\n";
  }
  std::string line = options.hex ? hex(key) : std::string(as_text(key));
  line += '\t';
  line += options.hex ? hex(value) : std::string(as_text(value));
  return line + "\n";
}

Result<ExitCode> run_get(const ReadingOptions& options) {
  const std::string key = NACRE_TRY(given_bytes("KEY", options.key, options.hex));
  StoreReader store = NACRE_TRY(StoreReader::open(options.store));
  OutputBuffer output(STDOUT_FILENO);
  {
    const auto value = NACRE_TRY(store.get(as_bytes(key)));
    if (!value) {
      return Error(
                 ErrorCode::kNotFound,
                 fmt::format("there is no key {} in the keyspace {}",
                             options.hex ? options.key : printable(as_bytes(key), kShownKeyColumns),
                             options.store.keyspace))
          .with_path(options.store.directory);
    }
    if (options.json) {
      NACRE_TRY(output.write(pair_line(options, as_bytes(key), value->bytes())));
    } else {
      NACRE_TRY(output.write(options.hex ? hex(value->bytes()) : value->to_string()));
      NACRE_TRY(output.write("\n"));
    }
  }
  NACRE_TRY(output.flush());
  NACRE_TRY(store.close());
  return ExitCode::kOk;
}

Status print_range(const ReadingOptions& options, RangeWalk walk, OutputBuffer& output) {
  for (std::uint64_t left = options.count; left > 0; --left) {
    const Result<bool> found = walk.next();
    if (!found) {
      // What stands before the damage is printed all the same.
      NACRE_TRY(output.flush());
      return found.error();
    }
    if (!*found) break;
    NACRE_TRY(output.write(pair_line(options, walk.key(), walk.value())));
  }
  return output.flush();
}

Result<ExitCode> run_scan(const ReadingOptions& options) {
  KeyRange range = options.range;
  if (range.from) range.from = NACRE_TRY(given_bytes("--from", *range.from, options.hex));
  if (range.to) range.to = NACRE_TRY(given_bytes("--to", *range.to, options.hex));
  range.prefix = NACRE_TRY(given_bytes("--prefix", range.prefix, options.hex));
  StoreReader store = NACRE_TRY(StoreReader::open(options.store));
  OutputBuffer output(STDOUT_FILENO);
  NACRE_TRY(
      print_range(options, RangeWalk(store.iterate(), std::move(range), store.order()), output));
  NACRE_TRY(store.close());
  return ExitCode::kOk;
}

CommandOption add_printing_options(CommandLine app, ReadingOptions& options,
                                   const std::string& hex) {
  CommandOption flag = app.add_flag("--hex", options.hex, hex);
  app.add_flag("--json", options.json,
               "One JSON object a line: key and value (base64 where not UTF-8)");
  return flag;
}

}  // namespace

Command add_get(CommandLine app) {
  auto options = std::make_shared<ReadingOptions>();
  CommandLine command = app.add_subcommand("get", "Print the value of a key of a store");
  add_store_options(command, options->store);
  command.add_option("KEY", options->key, "The key").required();
  add_printing_options(command, *options, "KEY is hexadecimal, and so is what is printed");
  return {.line = command, .run = [options] { return run_get(*options); }};
}

Command add_scan(CommandLine app) {
  auto options = std::make_shared<ReadingOptions>();
  CommandLine command =
      app.add_subcommand("scan", "Print the keys and values of a store, in their order");
  add_store_options(command, options->store);
  command.add_option("--from", options->range.from, "Begin at this key (the first)")
      .option_text("KEY");
  command.add_option("--to", options->range.to, "End before this key").option_text("KEY");
  command.add_option("--prefix", options->range.prefix, "Only keys that begin with this")
      .option_text("KEY");
  add_number(command, "--count", options->count, kAllKeys, "Stop after this many keys (all)")
      .option_text("N");
  command.add_flag("--reverse", options->range.reverse, "From the last key to the first");
  add_printing_options(command, *options,
                       "Keys and values are hexadecimal, those of the options, too");
  return {.line = command, .run = [options] { return run_scan(*options); }};
}

}  // namespace nacre::tools
