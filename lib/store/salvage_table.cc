#include "lib/store/salvage_table.h"

#include <algorithm>
#include <cstring>
#include <memory>
#include <optional>
#include <utility>

#include "lib/base/try.h"
#include "mmap/file_view.h"
#include "nacre/store.h"
#include "pmem/media_guard.h"

namespace nacre::store {
namespace {

/// Copies `from`, a part of `file`; false where the media cannot be read.
bool copy_guarded(Bytes file, Bytes from, std::byte* to) {
  return pmem::catch_media_fault(file, [&]() noexcept {
           if (!from.empty()) std::memcpy(to, from.data(), from.size());
         }) == nullptr;
}

class Salvage {
 public:
  Salvage(const std::filesystem::path& path, Bytes file, TableBuilder& to,
          std::vector<RepairLoss>& losses)
      : path_(path), file_(file), to_(to), losses_(losses) {}

  Result<SalvagedTable> run() {
    if (!read_header()) {
      lose(0, file_.size(), "its header is damaged, so that no checksum can be found");
      return saved_;
    }
    check_blocks();
    find_places();
    for (std::size_t first = 0; first < good_.size();) {
      std::size_t end = first;
      while (end < good_.size() && good_[end] == good_[first]) ++end;
      if (good_[first]) {
        NACRE_TRY(take_run(begin_of(first), std::min(begin_of(end), data_end_)));
      } else {
        lose(begin_of(first), std::min(begin_of(end), data_end_) - begin_of(first),
             "the checksum does not match; an entry that reaches into this is lost with it");
      }
      first = end;
    }
    NACRE_TRY(take_removals());
    return saved_;
  }

 private:
  static std::uint64_t begin_of(std::size_t block) noexcept {
    return kTableDataOffset + block * kTableBlockBytes;
  }
  void lose(std::uint64_t offset, std::uint64_t bytes, std::string what) {
    losses_.push_back(
        {.path = path_.string(), .offset = offset, .bytes = bytes, .what = std::move(what)});
  }

  std::optional<std::vector<std::byte>> read_area(const TableArea& area) const {
    const std::uint64_t offset = area.offset;
    const std::uint64_t bytes = area.bytes;
    if (offset > file_.size() || bytes > file_.size() - offset) return {};
    std::vector<std::byte> copy(bytes);
    if (!copy_guarded(file_, file_.subspan(offset, bytes), copy.data())) return {};
    if (table_crc(copy) != area.crc) return {};
    return copy;
  }

  /// A header whose checksum does not hold may be right all the same where it says where the
  /// checksums of the blocks are: they have a checksum themselves.
  bool read_header() {
    std::vector<std::byte> bytes(kTableHeaderBytes);
    if (file_.size() < bytes.size()) return false;
    if (!copy_guarded(file_, file_.first(bytes.size()), bytes.data())) return false;
    std::memcpy(&header_, bytes.data(), sizeof header_);
    const auto checksums = read_area(header_.checksums);
    const bool is_good = decode_table_header(bytes, file_.size()).has_value();
    if (!is_good) lose(0, bytes.size(), "the header's checksum does not match");
    const std::uint64_t area = header_.checksums.offset;
    if (area < kTableDataOffset || (!is_good && !checksums)) return false;
    const std::uint64_t blocks =
        (area - kTableDataOffset + kTableBlockBytes - 1) / kTableBlockBytes;
    block_crcs_.resize(blocks);
    if (blocks * sizeof(le32) > header_.checksums.bytes || area > file_.size() ||
        header_.checksums.bytes > file_.size() - area) {
      return false;
    }
    // Where their own checksum does not hold, those that match their blocks are good enough.
    if (!checksums) lose(area, header_.checksums.bytes, "the checksums of blocks are damaged");
    if (!copy_guarded(file_, file_.subspan(area, blocks * sizeof(le32)),
                      reinterpret_cast<std::byte*>(block_crcs_.data()))) {
      return false;
    }
    area_end_ = area;
    const std::uint64_t end = header_.data_end;
    data_end_ = end <= area && area - end < kTableAlignment ? end : area;
    return true;
  }

  void check_blocks() {
    for (std::size_t block = 0; block < block_crcs_.size(); ++block) {
      const std::uint64_t begin = begin_of(block);
      const Bytes bytes =
          file_.subspan(begin, std::min<std::uint64_t>(kTableBlockBytes, area_end_ - begin));
      std::uint32_t crc = 0;
      const bool readable =
          pmem::catch_media_fault(file_, [&]() noexcept { crc = table_crc(bytes); }) == nullptr;
      good_.push_back(readable && crc == block_crcs_[block]);
    }
  }

  void add_place(std::uint32_t reference) {
    if (reference != 0) places_.push_back(std::uint64_t{reference} * kEntryAlignment);
  }

  /// Where entries begin: what the indexes know of it.
  void find_places() {
    if (const auto sparse = read_area(header_.sparse_index)) {
      const std::uint64_t points = header_.points;
      if (points <= sparse->size() / (sizeof(le64) + sizeof(le32))) {
        for (std::uint64_t i = 0; i < points; ++i) {
          le32 reference;
          std::memcpy(&reference, sparse->data() + points * sizeof(le64) + i * sizeof reference,
                      sizeof reference);
          add_place(reference);
        }
      }
    } else {
      lose(header_.sparse_index.offset, header_.sparse_index.bytes, "an index is damaged");
    }
    if (const auto hashes = read_area(header_.hash_index)) {
      for (std::size_t at = 0; at + sizeof(IndexBucket) <= hashes->size();
           at += sizeof(IndexBucket)) {
        IndexBucket bucket;
        std::memcpy(&bucket, hashes->data() + at, sizeof bucket);
        for (const le32& reference : bucket.entry) add_place(reference);
      }
    } else {
      lose(header_.hash_index.offset, header_.hash_index.bytes, "an index is damaged");
    }
    std::ranges::sort(places_);
  }

