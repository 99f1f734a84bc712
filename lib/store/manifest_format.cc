#include "lib/store/manifest_format.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstring>
#include <string>
#include <string_view>
#include <utility>

#include "lib/base/endian.h"
#include "lib/base/try.h"

namespace nacre::store {
namespace {

enum class RecordKind : std::uint8_t { kEdit = 1, kAll = 2 };

constexpr std::uint8_t kWithoutSince = 1;
constexpr std::uint8_t kWithSince = 2;

class Writer {
 public:
  Writer(RecordKind kind, std::uint8_t version) : version_(version) {
    u8(static_cast<std::uint8_t>(kind));
    u8(version);
  }
  void u8(std::uint8_t value) { bytes_.push_back(std::byte{value}); }
  void u32(std::uint32_t value) { raw(le32(value)); }
  void u64(std::uint64_t value) { raw(le64(value)); }
  void text(std::string_view value) {
    u32(static_cast<std::uint32_t>(value.size()));
    const Bytes bytes = as_bytes(value);
    bytes_.insert(bytes_.end(), bytes.begin(), bytes.end());
  }
  void table(const TableRecord& table) {
    u64(table.id);
    u32(table.level);
    u64(table.file_bytes);
    if (version_ >= kWithSince) u64(table.since.value);
  }
  void keyspace(const KeyspaceRecord& keyspace) {
    u32(keyspace.id);
    text(keyspace.name);
    text(keyspace.comparator);
    text(keyspace.merge_operator);
  }
  std::vector<std::byte> take() { return std::move(bytes_); }

 private:
  template <class T>
  void raw(const T& value) {
    const auto* from = reinterpret_cast<const std::byte*>(&value);
    bytes_.insert(bytes_.end(), from, from + sizeof value);
  }
  const std::uint8_t version_;
  std::vector<std::byte> bytes_;
};

/// Reads zeros behind the end, and remembers it.
class Reader {
 public:
  explicit Reader(Bytes bytes) : rest_(bytes) {}
  std::uint8_t u8() {
    const Bytes bytes = take(1);
    return bytes.empty() ? std::uint8_t{0} : std::to_integer<std::uint8_t>(bytes[0]);
  }
  std::uint32_t u32() { return raw<le32>(); }
  std::uint64_t u64() { return raw<le64>(); }
  std::string text() {
    const std::uint32_t bytes = u32();
    return std::string(as_text(take(bytes)));
  }
  void set_version(std::uint8_t version) noexcept { version_ = version; }
  TableRecord table() {
    return {.id = u64(),
            .level = u32(),
            .file_bytes = u64(),
            .since = Sequence{version_ >= kWithSince ? u64() : 0}};
  }
  KeyspaceRecord keyspace() {
    return {.id = u32(), .name = text(), .comparator = text(), .merge_operator = text()};
  }
  bool is_whole() const noexcept { return rest_.empty() && !short_; }
  bool is_short() const noexcept { return short_; }

