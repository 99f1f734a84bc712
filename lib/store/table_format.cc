#include "lib/store/table_format.h"

#include <fmt/format.h>

#include <charconv>
#include <cstring>
#include <span>

namespace nacre::store {
namespace {

constexpr std::string_view kSuffix = ".table";
constexpr std::string_view kUnfinishedSuffix = ".table.tmp";
constexpr std::size_t kIdDigits = 16;

TableId id_before(std::string_view name, std::string_view suffix) noexcept {
  if (name.size() != kIdDigits + suffix.size() || !name.ends_with(suffix)) return {};
  const std::string_view digits = name.substr(0, kIdDigits);
  if (digits.find_first_not_of("0123456789abcdef") != std::string_view::npos) return {};
  TableId id;
  std::from_chars(digits.data(), digits.data() + digits.size(), id.value, 16);
  return id;
}

std::uint32_t header_crc(Bytes bytes) noexcept {
  return table_crc(bytes.first(kTableHeaderBytes).subspan(offsetof(TableHeader, format_version)));
}

Error damaged_header(std::string what) {
  return Error(ErrorCode::kCorruption, fmt::format("{}; the file is damaged or not a table; "
                                                   "restore it from a copy, or run `nacre repair`",
                                                   what))
      .with_offset(0);
}

/// The areas follow one another from the data area to the end of the file, in whole cache lines.
bool areas_fill_file(const TableHeader& header) noexcept {
  const std::uint64_t data_end = header.data_end;
  std::uint64_t at = header.checksums.offset;
  if (data_end < kTableDataOffset || data_end > at || at - data_end >= kTableAlignment) {
    return false;
  }
  for (const TableArea* area : {&header.checksums, &header.hash_index, &header.sparse_index,
                                &header.range_removals, &header.names}) {
    const std::uint64_t bytes = area->bytes;
    if (area->offset != at || bytes > header.file_bytes - at) return false;
    if (at % kTableAlignment != 0) return false;
    at += bytes;
  }
  return at == header.file_bytes;
}

/// What the counts say must have room in its area.
bool counts_fit(const TableHeader& header) noexcept {
  const std::uint64_t data_bytes = header.checksums.offset - kTableDataOffset;
  const std::uint64_t blocks = (data_bytes + kTableBlockBytes - 1) / kTableBlockBytes;
  const std::uint64_t names = std::uint64_t{header.comparator_bytes} + header.prefix_bytes +
                              header.smallest_bytes + header.largest_bytes +
                              header.keyspace_name_bytes + header.merge_operator_bytes;
  const bool empty = header.entries == 0;
  const bool last_inside = header.last_entry >= kTableDataOffset &&
                           header.last_entry < header.data_end &&
                           header.last_entry % kEntryAlignment == 0;
  return blocks <= header.checksums.bytes / sizeof(le32) &&
         header.points <= header.sparse_index.bytes / (sizeof(le64) + sizeof(le32)) &&
         header.removals <= header.range_removals.bytes / sizeof(RemovalHeader) &&
         names <= header.names.bytes && header.data_end % kEntryAlignment == 0 &&
         header.data_end <= kMaxTableDataEnd && header.keys <= header.entries &&
         (empty ? header.data_end == kTableDataOffset
                : last_inside && header.hash_index.bytes > 0 && header.points > 0);
}

}  // namespace

std::string table_file_name(TableId id) { return fmt::format("{:016x}{}", id.value, kSuffix); }

std::string unfinished_table_file_name(TableId id) {
  return fmt::format("{:016x}{}", id.value, kUnfinishedSuffix);
}

TableId table_id_of(std::string_view name) noexcept { return id_before(name, kSuffix); }

TableId unfinished_table_id_of(std::string_view name) noexcept {
  return id_before(name, kUnfinishedSuffix);
}

std::array<std::byte, kTableHeaderBytes> encode_table_header(TableHeader header) noexcept {
  std::array<std::byte, kTableHeaderBytes> bytes{};
  std::memcpy(bytes.data(), &header, sizeof header);
  header.crc = header_crc(bytes);
  std::memcpy(bytes.data(), &header, sizeof header);
  return bytes;
}

Result<TableHeader> decode_table_header(Bytes bytes, std::uint64_t file_bytes) {
  if (bytes.size() < kTableHeaderBytes) {
    return damaged_header(
        fmt::format("the table is cut short: {} bytes, less than its header", bytes.size()));
  }
  TableHeader header;
  std::memcpy(&header, bytes.data(), sizeof header);
  if (header.magic != kTableMagic) return damaged_header("wrong magic number");
  if (header.crc != header_crc(bytes)) {
    return damaged_header("the checksum of the header does not match");
  }
  if (header.format_version > kTableFormatVersion) {
    return Error(ErrorCode::kUnsupported,
                 fmt::format("format version {} of this table is newer than this library's {}; "
                             "open it with a newer nacre",
                             std::uint32_t{header.format_version}, kTableFormatVersion));
  }
  if (header.file_bytes != file_bytes) {
    return damaged_header(fmt::format("the file has {} bytes where its header says {}", file_bytes,
                                      std::uint64_t{header.file_bytes}));
  }
  if (!areas_fill_file(header) || !counts_fit(header)) {
    return damaged_header("the parts of the table do not add up to the file");
  }
  return header;
}

Error damaged_table(const std::filesystem::path& path, std::uint64_t offset,
                    std::string_view what) {
  return Error(ErrorCode::kCorruption,
               fmt::format("the table is damaged: {}; nothing was changed; restore it from a copy, "
                           "or run `nacre repair`",
                           what))
      .with_path(path.string())
      .with_offset(offset);
}

}  // namespace nacre::store
