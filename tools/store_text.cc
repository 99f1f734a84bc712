#include "tools/store_text.h"

#include <fmt/format.h>

#include "lib/store/entry.h"
#include "lib/store/manifest_format.h"
#include "lib/store/write_format.h"

namespace nacre::tools {
namespace {

/// What is longer does not fit into a line anyway, and there may be 16 MiB of it.
constexpr std::size_t kEnoughBytes = 400;

std::string_view beginning(Bytes bytes) { return as_text(bytes).substr(0, kEnoughBytes); }

std::string table_text(const store::ManifestEdit::Table& table) {
  return fmt::format("table {} in level {} of {}", table.table.id, table.table.level,
                     table.keyspace);
}

std::string edit_text(const store::ManifestEdit& edit) {
  std::string text;
  const auto add = [&text](const std::string& change) {
    text += (text.empty() ? "" : "; ") + change;
  };
  for (const auto& keyspace : edit.new_keyspaces) {
    add(fmt::format("+ keyspace {} {} ({})", keyspace.id, keyspace.name, keyspace.comparator));
  }
  for (const std::uint32_t id : edit.dropped_keyspaces) add(fmt::format("- keyspace {}", id));
  for (const auto& table : edit.new_tables) add("+ " + table_text(table));
  for (const auto& table : edit.removed_tables) add("- " + table_text(table));
  if (edit.flushed_through.value != 0) {
    add(fmt::format("in tables up to LSN {}", edit.flushed_through.value));
  }
  return text;
}

std::string state_text(const store::ManifestState& state) {
  std::string text = "all:";
  for (const auto& [id, keyspace] : state.keyspaces) {
    text += fmt::format(" keyspace {} {} ({}), {} tables;", id, keyspace.name, keyspace.comparator,
                        keyspace.tables.size());
  }
  return text + fmt::format(" in tables up to LSN {}", state.flushed_through.value);
}

}  // namespace

std::string_view entry_kind_name(std::uint8_t kind) noexcept {
  if (kind == store::kRemoveRangeKind) return "remove range";
  switch (static_cast<store::EntryKind>(kind)) {
    case store::EntryKind::kPut:
      return "put";
    case store::EntryKind::kRemove:
      return "remove";
    case store::EntryKind::kPutUntil:
      return "put until";
    case store::EntryKind::kMerge:
      return "merge";
  }
  return "unknown";
}

std::string store_writes_text(Bytes record) {
  std::string text;
  store::WriteReader writes(record);
  while (const auto write = writes.next()) {
    if (!text.empty()) text += "; ";
    text += fmt::format("{} {}/{}", entry_kind_name(write->kind), write->keyspace,
                        beginning(write->key));
    if (!write->value.empty()) text += fmt::format(" = {}", beginning(write->value));
    if (text.size() > kEnoughBytes) return text;
  }
  return writes.is_malformed() ? text + " (not a write)" : text;
}

std::string manifest_record_text(Bytes record) {
  if (store::says_everything(record)) {
    store::ManifestState state;
    if (store::apply_record(record, state)) return state_text(state);
  } else if (const auto edit = store::decode_edit(record)) {
    return edit_text(*edit);
  }
  return "(not of a manifest)";
}

}  // namespace nacre::tools
