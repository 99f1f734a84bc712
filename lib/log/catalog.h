#pragma once

// The file that names a message log's topics and gives each its lanes. Replaced as a whole when a
// topic is created. Implements docs/format/catalog.md.

#include <cstdint>
#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

#include "nacre/file_system.h"
#include "nacre/result.h"
#include "nacre/types.h"

namespace nacre {

inline constexpr std::uint32_t kCatalogFormatVersion = 1;
inline constexpr std::string_view kCatalogName = "CATALOG";
inline constexpr std::size_t kMaxTopicNameBytes = 200;
inline constexpr std::uint32_t kMaxPartitions = 1024;
/// The file holds at most so many bytes, which bounds the number of topics (80,000 at the least).
inline constexpr std::size_t kMaxCatalogBytes = std::size_t{16} << 20;

struct CatalogTopic {
  std::string name;
  std::uint32_t first_lane = 0;  ///< Partition p lies in lane `first_lane` + p.
  std::uint32_t partitions = 0;
};

struct Catalog {
  std::vector<CatalogTopic> topics;  ///< In the order of their creation.

  const CatalogTopic* find(std::string_view name) const noexcept;
  std::uint32_t next_lane() const noexcept;
};

/// Errors: `invalid_argument`.
Status check_topic_name(std::string_view name);

/// Errors: `not_found`, `corruption`, `unsupported`, `io`.
Result<Catalog> read_catalog(FileSystem& file_system, const std::filesystem::path& directory,
                             const Uuid& log_uuid);
/// Durability: durable on success; after an error the old catalog stands.
/// That no catalog in `directory`, of whatever log, lists a topic: a log that is being created for
/// the first time has none, also when its creation was interrupted.
/// Errors: `corruption` (the superblock of a log has been lost).
Status check_no_topics(FileSystem& file_system, const std::filesystem::path& directory);
/// Errors: `no_space`, `io`, `invalid_argument` (too many topics).
Status write_catalog(FileSystem& file_system, const std::filesystem::path& directory,
                     const Uuid& log_uuid, const Catalog& catalog);

/// The catalog lacks a lane that has segments: it is older than the log.
Error catalog_too_old(const std::filesystem::path& directory, std::uint32_t lane,
                      const Catalog& catalog);

}  // namespace nacre