  /// The header of the entry at `at`, if one can be there that ends before `end`.
  bool read_entry(std::uint64_t at, std::uint64_t end, EntryHeader& entry) const {
    if (at > end || end - at < sizeof entry) return false;
    if (!copy_guarded(file_, file_.subspan(at, sizeof entry),
                      reinterpret_cast<std::byte*>(&entry))) {
      return false;
    }
    const std::uint32_t kind = entry.shape >> kEntryKindShift;
    const bool is_known = kind >= static_cast<std::uint32_t>(EntryKind::kPut) &&
                          kind <= static_cast<std::uint32_t>(EntryKind::kMerge);
    return is_known && bytes_of(entry) <= end - at;
  }
  static std::uint64_t key_bytes(const EntryHeader& entry) noexcept {
    return entry.shape & kEntryKeyBytesMask;
  }
  static std::uint64_t bytes_of(const EntryHeader& entry) noexcept {
    return entry_bytes(key_bytes(entry), entry.value_bytes);
  }

  /// The first entry that begins in [begin, end), whose blocks are good.
  std::optional<std::uint64_t> first_in(std::uint64_t begin, std::uint64_t end) const {
    if (begin == kTableDataOffset) return begin;
    const auto known = std::ranges::lower_bound(places_, begin);
    if (known == places_.end() || *known >= end) return {};
    std::uint64_t at = *known;
    // Its header may say how far before it another one begins.
    for (EntryHeader entry; end - at >= sizeof entry;) {
      if (!copy_guarded(file_, file_.subspan(at, sizeof entry),
                        reinterpret_cast<std::byte*>(&entry))) {
        break;
      }
      const std::uint64_t back = std::uint64_t{entry.previous} * kEntryAlignment;
      if (back == 0 || back > at - begin) break;
      at -= back;
    }
    return at;
  }

  Status take_run(std::uint64_t begin, std::uint64_t end) {
    const auto first = first_in(begin, end);
    if (!first) {
      if (begin < end) lose(begin, end - begin, "nothing tells where an entry begins here");
      return {};
    }
    EntryHeader entry;
    for (std::uint64_t at = *first; read_entry(at, end, entry); at += bytes_of(entry)) {
      const std::uint64_t bytes = key_bytes(entry) + entry.value_bytes;
      copy_.resize(bytes);
      if (!copy_guarded(file_, file_.subspan(at + sizeof entry, bytes), copy_.data())) break;
      const Status added = to_.add({.key = Bytes(copy_).first(key_bytes(entry)),
                                    .sequence = {entry.sequence},
                                    .kind = static_cast<EntryKind>(entry.shape >> kEntryKindShift),
                                    .value = Bytes(copy_).subspan(key_bytes(entry))});
      if (added) {
        ++saved_.entries;
      } else if (added.error().code() == ErrorCode::kInvalidArgument) {
        lose(at, bytes_of(entry), "there is no entry where one must be");
      } else {
        return added;
      }
    }
    return {};
  }

  Status take_removals() {
    if (header_.removals == 0) return {};
    const auto area = read_area(header_.range_removals);
    Bytes left = area ? Bytes(*area) : Bytes();
    for (std::uint64_t i = 0; i < header_.removals; ++i) {
      RemovalHeader removal{};
      if (left.size() >= sizeof removal) std::memcpy(&removal, left.data(), sizeof removal);
      const std::uint64_t begin = removal.begin_bytes;
      const std::uint64_t end = removal.end_bytes;
      if (left.size() < sizeof removal || begin + end > left.size() - sizeof removal) {
        lose(header_.range_removals.offset, header_.range_removals.bytes,
             "range removals are damaged: what they removed may be back");
        return {};
      }
      NACRE_TRY(to_.add_range_removal(left.subspan(sizeof removal, begin),
                                      left.subspan(sizeof removal + begin, end),
                                      {removal.sequence}));
      ++saved_.removals;
      left = left.subspan(sizeof removal + begin + end);
    }
    return {};
  }

  const std::filesystem::path& path_;
  const Bytes file_;
  TableBuilder& to_;
  std::vector<RepairLoss>& losses_;
  TableHeader header_{};
  std::uint64_t data_end_ = 0;
  std::uint64_t area_end_ = 0;
  std::vector<le32> block_crcs_;
  std::vector<bool> good_;  // Of each block.
  std::vector<std::uint64_t> places_;
  std::vector<std::byte> copy_;
  SalvagedTable saved_;
};

}  // namespace

Result<SalvagedTable> salvage_table(FileSystem& file_system, const std::filesystem::path& path,
                                    TableBuilder& to, std::vector<RepairLoss>& losses) {
  const auto lose_all = [&](std::uint64_t bytes, const Error& error) {
    losses.push_back({.path = path.string(), .bytes = bytes, .what = error.message()});
    return SalvagedTable();
  };
  const auto stat = file_system.stat(path);
  if (!stat) return lose_all(0, stat.error());
  const auto view = FileView::open(file_system, path, stat->bytes, ViewAccess::kOnDemand);
  if (!view) return lose_all(stat->bytes, view.error());
  return Salvage(path, (*view)->bytes(), to, losses).run();
}

}  // namespace nacre::store
