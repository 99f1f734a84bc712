#include "lib/log/catalog.h"

#include <fmt/format.h>

#include <algorithm>
#include <cctype>
#include <cstring>

#include "lib/base/endian.h"
#include "lib/base/try.h"
#include "lib/io/checked_file.h"

namespace nacre {
namespace {

struct CatalogHeader {
  CheckedHeader common;
  le32 count;
  le32 reserved;
};
static_assert(sizeof(CatalogHeader) == 40 && alignof(CatalogHeader) == 1);
static_assert(std::is_trivially_copyable_v<CatalogHeader>);

/// Followed by the name, without terminator or padding.
struct CatalogEntry {
  le32 first_lane;
  le32 partitions;
  le16 name_bytes;
  le16 reserved;
};
static_assert(sizeof(CatalogEntry) == 12 && alignof(CatalogEntry) == 1);
static_assert(std::is_trivially_copyable_v<CatalogEntry>);

constexpr CheckedFileKind kFileKind = {.magic = {'N', 'A', 'C', 'R', 'E', 'C', 'A', 'T'},
                                       .format_version = kCatalogFormatVersion,
                                       .name = "catalog",
                                       .least_bytes = sizeof(CatalogHeader),
                                       .limit_bytes = kMaxCatalogBytes};

bool name_character(char c) noexcept {
  return std::isalnum(static_cast<unsigned char>(c)) != 0 || c == '.' || c == '_' || c == '-';
}

/// Reads the entries; false when they do not add up.
bool decode_entries(Bytes bytes, std::uint32_t count, Catalog& catalog) {
  for (std::uint32_t i = 0; i < count; ++i) {
    CatalogEntry entry;
    if (bytes.size() < sizeof entry) return false;
    std::memcpy(&entry, bytes.data(), sizeof entry);
    bytes = bytes.subspan(sizeof entry);
    if (bytes.size() < entry.name_bytes || entry.partitions == 0) return false;
    CatalogTopic topic{.name = std::string(as_text(bytes.first(entry.name_bytes))),
                       .first_lane = entry.first_lane,
                       .partitions = entry.partitions};
    if (topic.first_lane != catalog.next_lane()) return false;
    catalog.topics.push_back(std::move(topic));
    bytes = bytes.subspan(entry.name_bytes);
  }
  return bytes.empty();
}

}  // namespace

const CatalogTopic* Catalog::find(std::string_view name) const noexcept {
  const auto found = std::ranges::find(topics, name, &CatalogTopic::name);
  return found == topics.end() ? nullptr : &*found;
}

std::uint32_t Catalog::next_lane() const noexcept {
  return topics.empty() ? 0 : topics.back().first_lane + topics.back().partitions;
}

Status check_topic_name(std::string_view name) {
  const bool good = !name.empty() && name.size() <= kMaxTopicNameBytes && name.front() != '.' &&
                    std::ranges::all_of(name, name_character);
  if (good) return {};
  return Error(ErrorCode::kInvalidArgument,
               fmt::format("\"{}\" cannot name a topic; use 1 to {} of A-Z a-z 0-9 . _ -, not "
                           "beginning with a dot",
                           name.substr(0, kMaxTopicNameBytes), kMaxTopicNameBytes));
}

Result<Catalog> read_catalog(FileSystem& file_system, const std::filesystem::path& directory,
                             const Uuid& log_uuid) {
  const std::filesystem::path path = directory / kCatalogName;
  const auto content = NACRE_TRY(read_checked_file(file_system, path, kFileKind));
  CatalogHeader header;
  std::memcpy(&header, content.data(), sizeof header);
  if (header.common.log_uuid != log_uuid.bytes) {
    return damaged_file(path, kFileKind, "it belongs to another log");
  }
  Catalog catalog;
  if (!decode_entries(Bytes(content).subspan(sizeof header), header.count, catalog)) {
    return damaged_file(path, kFileKind, "its entries do not add up");
  }
  return catalog;
}

Status check_no_topics(FileSystem& file_system, const std::filesystem::path& directory) {
  const std::filesystem::path path = directory / kCatalogName;
  const auto content = read_checked_file(file_system, path, kFileKind);
  // Whatever else is wrong with it, it will be replaced.
  if (!content || content->size() == sizeof(CatalogHeader)) return {};
  return Error(ErrorCode::kCorruption,
               "there is a catalog with topics here but no superblock: the file SUPERBLOCK has "
               "been lost; restore it from a copy")
      .with_path(directory.string());
}

Status write_catalog(FileSystem& file_system, const std::filesystem::path& directory,
                     const Uuid& log_uuid, const Catalog& catalog) {
  std::vector<std::byte> content(sizeof(CatalogHeader));
  for (const CatalogTopic& topic : catalog.topics) {
    CatalogEntry entry{};
    entry.first_lane = topic.first_lane;
    entry.partitions = topic.partitions;
    entry.name_bytes = static_cast<std::uint16_t>(topic.name.size());
    const Bytes fixed = std::as_bytes(std::span(&entry, 1));
    const Bytes name = as_bytes(topic.name);
    content.insert(content.end(), fixed.begin(), fixed.end());
    content.insert(content.end(), name.begin(), name.end());
  }
  if (content.size() > kMaxCatalogBytes) {
    return Error(ErrorCode::kInvalidArgument,
                 fmt::format("the catalog would have {} bytes, and holds at most {}; use fewer "
                             "topics, with more partitions each",
                             content.size(), kMaxCatalogBytes));
  }
  CatalogHeader header{};
  header.count = static_cast<std::uint32_t>(catalog.topics.size());
  std::memcpy(content.data(), &header, sizeof header);
  return write_checked_file(file_system, directory / kCatalogName, kFileKind, log_uuid, content);
}

Error catalog_too_old(const std::filesystem::path& directory, std::uint32_t lane,
                      const Catalog& catalog) {
  return Error(ErrorCode::kCorruption,
               fmt::format("there are segments of lane {}, but the catalog ends at lane {}: it is "
                           "older than the log; restore it from a newer copy",
                           lane, catalog.next_lane()))
      .with_path((directory / kCatalogName).string());
}

}  // namespace nacre
