#include "tools/store_stat.h"

#include <fmt/format.h>

#include <algorithm>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "lib/base/try.h"
#include "lib/codec/json_writer.h"
#include "lib/metrics/prometheus.h"
#include "lib/store/inspect.h"
#include "lib/store/level_metrics.h"
#include "nacre/store_stats.h"
#include "tools/output.h"
#include "tools/table.h"
#include "tools/text.h"
#include "wal/log_listing.h"

namespace nacre::tools {
namespace {

/// So often the tables are counted anew because the writer beside us merged one away.
constexpr int kMaxLooks = 100;

struct KeyspaceSummary {
  KeyspaceStats stats;
  std::uint32_t id = 0;
  std::string comparator;
  std::string merge_operator;
};

struct StoreSummary {
  Superblock superblock;
  std::uint64_t segments = 0;
  std::uint64_t free_segments = 0;
  std::uint64_t write_lanes = 0;
  Lsn flushed_through;
  std::vector<KeyspaceSummary> keyspaces;
  std::optional<std::uint64_t> range_bytes;
};

LevelStats& level_of(KeyspaceStats& keyspace, std::uint32_t number) {
  const auto at = std::ranges::lower_bound(keyspace.levels, number, {}, &LevelStats::level);
  if (at != keyspace.levels.end() && at->level == number) return *at;
  return *keyspace.levels.insert(at, LevelStats{.level = number});
}

Result<std::vector<KeyspaceSummary>> summarise(FileSystem& file_system,
                                               const std::filesystem::path& directory,
                                               const store::ManifestState& manifest) {
  std::vector<KeyspaceSummary> summaries;
  for (const auto& [id, keyspace] : manifest.keyspaces) {
    KeyspaceSummary summary;
    summary.stats.name = keyspace.name;
    summary.id = id;
    summary.comparator = keyspace.comparator;
    summary.merge_operator = keyspace.merge_operator;
    for (const auto& [number, record] : keyspace.tables) {
      const auto header =
          NACRE_TRY(store::read_table_header(file_system, store::table_path(directory, {number})));
      LevelStats& level = level_of(summary.stats, record.level);
      level.tables += 1;
      level.keys += header.keys;
      level.entries += header.entries;
      level.range_removals += header.removals;
      level.bytes += header.file_bytes;
      level.raw_bytes += header.raw_bytes;
    }
    summaries.push_back(std::move(summary));
  }
  return summaries;
}

/// The size of the range that was asked for, if one was.
Result<std::optional<std::uint64_t>> size_of(FileSystem& file_system, const wal::LogLocation& log,
                                             const store::ManifestState& manifest,
                                             const std::optional<StatRange>& range) {
  if (!range) return std::optional<std::uint64_t>();
  for (const auto& [id, keyspace] : manifest.keyspaces) {
    if (keyspace.name != range->keyspace) continue;
    return std::optional(NACRE_TRY(store::approximate_size(
        file_system, log, keyspace, as_bytes(range->from), as_bytes(range->to))));
  }
  return Error(ErrorCode::kNotFound,
               fmt::format("there is no keyspace \"{}\" in this store; `nacre stat` lists those "
                           "there are",
                           range->keyspace))
      .with_path(log.directory.string());
}

Result<StoreSummary> look(FileSystem& file_system, const std::filesystem::path& directory,
                          const Superblock& superblock, const std::optional<StatRange>& range) {
  const wal::LogLocation log = {.directory = directory, .log_uuid = superblock.uuid};
  StoreSummary summary;
  summary.superblock = superblock;
  for (int look = 1;; ++look) {
    const auto manifest = NACRE_TRY(store::read_manifest(file_system, log));
    const auto take = [&]() -> Status {
      summary.keyspaces = NACRE_TRY(summarise(file_system, directory, manifest));
      summary.range_bytes = NACRE_TRY(size_of(file_system, log, manifest, range));
      return {};
    };
    const Status taken = take();
    if (!taken && look < kMaxLooks && taken.error().code() == ErrorCode::kNotFound) {
      const auto now = NACRE_TRY(store::read_manifest(file_system, log));
      if (now != manifest) continue;
    }
    NACRE_TRY(taken);
    summary.flushed_through = manifest.flushed_through;
    break;
  }
  const wal::LogListing listing = NACRE_TRY(wal::list_log(file_system, log));
  summary.free_segments = static_cast<std::uint64_t>(
      std::ranges::count(listing.segments, SegmentUse::kFree, &SegmentState::use));
  summary.segments = listing.segments.size() - summary.free_segments;
  summary.write_lanes = listing.started.size() - listing.started.count(0);
  return summary;
}

Status print_json(const StoreSummary& summary) {
  JsonWriter json;
  json.begin_object()
      .field("kind", log_kind_name(summary.superblock.kind))
      .field("uuid", summary.superblock.uuid.to_string())
      .field("segment_bytes", summary.superblock.segment_bytes)
      .field("segments", summary.segments)
      .field("log_bytes", summary.segments * summary.superblock.segment_bytes)
      .field("free_segments", summary.free_segments)
      .field("write_lanes", summary.write_lanes)
      .field("flushed_through_lsn", summary.flushed_through.value);
  if (summary.range_bytes) json.field("range_bytes", *summary.range_bytes);
  json.key("keyspaces").begin_array();
  for (const KeyspaceSummary& keyspace : summary.keyspaces) {
    json.begin_object()
        .field("keyspace", keyspace.stats.name)
        .field("id", keyspace.id)
        .field("comparator", keyspace.comparator)
        .field("tables_per_get", keyspace.stats.tables_per_get())
        .field("space_amplification", keyspace.stats.space_amplification());
    if (!keyspace.merge_operator.empty()) json.field("merge_operator", keyspace.merge_operator);
    json.key("levels").begin_array();
    for (const LevelStats& level : keyspace.stats.levels) {
      json.begin_object()
          .field("level", level.level)
          .field("tables", level.tables)
          .field("keys", level.keys)
          .field("entries", level.entries)
          .field("range_removals", level.range_removals)
          .field("bytes", level.bytes)
          .field("raw_bytes", level.raw_bytes)
          .end_object();
    }
    json.end_array().end_object();
  }
  json.end_array().end_object();
  return print_out(json.text() + "\n");
}

/// What reads and the disk pay for tables that are not merged yet.
std::string cost_text(const KeyspaceStats& keyspace) {
  const std::uint64_t tables = keyspace.tables_per_get();
  return fmt::format("a get looks into at most {} {}; {:.2f} bytes for each of keys and values",
                     format_count(tables), plural(tables, "table"), keyspace.space_amplification());
}

Status print_text(const StoreSummary& summary, const std::filesystem::path& directory) {
  Facts facts;
  facts.add("store", directory.string());
  facts.add("uuid", summary.superblock.uuid.to_string());
  facts.add("log", fmt::format("{} {} of {} in use by {} {}, {} free",
                               format_count(summary.segments), plural(summary.segments, "segment"),
                               format_bytes(summary.superblock.segment_bytes),
                               format_count(summary.write_lanes),
                               plural(summary.write_lanes, "lane") + " and the manifest",
                               format_count(summary.free_segments)));
  facts.add("in tables", fmt::format("all writes up to LSN {}", summary.flushed_through.value));
  if (summary.range_bytes) {
    facts.add("range", fmt::format("about {} in tables", format_bytes(*summary.range_bytes)));
  }
  for (const KeyspaceSummary& keyspace : summary.keyspaces) {
    if (!keyspace.stats.levels.empty()) facts.add(keyspace.stats.name, cost_text(keyspace.stats));
  }
  Table table({{.title = "KEYSPACE"},
               {.title = "ORDER"},
               {.title = "LEVEL", .align = Align::kRight},
               {.title = "TABLES", .align = Align::kRight},
               {.title = "KEYS", .align = Align::kRight},
               {.title = "ENTRIES", .align = Align::kRight},
               {.title = "SIZE", .align = Align::kRight}});
  for (const KeyspaceSummary& keyspace : summary.keyspaces) {
    if (keyspace.stats.levels.empty()) {
      table.add_row({keyspace.stats.name, keyspace.comparator, "-", "0", "0", "0", "0 B"});
    }
    for (const LevelStats& level : keyspace.stats.levels) {
      table.add_row({keyspace.stats.name, keyspace.comparator, fmt::format("{}", level.level),
                     format_count(level.tables), format_count(level.keys),
                     format_count(level.entries), format_bytes(level.bytes)});
    }
  }
  return print_out(facts.render() + "\n" +
                   (summary.keyspaces.empty() ? "Nothing was ever written.\n" : table.render()));
}

Status print_metrics(const StoreSummary& summary) {
  PrometheusWriter writer;
  std::vector<KeyspaceStats> keyspaces;
  for (const KeyspaceSummary& keyspace : summary.keyspaces) keyspaces.push_back(keyspace.stats);
  store::write_level_metrics(writer, keyspaces);
  writer.gauge("nacre_log_segments", "Segment files of the log that are in use.");
  writer.sample({}, summary.segments);
  writer.gauge("nacre_free_segments", "Segment files that are ready for use and hold nothing.");
  writer.sample({}, summary.free_segments);
  return print_out(writer.text());
}

}  // namespace

Status print_store_stat(FileSystem& file_system, const std::filesystem::path& directory,
                        const Superblock& superblock, StatFormat format,
                        const std::optional<StatRange>& range) {
  const StoreSummary summary = NACRE_TRY(look(file_system, directory, superblock, range));
  switch (format) {
    case StatFormat::kJson:
      return print_json(summary);
    case StatFormat::kMetrics:
      return print_metrics(summary);
    case StatFormat::kText:
      break;
  }
  return print_text(summary, directory);
}

}  // namespace nacre::tools
