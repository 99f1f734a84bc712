// nacre dump: any file of a log or a store, header and records, for a person.

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cstring>
#include <filesystem>
#include <memory>
#include <set>
#include <string>

#include "lib/base/try.h"
#include "lib/codec/json_writer.h"
#include "lib/log/catalog.h"
#include "mmap/superblock.h"
#include "nacre/file_system.h"
#include "tools/command.h"
#include "tools/output.h"
#include "tools/segment_dump.h"
#include "tools/table.h"
#include "tools/table_dump.h"
#include "tools/text.h"
#include "wal/lane_registry.h"

namespace nacre::tools {
namespace {

// Where each small file of a log has the identity of its log (docs/format).
constexpr std::size_t kUuidOffset = 16;
constexpr std::size_t kPidTextBytes = 32;

struct DumpOptions {
  std::string file;
  SegmentDumpOptions segment;
  bool json = false;
};

std::filesystem::path directory_of(const std::filesystem::path& path) {
  return path.has_parent_path() ? path.parent_path() : ".";
}

/// The first bytes of a file, fewer when it is shorter.
Result<std::string> read_beginning(FileSystem& file_system, const std::filesystem::path& path,
                                   std::size_t bytes) {
  const auto file = NACRE_TRY(file_system.open(path, {}));
  std::string text(bytes, '\0');
  const std::size_t count = NACRE_TRY(file->read_at(0, std::as_writable_bytes(std::span(text))));
  text.resize(count);
  return text;
}

// A copy of a small file has no SUPERBLOCK beside it: the file itself is asked whose it is.
Uuid uuid_in(std::string_view beginning) {
  Uuid uuid;
  if (beginning.size() >= kUuidOffset + uuid.bytes.size()) {
    std::memcpy(uuid.bytes.data(), beginning.data() + kUuidOffset, uuid.bytes.size());
  }
  return uuid;
}

Status dump_superblock(FileSystem& file_system, const DumpOptions& options) {
  const Superblock superblock = NACRE_TRY(read_superblock(file_system, directory_of(options.file)));
  if (options.json) {
    JsonWriter json;
    json.begin_object()
        .field("file", "superblock")
        .field("uuid", superblock.uuid.to_string())
        .field("kind", log_kind_name(superblock.kind))
        .field("segment_bytes", superblock.segment_bytes)
        .end_object();
    return print_out(json.text() + "\n");
  }
  Facts facts;
  facts.add("superblock", options.file);
  facts.add("uuid", superblock.uuid.to_string());
  facts.add("kind", std::string(log_kind_name(superblock.kind)));
  facts.add("segments", fmt::format("{} each", format_bytes(superblock.segment_bytes)));
  facts.add("checksum", "good");
  return print_out(facts.render());
}

Status dump_catalog(FileSystem& file_system, const DumpOptions& options, const Uuid& uuid) {
  const Catalog catalog = NACRE_TRY(read_catalog(file_system, directory_of(options.file), uuid));
  if (options.json) {
    JsonWriter json;
    json.begin_object().field("file", "catalog").field("uuid", uuid.to_string());
    json.key("topics").begin_array();
    for (const CatalogTopic& topic : catalog.topics) {
      json.begin_object()
          .field("topic", topic.name)
          .field("partitions", topic.partitions)
          .field("first_lane", topic.first_lane)
          .end_object();
    }
    json.end_array().end_object();
    return print_out(json.text() + "\n");
  }
  Facts facts;
  facts.add("catalog", options.file);
  facts.add("of log", uuid.to_string());
  facts.add("checksum", "good");
  Table table({{.title = "TOPIC"},
               {.title = "PARTITIONS", .align = Align::kRight},
               {.title = "FIRST LANE", .align = Align::kRight}});
  for (const CatalogTopic& topic : catalog.topics) {
    table.add_row({topic.name, format_count(topic.partitions), format_count(topic.first_lane)});
  }
  return print_out(facts.render() + "\n" +
                   (catalog.topics.empty() ? "No topics yet.\n" : table.render()));
}

Status dump_lanes(FileSystem& file_system, const DumpOptions& options, const Uuid& uuid) {
  const std::set<std::uint32_t> lanes =
      NACRE_TRY(wal::read_started_lanes(file_system, directory_of(options.file), uuid));
  if (options.json) {
    JsonWriter json;
    json.begin_object().field("file", "lanes").field("uuid", uuid.to_string());
    json.key("lanes").begin_array();
    for (const std::uint32_t lane : lanes) json.value(lane);
    json.end_array().end_object();
    return print_out(json.text() + "\n");
  }
  Facts facts;
  facts.add("lanes", options.file);
  facts.add("of log", uuid.to_string());
  facts.add("checksum", "good");
  // Not fmt::join: in what it instantiates, GCC 12 sees a write past the end when it links with
  // optimisation, where no flag of a source file counts. fmt checks that bound.
  std::string listed;
  for (const std::uint32_t lane : lanes) {
    listed += fmt::format("{}{}", listed.empty() ? "" : ", ", lane);
  }
  facts.add("have segments", lanes.empty() ? "none" : listed);
  return print_out(facts.render());
}

Status dump_lock(const DumpOptions& options, std::string_view content) {
  Facts facts;
  facts.add("lock", options.file);
  facts.add("last writer",
            fmt::format("process {}",
                        printable(as_bytes(content.substr(0, content.find('\n'))), kPidTextBytes)));
  return print_out(facts.render());
}

Error not_ours(const DumpOptions& options) {
  return Error(ErrorCode::kInvalidArgument,
               fmt::format("this is no file of nacre's that dump knows; a copy of a {}, {} or {} "
                           "must keep its name",
                           kSuperblockName, kCatalogName, wal::kLanesName))
      .with_path(options.file);
}

Result<ExitCode> run_dump(const DumpOptions& options) {
  PosixFileSystem file_system;
  const std::filesystem::path path = options.file;
  const FileStat status = NACRE_TRY(file_system.stat(path));
  if (status.is_directory) {
    return Error(ErrorCode::kInvalidArgument,
                 "this is a directory; name a file in it, or use 'nacre stat'")
        .with_path(options.file);
  }
  const std::string beginning =
      NACRE_TRY(read_beginning(file_system, path, kUuidOffset + sizeof(Uuid)));
  const std::string name = path.filename();
  if (name == kSuperblockName) {
    NACRE_TRY(dump_superblock(file_system, options));
  } else if (name == kCatalogName) {
    NACRE_TRY(dump_catalog(file_system, options, uuid_in(beginning)));
  } else if (name == wal::kLanesName) {
    NACRE_TRY(dump_lanes(file_system, options, uuid_in(beginning)));
  } else if (name == "LOCK") {
    NACRE_TRY(dump_lock(options, beginning));
  } else if (NACRE_TRY(looks_like_table(file_system, path))) {
    return dump_table(file_system, path, {.count = options.segment.count, .json = options.json});
  } else if (NACRE_TRY(looks_like_segment(file_system, path))) {
    SegmentDumpOptions segment = options.segment;
    segment.json = options.json;
    return dump_segment(file_system, path, segment);
  } else {
    return not_ours(options);
  }
  return ExitCode::kOk;
}

}  // namespace

Command add_dump(CommandLine app) {
  auto options = std::make_shared<DumpOptions>();
  CommandLine command =
      app.add_subcommand("dump", "Show a file of a log or store: its header and its records");
  command
      .add_option("FILE", options->file, "A segment, a table, SUPERBLOCK, CATALOG, LANES or LOCK")
      .required();
  command
      .add_option("--count", options->segment.count,
                  "Of a segment or table, this many frames or entries (all)")
      .option_text("N");
  add_json_flag(command, options->json);
  return {.line = command, .run = [options] { return run_dump(*options); }};
}

}  // namespace nacre::tools
