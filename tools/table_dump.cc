#include "tools/table_dump.h"

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "lib/base/try.h"
#include "lib/codec/json_writer.h"
#include "lib/store/inspect.h"
#include "lib/store/table.h"
#include "lib/store/table_cursor.h"
#include "tools/key_text.h"
#include "tools/output.h"
#include "tools/progress.h"
#include "tools/store_text.h"
#include "tools/table.h"
#include "tools/text.h"

namespace nacre::tools {
namespace {

constexpr std::size_t kKeyColumns = 48;
constexpr std::size_t kNarrowestPreview = 16;
constexpr std::string_view kEntryFormat = "{:>12}  {:>4}  {:<9}  {:>8}  {}\n";
constexpr std::size_t kColumnsBeforePreview = 12 + 4 + 9 + 8 + 4 * 2;

/// The file may be a copy that has another name.
struct Subject {
  store::TableHeader header;
  Uuid uuid;
  store::TableNames names;
};

std::string header_text(const Subject& subject, const store::TableInfo& info,
                        const std::string& path) {
  Facts facts;
  facts.add("table", fmt::format("{}, number {}", path, info.id.value));
  facts.add("of store", subject.uuid.to_string());
  facts.add("size", fmt::format("{} bytes, {} of keys and values", format_count(info.file_bytes),
                                format_count(info.raw_bytes)));
  facts.add("holds", fmt::format("{} {} of {} {}, {} range {}", format_count(info.entries),
                                 info.entries == 1 ? "entry" : "entries", format_count(info.keys),
                                 plural(info.keys, "key"), format_count(info.removals),
                                 plural(info.removals, "removal")));
  if (subject.names.owner) {
    facts.add("keyspace", fmt::format("{}, number {}", subject.names.owner->name,
                                      subject.names.owner->keyspace));
  }
  facts.add("order", subject.names.comparator);
  facts.add("keys", fmt::format("{} to {}", printable(info.smallest_key, kKeyColumns),
                                printable(info.largest_key, kKeyColumns)));
  facts.add("LSNs", fmt::format("{} to {}", info.smallest_sequence.lsn().value,
                                info.largest_sequence.lsn().value));
  facts.add("checksums", "of header and indexes good; 'nacre verify' checks the entries");
  return facts.render();
}

std::string header_json(const Subject& subject, const store::TableInfo& info) {
  JsonWriter json;
  json.begin_object()
      .field("file", "table")
      .field("uuid", subject.uuid.to_string())
      .field("table", info.id.value)
      .field("file_bytes", info.file_bytes)
      .field("raw_bytes", info.raw_bytes)
      .field("entries", info.entries)
      .field("keys", info.keys)
      .field("range_removals", info.removals)
      .field("comparator", subject.names.comparator)
      .field("smallest_lsn", info.smallest_sequence.lsn().value)
      .field("largest_lsn", info.largest_sequence.lsn().value);
  if (subject.names.owner) {
    json.field("keyspace", subject.names.owner->name)
        .field("keyspace_id", subject.names.owner->keyspace);
  }
  put_bytes(json, "smallest_key", info.smallest_key);
  put_bytes(json, "largest_key", info.largest_key);
  return json.end_object().text() + "\n";
}

std::uint32_t lane_of(store::Sequence sequence) {
  return static_cast<std::uint32_t>(sequence.value) & ((1U << store::Sequence::kLaneBits) - 1);
}

std::string entry_json(const store::Entry& entry) {
  JsonWriter json;
  json.begin_object()
      .field("lsn", entry.sequence.lsn().value)
      .field("lane", lane_of(entry.sequence))
      .field("kind", entry_kind_name(static_cast<std::uint8_t>(entry.kind)));
  put_bytes(json, "key", entry.key);
  put_bytes(json, "value", entry.value);
  return json.end_object().text() + "\n";
}

std::string entry_line(const store::Entry& entry, std::size_t columns) {
  std::string text = printable(entry.key, std::min(columns, kKeyColumns));
  if (!entry.value.empty()) text += " = " + printable(entry.value, columns);
  return fmt::format(kEntryFormat, entry.sequence.lsn().value, lane_of(entry.sequence),
                     entry_kind_name(static_cast<std::uint8_t>(entry.kind)), entry.value.size(),
                     printable(as_bytes(text), columns));
}

Status print_entries(const store::Table& table, const TableDumpOptions& options,
                     OutputBuffer& output) {
  const std::size_t width = terminal_width(STDOUT_FILENO);
  const std::size_t columns =
      std::max(kNarrowestPreview, width - std::min(width, kColumnsBeforePreview));
  std::vector<std::byte> copy;
  store::TableCursor cursor(table);
  NACRE_TRY(cursor.seek_first());
  for (std::uint64_t left = options.count; left > 0 && cursor.valid(); --left) {
    store::Entry entry = cursor.entry();
    // A copy, since what prints it has more to clean up than may be left behind at a fault.
    copy.resize(entry.key.size() + entry.value.size());
    NACRE_TRY(table.look([&]() noexcept {
      std::ranges::copy(entry.key, copy.data());
      std::ranges::copy(entry.value, copy.data() + entry.key.size());
    }));
    entry.key = Bytes(copy).first(entry.key.size());
    entry.value = Bytes(copy).subspan(entry.key.size());
    NACRE_TRY(output.write(options.json ? entry_json(entry) : entry_line(entry, columns)));
    NACRE_TRY(cursor.next());
  }
  return {};
}

}  // namespace

Result<bool> looks_like_table(FileSystem& file_system, const std::filesystem::path& path) {
  if (path.extension() == ".table") return true;
  const auto file = NACRE_TRY(file_system.open(path, {}));
  std::array<char, store::kTableMagic.size()> magic{};
  const std::size_t count = NACRE_TRY(file->read_at(0, std::as_writable_bytes(std::span(magic))));
  return count == magic.size() && magic == store::kTableMagic;
}

Result<ExitCode> dump_table(FileSystem& file_system, const std::filesystem::path& path,
                            const TableDumpOptions& options) {
  Subject subject;
  subject.header = NACRE_TRY(store::read_table_header(file_system, path));
  subject.uuid.bytes = subject.header.store_uuid;
  subject.names = NACRE_TRY(store::read_table_names(file_system, path, subject.header));
  const store::TableId id{subject.header.table_id};
  if (path.filename() != store::table_file_name(id)) {
    return Error(ErrorCode::kInvalidArgument,
                 fmt::format("this is table {}; a copy of it must keep its name, {}", id.value,
                             store::table_file_name(id)))
        .with_path(path.string());
  }
  const auto table = NACRE_TRY(store::Table::open(
      file_system, {.directory = path.has_parent_path() ? path.parent_path() : ".",
                    .id = id,
                    .store_uuid = subject.uuid,
                    .comparator = store::comparator_to_look_with(subject.names.comparator)}));
  OutputBuffer output(STDOUT_FILENO);
  NACRE_TRY(output.write(options.json ? header_json(subject, table->info())
                                      : header_text(subject, table->info(), path.string())));
  if (!options.json && options.count > 0 && table->info().entries > 0) {
    NACRE_TRY(output.write(
        "\n" + fmt::format(kEntryFormat, "LSN", "LANE", "KIND", "BYTES", "KEY = VALUE")));
  }
  // What stands before damage is printed all the same.
  Status printed = print_entries(*table, options, output);
  NACRE_TRY(output.flush());
  NACRE_TRY(std::move(printed));
  return ExitCode::kOk;
}

}  // namespace nacre::tools
