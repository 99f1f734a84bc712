#pragma once

// The bytes of a hot table: a sorted, immutable file of entries with a hash index for points and a
// sparse index for ranges. Implements docs/format/table.md.

#include <array>
#include <compare>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <string>
#include <string_view>
#include <type_traits>

#include "lib/base/endian.h"
#include "lib/codec/crc32c.h"
#include "lib/store/entry.h"
#include "nacre/result.h"
#include "nacre/types.h"

namespace nacre::store {

/// The number of a table file within its directory. 0 is "none".
struct TableId {
  std::uint64_t value = 0;
  friend auto operator<=>(const TableId&, const TableId&) = default;
};

/// Of a store, beside its segments.
inline constexpr std::string_view kTableDirectoryName = "tables";

/// "0000000000000001.table".
std::string table_file_name(TableId id);
/// The id in a table's file name, or 0 when `name` is not one.
TableId table_id_of(std::string_view name) noexcept;
/// The id in the name of a table in the making, or 0 when `name` is not one. Such a file that
/// nobody is building was left by a crash, and may be removed.
TableId unfinished_table_id_of(std::string_view name) noexcept;
/// The name of a table in the making.
std::string unfinished_table_file_name(TableId id);

inline constexpr std::uint32_t kTableFormatVersion = 2;
/// Since then a table says whose it is.
inline constexpr std::uint32_t kTableOwnerVersion = 2;
inline constexpr std::array<char, 8> kTableMagic = {'N', 'A', 'C', 'R', 'E', 'T', 'B', 'L'};
inline constexpr std::size_t kTableHeaderBytes = 4096;
/// Entries begin here.
inline constexpr std::uint64_t kTableDataOffset = kTableHeaderBytes;
/// Areas begin and end at multiples of a cache line.
inline constexpr std::size_t kTableAlignment = 64;
/// Entries begin at multiples of this, and references to them count in it.
inline constexpr std::size_t kEntryAlignment = 8;
/// Each block of the data area has a checksum, verified at its first reading.
inline constexpr std::size_t kTableBlockBytes = std::size_t{64} << 10;
/// What a 32-bit reference reaches: no entry begins behind it.
inline constexpr std::uint64_t kMaxTableDataEnd = std::uint64_t{kEntryAlignment} << 32;

struct EntryHeader {
  le64 sequence;
  le32 shape;  ///< Bits 0 to 16: bytes of the key. Bit 23: older. Bits 24 to 31: the kind.
  le32 value_bytes;
  le32 previous;  ///< Distance to the entry before, in 8 bytes; 0 in the first.
};
static_assert(sizeof(EntryHeader) == 20 && alignof(EntryHeader) == 1);
static_assert(offsetof(EntryHeader, shape) == 8 && offsetof(EntryHeader, previous) == 16);
static_assert(std::is_trivially_copyable_v<EntryHeader>);

inline constexpr std::uint32_t kEntryKeyBytesMask = (1U << 17) - 1;
/// The entry before this one is of the same key.
inline constexpr std::uint32_t kEntryOlderFlag = 1U << 23;
inline constexpr unsigned kEntryKindShift = 24;
static_assert(kMaxKeyBytes <= kEntryKeyBytesMask);

/// Bytes of an entry, up to the beginning of the next.
constexpr std::uint64_t entry_bytes(std::uint64_t key_bytes, std::uint64_t value_bytes) noexcept {
  return (sizeof(EntryHeader) + key_bytes + value_bytes + kEntryAlignment - 1) &
         ~std::uint64_t{kEntryAlignment - 1};
}

/// One cache line of the hash index.
struct IndexBucket {
  static constexpr std::size_t kSlots = 10;
  std::array<le16, kSlots> fingerprint;
  std::array<le32, kSlots> entry;  ///< In 8 bytes from the beginning of the file; 0: empty.
  le32 passed;                     ///< A bit for each hash that found this bucket full.
};
static_assert(sizeof(IndexBucket) == kTableAlignment && alignof(IndexBucket) == 1);
static_assert(offsetof(IndexBucket, entry) == 20 && offsetof(IndexBucket, passed) == 60);
static_assert(std::is_trivially_copyable_v<IndexBucket>);

/// A part of the file with a checksum of its own.
struct TableArea {
  le64 offset;
  le64 bytes;  ///< With the zeros that fill its last cache line.
  le32 crc;
  le32 reserved;
};
static_assert(sizeof(TableArea) == 24 && std::is_trivially_copyable_v<TableArea>);

struct TableHeader {
  std::array<char, 8> magic;
  le32 crc;  ///< CRC32C of the bytes behind it, up to kTableHeaderBytes.
  le32 format_version;
  std::array<std::uint8_t, 16> store_uuid;
  le64 table_id;
  le64 file_bytes;
  le64 entries;
  le64 keys;
  le64 removals;
  le64 points;  ///< Of the sparse index.
  le64 smallest_sequence;
  le64 largest_sequence;
  le64 raw_bytes;   ///< Of all keys and values.
  le64 data_end;    ///< One past the last entry.
  le64 last_entry;  ///< Where it begins; 0 without entries.
  le32 comparator_bytes;
  le32 prefix_bytes;
  le32 smallest_bytes;
  le32 largest_bytes;
  TableArea checksums;
  TableArea hash_index;
  TableArea sparse_index;
  TableArea range_removals;
  TableArea names;  ///< What comparator_bytes to largest_bytes, and then these say, in this order.
  le32 keyspace;    ///< Its id.
  le32 keyspace_name_bytes;
  le32 merge_operator_bytes;
  le32 reserved;
};
static_assert(sizeof(TableHeader) == 272 && alignof(TableHeader) == 1);
static_assert(offsetof(TableHeader, crc) == 8 && offsetof(TableHeader, format_version) == 12);
static_assert(offsetof(TableHeader, comparator_bytes) == 120);
static_assert(offsetof(TableHeader, checksums) == 136 && offsetof(TableHeader, keyspace) == 256);
static_assert(std::is_trivially_copyable_v<TableHeader>);
static_assert(sizeof(TableHeader) <= kTableHeaderBytes);

/// In front of the two keys of a range removal.
struct RemovalHeader {
  le64 sequence;
  le32 begin_bytes;
  le32 end_bytes;
};
static_assert(sizeof(RemovalHeader) == 16 && std::is_trivially_copyable_v<RemovalHeader>);

/// The checksum of a block or an area.
inline std::uint32_t table_crc(Bytes bytes) noexcept { return ~crc32c(~0U, bytes); }

/// The first kTableHeaderBytes of a file, checksum filled in.
std::array<std::byte, kTableHeaderBytes> encode_table_header(TableHeader header) noexcept;

/// `bytes` is the beginning of a file of `file_bytes` bytes. Checks what can be without the rest of
/// it: magic, checksum, version, and that the areas fill the file.
/// Errors: `corruption`, `unsupported` (newer format). Without a path; the caller adds it.
Result<TableHeader> decode_table_header(Bytes bytes, std::uint64_t file_bytes);

/// `corruption`: `what` is wrong with the table `path`, at `offset`, and what to do.
Error damaged_table(const std::filesystem::path& path, std::uint64_t offset, std::string_view what);

}  // namespace nacre::store
