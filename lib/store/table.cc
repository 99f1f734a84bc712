#include "lib/store/table.h"

#include <fmt/format.h>

#include <array>
#include <cstring>
#include <string_view>

#include "lib/base/try.h"
#include "lib/store/table_cursor.h"

namespace nacre::store {
namespace {

/// So many versions of a key are walked over one by one; more are searched for.
constexpr int kWalkedVersions = 16;

bool same_bytes(Bytes a, Bytes b) noexcept {
  return a.size() == b.size() && (a.empty() || std::memcmp(a.data(), b.data(), a.size()) == 0);
}

std::vector<std::byte> copy_of(Bytes bytes) { return {bytes.begin(), bytes.end()}; }

Result<TableHeader> read_header(const FileView& view, const std::filesystem::path& path) {
  std::array<std::byte, kTableHeaderBytes> copy{};
  const Bytes bytes = view.bytes();
  const std::size_t there = std::min(bytes.size(), copy.size());
  const std::byte* fault = pmem::catch_media_fault(
      bytes, [&]() noexcept { std::memcpy(copy.data(), bytes.data(), there); });
  if (fault != nullptr) {
    return Error(ErrorCode::kIo,
                 "the header of the table cannot be read (a bad block, or the file "
                 "was cut short); restore it from a copy")
        .with_path(path.string())
        .with_offset(static_cast<std::uint64_t>(fault - bytes.data()));
  }
  auto header = decode_table_header(Bytes(copy).first(there), bytes.size());
  if (!header) return std::move(header).error().with_path(path.string());
  return header;
}

}  // namespace

struct Table::Lookup {
  Bytes key;
  std::uint64_t hash;
  Sequence at;
  EntryRead read = {};
  bool found = false;  // `read` is the answer.
  bool many = false;   // The key has too many versions to walk over.
  ReadProblem problem = {};
};

Result<std::shared_ptr<const Table>> Table::open(FileSystem& file_system, const Options& options) {
  return std::shared_ptr<const Table>(NACRE_TRY(open_apart(file_system, options)));
}

Result<std::shared_ptr<Table>> Table::open_apart(FileSystem& file_system, const Options& options) {
  std::filesystem::path path = options.directory / table_file_name(options.id);
  const FileStat stat = NACRE_TRY(file_system.stat(path));
  if (stat.bytes < kTableHeaderBytes) {
    return damaged_table(
        path, 0, fmt::format("it is cut short: {} bytes, less than its header", stat.bytes));
  }
  auto view = NACRE_TRY(FileView::open(file_system, path, stat.bytes, options.access));
  const TableHeader header = NACRE_TRY(read_header(*view, path));
  std::shared_ptr<Table> table(new Table(std::move(path), std::move(view), header, options));
  NACRE_TRY(table->load(options));
  if (options.since > Sequence{}) table->date(options.since);
  return table;
}

void Table::date(Sequence since) noexcept {
  since_ = since;
  data_.date(since.value);
  info_.smallest_sequence = std::max(info_.smallest_sequence, since);
  info_.largest_sequence = std::max(info_.largest_sequence, since);
}

Table::Table(std::filesystem::path path, std::shared_ptr<const FileView> view,
             const TableHeader& header, const Options& options)
    : path_(std::move(path)),
      view_(std::move(view)),
      header_(header),
      comparator_(options.comparator),
      data_(view_->bytes(), header),
      hash_index_(area(header.hash_index)),
      sparse_index_(area(header.sparse_index), header.points) {}

Status Table::load(const Options& options) {
  expect_reading(view_->bytes().subspan(header_.checksums.offset));
  ReadProblem problem;
  bool good = false;
  NACRE_TRY(look([&]() noexcept { good = verify_areas(problem); }));
  if (!good) return damaged(problem);
  if (header_.store_uuid != options.store_uuid.bytes || header_.table_id != options.id.value) {
    Uuid uuid;
    uuid.bytes = header_.store_uuid;
    return damaged_table(path_, 0,
                         fmt::format("it is table {} of store {}, and table {} of store {} is "
                                     "expected here",
                                     std::uint64_t{header_.table_id}, uuid.to_string(),
                                     options.id.value, options.store_uuid.to_string()));
  }
  NACRE_TRY(check_names(options));
  if (!read_removals(problem)) return damaged(problem);
  return {};
}

bool Table::verify_areas(ReadProblem& problem) const noexcept {
  for (const TableArea* part : {&header_.checksums, &header_.hash_index, &header_.sparse_index,
                                &header_.range_removals, &header_.names}) {
    if (table_crc(area(*part)) != part->crc) {
      problem = {ReadFault::kChecksum, part->offset};
      return false;
    }
  }
  return true;
}

Status Table::check_names(const Options& options) {
  Bytes left = area(header_.names);
  const auto take = [&left](std::size_t bytes) {
    const Bytes taken = left.first(bytes);
    left = left.subspan(bytes);
    return taken;
  };
  const std::string_view name = as_text(take(header_.comparator_bytes));
  if (name != options.comparator.name()) {
    return Error(ErrorCode::kInvalidArgument,
                 fmt::format("the keys of this table are sorted by the comparator \"{}\", and it "
                             "was opened with \"{}\"; open it with the first",
                             name, options.comparator.name()))
        .with_path(path_.string());
  }
  prefix_ = take(header_.prefix_bytes);
  info_ = {.id = options.id,
           .file_bytes = header_.file_bytes,
           .entries = header_.entries,
           .keys = header_.keys,
           .removals = header_.removals,
           .raw_bytes = header_.raw_bytes,
           .smallest_key = copy_of(take(header_.smallest_bytes)),
           .largest_key = copy_of(take(header_.largest_bytes)),
           .smallest_sequence = {header_.smallest_sequence},
           .largest_sequence = {header_.largest_sequence}};
  return {};
}

bool Table::read_removals(ReadProblem& problem) {
  Bytes left = area(header_.range_removals);
  removals_.reserve(header_.removals);
  for (std::uint64_t i = 0; i < header_.removals; ++i) {
    RemovalHeader header{};
    if (left.size() >= sizeof header) std::memcpy(&header, left.data(), sizeof header);
    const std::uint64_t keys = std::uint64_t{header.begin_bytes} + header.end_bytes;
    if (left.size() < sizeof header || keys > left.size() - sizeof header) {
      problem = {ReadFault::kShape, header_.range_removals.offset};
      return false;
    }
    const Bytes both = left.subspan(sizeof header, keys);
    removals_.push_back({.begin = both.first(header.begin_bytes),
                         .end = both.subspan(header.begin_bytes),
                         .sequence = {header.sequence}});
    left = left.subspan(sizeof header + keys);
  }
  return true;
}

Result<std::optional<Entry>> Table::find(Bytes key, std::uint64_t hash, Sequence at) const {
  Lookup lookup{.key = key, .hash = hash, .at = at};
  NACRE_TRY(look([&]() noexcept { look_up(lookup); }));
  if (lookup.found) [[likely]]
    return std::optional(lookup.read.entry());
  if (lookup.problem.fault != ReadFault::kNone) return damaged(lookup.problem);
  if (lookup.many) return find_version(key, at);
  return std::optional<Entry>();
}

void Table::look_up(Lookup& lookup) const noexcept {
  hash_index_.find({lookup.hash}, [&](std::uint64_t offset) noexcept {
    data_.prefetch_key(offset, lookup.key.size());
    if (!data_.read(offset, lookup.read, lookup.problem)) return true;
    if (!same_bytes(lookup.read.key(), lookup.key)) return false;
    if (lookup.read.sequence <= lookup.at.value) [[likely]] {
      lookup.found = true;
    } else {
      walk_versions(lookup);
    }
    return true;
  });
}

void Table::walk_versions(Lookup& lookup) const noexcept {
  for (int walked = 0; walked < kWalkedVersions; ++walked) {
    if (lookup.read.next() == data_.end()) return;
    if (!data_.read(lookup.read.next(), lookup.read, lookup.problem)) return;
    if (!lookup.read.older()) return;
    if (lookup.read.sequence <= lookup.at.value) {
      lookup.found = true;
      return;
    }
  }
  lookup.many = true;
}

Result<std::optional<Entry>> Table::find_version(Bytes key, Sequence at) const {
  TableCursor cursor(*this);
  NACRE_TRY(cursor.seek(key, at));
  if (!cursor.valid()) return std::optional<Entry>();
  bool same = false;
  NACRE_TRY(look([&]() noexcept { same = same_bytes(cursor.entry().key, key); }));
  return same ? std::optional(cursor.entry()) : std::nullopt;
}

void Table::prefetch_entries(std::span<const std::uint64_t> hashes) const noexcept {
  // A fault ends the prefetching; the `find` that meets it again says so.
  static_cast<void>(pmem::catch_media_fault(view_->bytes(), [&]() noexcept {
    for (const std::uint64_t hash : hashes) {
      hash_index_.find({hash}, [&](std::uint64_t offset) noexcept {
        data_.touch(offset);
        return true;
      });
    }
  }));
}

Result<std::uint64_t> Table::approximate_bytes(Bytes begin, Bytes end) const {
  TableCursor cursor(*this);
  const std::uint64_t first = NACRE_TRY(cursor.place_of(begin));
  const std::uint64_t last = NACRE_TRY(cursor.place_of(end));
  return last > first ? last - first : 0;
}

Status Table::verify() const {
  ReadProblem problem;
  bool good = false;
  NACRE_TRY(look([&]() noexcept {
    good = verify_areas(problem);
    for (std::uint64_t block = 0; good && block < data_.blocks(); ++block) {
      good = data_.verify_block(block, problem);
    }
  }));
  if (!good) return damaged(problem);
  // The header was good at open; its page may have rotted since.
  static_cast<void>(NACRE_TRY(read_header(*view_, path_)));
  return {};
}

Error Table::damaged(const ReadProblem& problem) const {
  return damaged_table(path_, problem.offset,
                       problem.fault == ReadFault::kChecksum
                           ? "the checksum does not match"
                           : "there is no entry where one must be");
}

Error Table::unreadable(const std::byte* fault) const {
  return Error(ErrorCode::kIo,
               "the media cannot be read here (a bad block, or the file was cut short); nothing "
               "was changed; restore the table from a copy")
      .with_path(path_.string())
      .with_offset(static_cast<std::uint64_t>(fault - view_->bytes().data()));
}

std::size_t Table::memory_bytes() const noexcept {
  return sizeof *this + (data_.blocks() + 63) / 64 * sizeof(std::uint64_t) +
         removals_.capacity() * sizeof(RangeRemoval) + info_.smallest_key.capacity() +
         info_.largest_key.capacity() + path_.native().capacity();
}

}  // namespace nacre::store