 private:
  template <class T>
  T raw() {
    T value{};
    if (const Bytes bytes = take(sizeof value); !bytes.empty()) {
      std::memcpy(&value, bytes.data(), sizeof value);
    }
    return value;
  }
  Bytes take(std::size_t bytes) {
    if (bytes > rest_.size()) {
      short_ = true;
      rest_ = {};
      return {};
    }
    const Bytes taken = rest_.first(bytes);
    rest_ = rest_.subspan(bytes);
    return taken;
  }
  Bytes rest_;
  std::uint8_t version_ = 0;
  bool short_ = false;
};

std::uint8_t version_for(const ManifestEdit& edit) {
  const auto is_loaded = [](const ManifestEdit::Table& table) {
    return table.table.since > Sequence{};
  };
  const bool any = std::ranges::any_of(edit.new_tables, is_loaded) ||
                   std::ranges::any_of(edit.removed_tables, is_loaded);
  return any ? kWithSince : kWithoutSince;
}

std::uint8_t version_for(const ManifestState& state) {
  for (const auto& [id, keyspace] : state.keyspaces) {
    for (const auto& [table_id, table] : keyspace.tables) {
      if (table.since > Sequence{}) return kWithSince;
    }
  }
  return kWithoutSince;
}

ManifestEdit read_edit(Reader& reader) {
  ManifestEdit edit;
  edit.flushed_through = Lsn{reader.u64()};
  for (std::uint32_t left = reader.u32(); left > 0 && !reader.is_short(); --left) {
    edit.new_keyspaces.push_back(reader.keyspace());
  }
  for (std::uint32_t left = reader.u32(); left > 0 && !reader.is_short(); --left) {
    edit.dropped_keyspaces.push_back(reader.u32());
  }
  for (auto* tables : {&edit.new_tables, &edit.removed_tables}) {
    for (std::uint32_t left = reader.u32(); left > 0 && !reader.is_short(); --left) {
      tables->push_back({.keyspace = reader.u32(), .table = reader.table()});
    }
  }
  return edit;
}

ManifestState read_all(Reader& reader) {
  ManifestState state;
  state.flushed_through = Lsn{reader.u64()};
  state.next_keyspace = reader.u32();
  state.next_table = reader.u64();
  for (std::uint32_t left = reader.u32(); left > 0 && !reader.is_short(); --left) {
    KeyspaceRecord keyspace = reader.keyspace();
    for (std::uint32_t tables = reader.u32(); tables > 0 && !reader.is_short(); --tables) {
      const TableRecord table = reader.table();
      keyspace.tables.emplace(table.id, table);
    }
    state.keyspaces.emplace(keyspace.id, std::move(keyspace));
  }
  return state;
}

}  // namespace

std::vector<std::byte> encode(const ManifestEdit& edit) {
  Writer writer(RecordKind::kEdit, version_for(edit));
  writer.u64(edit.flushed_through.value);
  writer.u32(static_cast<std::uint32_t>(edit.new_keyspaces.size()));
  for (const KeyspaceRecord& keyspace : edit.new_keyspaces) writer.keyspace(keyspace);
  writer.u32(static_cast<std::uint32_t>(edit.dropped_keyspaces.size()));
  for (const std::uint32_t id : edit.dropped_keyspaces) writer.u32(id);
  for (const auto* tables : {&edit.new_tables, &edit.removed_tables}) {
    writer.u32(static_cast<std::uint32_t>(tables->size()));
    for (const ManifestEdit::Table& table : *tables) {
      writer.u32(table.keyspace);
      writer.table(table.table);
    }
  }
  return writer.take();
}

std::vector<std::byte> encode(const ManifestState& state) {
  Writer writer(RecordKind::kAll, version_for(state));
  writer.u64(state.flushed_through.value);
  writer.u32(state.next_keyspace);
  writer.u64(state.next_table);
  writer.u32(static_cast<std::uint32_t>(state.keyspaces.size()));
  for (const auto& [id, keyspace] : state.keyspaces) {
    writer.keyspace(keyspace);
    writer.u32(static_cast<std::uint32_t>(keyspace.tables.size()));
    for (const auto& [table_id, table] : keyspace.tables) writer.table(table);
  }
  return writer.take();
}

bool says_everything(Bytes record) noexcept {
  return !record.empty() && record[0] == std::byte{static_cast<std::uint8_t>(RecordKind::kAll)};
}

std::optional<ManifestEdit> decode_edit(Bytes record) {
  Reader reader(record);
  const auto kind = static_cast<RecordKind>(reader.u8());
  const std::uint8_t version = reader.u8();
  if (kind != RecordKind::kEdit || version > kManifestFormatVersion) return {};
  reader.set_version(version);
  ManifestEdit edit = read_edit(reader);
  if (!reader.is_whole()) return {};
  return edit;
}

Status apply_record(Bytes record, ManifestState& state) {
  Reader reader(record);
  const auto kind = static_cast<RecordKind>(reader.u8());
  const std::uint8_t version = reader.u8();
  if (version > kManifestFormatVersion) {
    return Error(ErrorCode::kUnsupported,
                 fmt::format("the manifest has format version {}, and this library reads up to {}; "
                             "open the store with a newer one",
                             version, kManifestFormatVersion));
  }
  reader.set_version(version);
  if (kind == RecordKind::kEdit) {
    const ManifestEdit edit = read_edit(reader);
    if (reader.is_whole()) return apply(edit, state);
  } else if (kind == RecordKind::kAll) {
    ManifestState all = read_all(reader);
    if (reader.is_whole()) {
      state = std::move(all);
      return {};
    }
  }
  return Error(ErrorCode::kCorruption,
               "a record of the manifest is malformed, though its checksum holds; it was not "
               "written by this library");
}

}  // namespace nacre::store
