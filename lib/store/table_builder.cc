#include "lib/store/table_builder.h"

#include <fmt/format.h>

#include <cstring>
#include <string>
#include <utility>

#include "lib/base/assert.h"
#include "lib/base/try.h"
#include "lib/store/table_hash.h"

namespace nacre::store {
namespace {

/// A builder tells what memory it takes as often as this.
constexpr std::uint64_t kEntriesToTell = 1024;

Error invalid(std::string message) {
  return Error(ErrorCode::kInvalidArgument, std::move(message));
}

bool is_kind(EntryKind kind) noexcept {
  return kind >= EntryKind::kPut && kind <= EntryKind::kMerge;
}

/// A value may have the time at which it expires before it.
std::size_t max_value_bytes(EntryKind kind) noexcept {
  return kMaxValueBytes + (kind == EntryKind::kPutUntil ? sizeof(le64) : 0);
}

void append_bytes(std::vector<std::byte>& to, Bytes bytes) {
  to.insert(to.end(), bytes.begin(), bytes.end());
}

EntryHeader entry_header(const Entry& entry, bool older, std::uint64_t previous_bytes) noexcept {
  EntryHeader header;
  header.sequence = entry.sequence.value;
  header.shape = static_cast<std::uint32_t>(entry.key.size()) | (older ? kEntryOlderFlag : 0) |
                 static_cast<std::uint32_t>(entry.kind) << kEntryKindShift;
  header.value_bytes = static_cast<std::uint32_t>(entry.value.size());
  header.previous = static_cast<std::uint32_t>(previous_bytes / kEntryAlignment);
  return header;
}

}  // namespace

TableBuilder::TableBuilder(FileSystem& file_system, Options options)
    : file_system_(file_system),
      options_(std::move(options)),
      unfinished_(options_.directory / unfinished_table_file_name(options_.id)),
      sparse_index_(options_.comparator),
      memory_(options_.budget, MemoryBudget::Part::kBuilders) {
  info_.id = options_.id;
  info_.smallest_sequence = kNewest;
}

Result<std::unique_ptr<TableBuilder>> TableBuilder::create(FileSystem& file_system,
                                                           Options options) {
  NACRE_ASSERT(options.id != TableId{});
  std::unique_ptr<TableBuilder> builder(new TableBuilder(file_system, std::move(options)));
  auto sink = TableSink::create(file_system, builder->unfinished_);
  if (!sink) return builder->abandon(sink.error());
  builder->sink_ = *std::move(sink);
  return builder;
}

TableBuilder::~TableBuilder() {
  // What cannot be removed now is removed as an orphan when the store opens.
  if (!finished_) static_cast<void>(file_system_.remove(unfinished_));
}

Error TableBuilder::abandon(Error failure) {
  failure_ = failure;
  if (!finished_) static_cast<void>(file_system_.remove(unfinished_));
  finished_ = true;
  return failure;
}

Result<bool> TableBuilder::check(const Entry& entry) const {
  if (failure_) return *failure_;
  NACRE_ASSERT(!finished_);
  if (!is_kind(entry.kind)) {
    return invalid(fmt::format("there is no entry of kind {}", static_cast<unsigned>(entry.kind)));
  }
  if (entry.key.size() > kMaxKeyBytes || entry.value.size() > max_value_bytes(entry.kind)) {
    return invalid(
        fmt::format("a key has {} bytes at most and a value {}, and these have {} and "
                    "{}; split the value",
                    kMaxKeyBytes, kMaxValueBytes, entry.key.size(), entry.value.size()));
  }
  if (entry_bytes(entry.key.size(), entry.value.size()) > kMaxTableDataEnd - sink_->offset()) {
    return invalid("the table is full; finish it and begin another one");
  }
  if (info_.entries == 0) return false;
  const std::strong_ordering order = options_.comparator(last_key_, entry.key);
  // One batch may merge several operands into a key; they follow one another, the last one first.
  const bool same_batch = entry.sequence == last_sequence_ && last_kind_ == EntryKind::kMerge;
  if (order > 0 || (order == 0 && entry.sequence >= last_sequence_ && !same_batch)) {
    return invalid(
        "entries are added by key, and those of one key newest first; this one comes "
        "before the last or is the same");
  }
  return order == 0;
}

Status TableBuilder::add(const Entry& entry) {
  const bool older = NACRE_TRY(check(entry));
  const std::uint64_t offset = sink_->offset();
  if (Status appended = append(entry, older); !appended) return abandon(appended.error());
  if (!older) hash_index_.add({table_hash(entry.key)}, offset);
  sparse_index_.add(entry.key, offset);
  if (info_.entries == 0) widen(entry.key);
  widen(entry.sequence);
  ++info_.entries;
  info_.raw_bytes += entry.key.size() + entry.value.size();
  if (!older) last_key_.assign(entry.key.begin(), entry.key.end());
  last_sequence_ = entry.sequence;
  last_kind_ = entry.kind;
  last_entry_ = offset;
  if (info_.entries % kEntriesToTell == 0) memory_.set(memory_bytes());
  return {};
}

Status TableBuilder::append(const Entry& entry, bool older) {
  const std::uint64_t previous = info_.entries == 0 ? 0 : sink_->offset() - last_entry_;
  const EntryHeader header = entry_header(entry, older, previous);
  const std::size_t exact = sizeof header + entry.key.size() + entry.value.size();
  const std::size_t bytes = entry_bytes(entry.key.size(), entry.value.size());
  if (std::byte* at = sink_->claim(bytes)) {
    std::memcpy(at, &header, sizeof header);
    at += sizeof header;
    if (!entry.key.empty()) std::memcpy(at, entry.key.data(), entry.key.size());
    at += entry.key.size();
    if (!entry.value.empty()) std::memcpy(at, entry.value.data(), entry.value.size());
    std::memset(at + entry.value.size(), 0, bytes - exact);
    return {};
  }
  NACRE_TRY(sink_->append(std::as_bytes(std::span(&header, 1))));
  NACRE_TRY(sink_->append(entry.key));
  NACRE_TRY(sink_->append(entry.value));
  return sink_->pad_to(kEntryAlignment);
}

Status TableBuilder::add_range_removal(Bytes begin, Bytes end, Sequence sequence) {
  if (failure_) return *failure_;
  NACRE_ASSERT(!finished_);
  if (begin.size() > kMaxKeyBytes || end.size() > kMaxKeyBytes) {
    return invalid(fmt::format("a key has {} bytes at most, and these have {} and {}", kMaxKeyBytes,
                               begin.size(), end.size()));
  }
  if (options_.comparator(begin, end) >= 0) {
    return invalid("a range ends behind its beginning, and this one does not");
  }
  RemovalHeader header;
  header.sequence = sequence.value;
  header.begin_bytes = static_cast<std::uint32_t>(begin.size());
  header.end_bytes = static_cast<std::uint32_t>(end.size());
  if (sizeof header + begin.size() + end.size() > kMaxRemovalBytes - removals_.size()) {
    return invalid("the table has no room for more range removals; finish it and begin another");
  }
  append_bytes(removals_, std::as_bytes(std::span(&header, 1)));
  append_bytes(removals_, begin);
  append_bytes(removals_, end);
  widen(begin);
  ++info_.removals;
  widen(end);
  widen(sequence);
  return {};
}

void TableBuilder::widen(Bytes key) {
  const bool first = info_.entries == 0 && info_.removals == 0;
  if (first || options_.comparator(key, info_.smallest_key) < 0) {
    info_.smallest_key.assign(key.begin(), key.end());
  }
  if (first || options_.comparator(key, info_.largest_key) > 0) {
    info_.largest_key.assign(key.begin(), key.end());
  }
}

void TableBuilder::widen(Sequence sequence) noexcept {
  info_.smallest_sequence = std::min(info_.smallest_sequence, sequence);
  info_.largest_sequence = std::max(info_.largest_sequence, sequence);
}

Result<TableInfo> TableBuilder::finish() {
  if (failure_) return *failure_;
  NACRE_ASSERT(!finished_);
  if (info_.entries == 0 && info_.removals == 0) {
    return abandon(
        invalid("a table holds an entry or a range removal at least; nothing was "
                "added to this one"));
  }
  if (info_.entries > 0) widen(last_key_);
  info_.keys = hash_index_.keys();
  if (Status written = write_file(); !written) return abandon(written.error());
  finished_ = true;
  return std::move(info_);
}

Status TableBuilder::write_file() {
  TableHeader file_header = header();
  NACRE_TRY(write_areas(file_header));
  info_.file_bytes = sink_->offset();
  file_header.file_bytes = info_.file_bytes;
  // The content must be durable before the name points to it: a rename may reach the journal
  // before the data it names.
  NACRE_TRY(sink_->finish(file_header));
  return file_system_.rename(unfinished_, options_.directory / table_file_name(options_.id));
}

Status TableBuilder::write_areas(TableHeader& header) {
  const std::vector<le32> checksums = NACRE_TRY(sink_->end_data());
  header.checksums = NACRE_TRY(sink_->append_area(std::as_bytes(std::span(checksums))));
  const std::vector<IndexBucket> buckets = hash_index_.build();
  header.hash_index = NACRE_TRY(sink_->append_area(std::as_bytes(std::span(buckets))));
  header.points = sparse_index_.points();
  header.sparse_index = NACRE_TRY(sink_->append_area(sparse_index_.build()));
  header.range_removals = NACRE_TRY(sink_->append_area(removals_));
  const Bytes prefix = sparse_index_.prefix();
  std::vector<std::byte> names;
  append_bytes(names, as_bytes(options_.comparator.name()));
  append_bytes(names, prefix);
  append_bytes(names, info_.smallest_key);
  append_bytes(names, info_.largest_key);
  append_bytes(names, as_bytes(options_.owner.name));
  append_bytes(names, as_bytes(options_.owner.merge_operator));
  header.comparator_bytes = static_cast<std::uint32_t>(options_.comparator.name().size());
  header.prefix_bytes = static_cast<std::uint32_t>(prefix.size());
  header.names = NACRE_TRY(sink_->append_area(names));
  return {};
}

TableHeader TableBuilder::header() const noexcept {
  TableHeader header{};
  header.magic = kTableMagic;
  header.format_version = kTableFormatVersion;
  header.store_uuid = options_.store_uuid.bytes;
  header.table_id = options_.id.value;
  header.entries = info_.entries;
  header.keys = info_.keys;
  header.removals = info_.removals;
  header.smallest_sequence = info_.smallest_sequence.value;
  header.largest_sequence = info_.largest_sequence.value;
  header.raw_bytes = info_.raw_bytes;
  header.data_end = sink_->offset();
  header.last_entry = last_entry_;
  header.smallest_bytes = static_cast<std::uint32_t>(info_.smallest_key.size());
  header.largest_bytes = static_cast<std::uint32_t>(info_.largest_key.size());
  header.keyspace = options_.owner.keyspace;
  header.keyspace_name_bytes = static_cast<std::uint32_t>(options_.owner.name.size());
  header.merge_operator_bytes = static_cast<std::uint32_t>(options_.owner.merge_operator.size());
  return header;
}

}  // namespace nacre::store
