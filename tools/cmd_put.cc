// nacre put, nacre delete: one key of a store, or the removal of a range.

#include <fmt/format.h>
#include <unistd.h>

#include <array>
#include <cmath>
#include <memory>
#include <optional>
#include <string>

#include "lib/base/try.h"
#include "tools/byte_source.h"
#include "tools/command.h"
#include "tools/key_text.h"
#include "tools/store_directory.h"

namespace nacre::tools {
namespace {

struct WriteOptions {
  StoreTarget store;
  std::string key;
  std::string value;
  bool value_given = false;
  double ttl_seconds = 0;
  bool hex = false;
};

struct DeleteOptions {
  StoreTarget store;
  std::optional<std::string> key;
  std::optional<std::string> from;
  std::optional<std::string> to;
  bool hex = false;
};

/// All of standard input, up to one byte more than a value may have.
Result<std::string> read_input() {
  InputFile input = NACRE_TRY(InputFile::open("-"));
  std::string text;
  std::array<std::byte, 65536> piece;
  while (text.size() <= kMaxValueBytes) {
    const std::size_t count = NACRE_TRY(input.read(piece));
    if (count == 0) break;
    text += as_text(Bytes(piece).first(count));
  }
  return text;
}

Result<ExitCode> run_put(const WriteOptions& options) {
  const std::string key = NACRE_TRY(given_bytes("KEY", options.key, options.hex));
  const std::string value = options.value_given
                                ? NACRE_TRY(given_bytes("VALUE", options.value, options.hex))
                                : NACRE_TRY(read_input());
  OpenedStore opened = NACRE_TRY(open_store(options.store, StoreAccess::kFill));
  const auto ttl_ms = static_cast<std::uint64_t>(std::ceil(options.ttl_seconds * 1000));
  NACRE_TRY(opened.store.put(opened.keyspace, as_bytes(key), as_bytes(value), {.ttl_ms = ttl_ms}));
  NACRE_TRY(opened.store.close());
  return ExitCode::kOk;
}

Result<ExitCode> run_delete(const DeleteOptions& options) {
  if (options.key.has_value() == options.from.has_value()) {
    return Error(ErrorCode::kInvalidArgument,
                 "say what to delete: KEY, or a range with --from and --to, and not both");
  }
  const std::string begin =
      NACRE_TRY(options.key ? given_bytes("KEY", *options.key, options.hex)
                            : given_bytes("--from", *options.from, options.hex));
  const std::string end =
      options.to ? NACRE_TRY(given_bytes("--to", *options.to, options.hex)) : std::string();
  OpenedStore opened = NACRE_TRY(open_store(options.store, StoreAccess::kChange));
  if (options.key) {
    NACRE_TRY(opened.store.remove(opened.keyspace, as_bytes(begin)));
  } else {
    NACRE_TRY(opened.store.remove_range(opened.keyspace, as_bytes(begin), as_bytes(end)));
  }
  NACRE_TRY(opened.store.close());
  return ExitCode::kOk;
}

}  // namespace

Command add_put(CommandLine app) {
  auto options = std::make_shared<WriteOptions>();
  CommandLine command =
      app.add_subcommand("put", "Store a value under a key, durably; creates the store");
  add_store_options(command, options->store);
  command.add_option("KEY", options->key, "The key").required();
  CommandOption value =
      command.add_option("VALUE", options->value, "The value; without it, all of standard input");
  command.add_flag("--hex", options->hex, "KEY and VALUE are hexadecimal");
  command.add_seconds("--ttl", options->ttl_seconds,
                      "How long it is to be there, such as 90s, 5min or 24h (for ever)");
  add_store_writer_options(command, options->store);
  return {.line = command, .run = [options, value] {
            options->value_given = value.given();
            return run_put(*options);
          }};
}

Command add_delete(CommandLine app) {
  auto options = std::make_shared<DeleteOptions>();
  CommandLine command = app.add_subcommand(
      "delete",
      "Remove a key of a store, or a range of them, durably, whether or not they are there");
  add_store_options(command, options->store);
  command.add_option("KEY", options->key, "The key; or give --from and --to");
  CommandOption from =
      command.add_option("--from", options->from, "All keys from this one on up to")
          .option_text("KEY");
  CommandOption to =
      command.add_option("--to", options->to, "but not including, this one").option_text("KEY");
  from.needs(to);
  to.needs(from);
  command.add_flag("--hex", options->hex, "The keys are hexadecimal");
  add_store_writer_options(command, options->store);
  return {.line = command, .run = [options] { return run_delete(*options); }};
}

}  // namespace nacre::tools
