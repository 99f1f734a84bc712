// nacre stat: what a log directory holds, also while another process is writing it.

#include <fmt/format.h>

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "lib/base/try.h"
#include "lib/codec/json_writer.h"
#include "lib/metrics/prometheus.h"
#include "mmap/superblock.h"
#include "nacre/log.h"
#include "nacre/store.h"
#include "tools/command.h"
#include "tools/key_text.h"
#include "tools/log_directory.h"
#include "tools/output.h"
#include "tools/store_stat.h"
#include "tools/table.h"
#include "tools/text.h"

namespace nacre::tools {
namespace {

struct StatOptions {
  std::string directory;
  bool json = false;
  bool metrics = false;
  StatRange range = {.keyspace = std::string(kDefaultKeyspace), .from = {}, .to = {}};
  bool has_range = false;
  bool hex = false;
};

struct LogSummary {
  std::string uuid;
  std::uint64_t segment_bytes = 0;
  std::uint64_t free_segments = 0;
  std::vector<PartitionSummary> partitions;
};

Status print_json(const LogSummary& log) {
  JsonWriter json;
  json.begin_object()
      .field("uuid", log.uuid)
      .field("segment_bytes", log.segment_bytes)
      .field("free_segments", log.free_segments);
  json.key("partitions").begin_array();
  for (const PartitionSummary& partition : log.partitions) {
    json.begin_object()
        .field("topic", partition.topic)
        .field("partition", partition.partition)
        .field("begin", partition.begin.value)
        .field("end", partition.end.value)
        .field("messages", partition.end.value - partition.begin.value)
        .field("segments", partition.segments)
        .field("bytes", partition.bytes)
        .end_object();
  }
  json.end_array().end_object();
  return print_out(json.text() + "\n");
}

Status print_text(const LogSummary& log, const std::string& directory) {
  std::uint64_t used_segments = 0;
  Table table({{.title = "TOPIC"},
               {.title = "PARTITION", .align = Align::kRight},
               {.title = "BEGIN", .align = Align::kRight},
               {.title = "END", .align = Align::kRight},
               {.title = "MESSAGES", .align = Align::kRight},
               {.title = "SEGMENTS", .align = Align::kRight},
               {.title = "SIZE", .align = Align::kRight}});
  for (const PartitionSummary& partition : log.partitions) {
    used_segments += partition.segments;
    table.add_row({partition.topic, fmt::format("{}", partition.partition),
                   format_count(partition.begin.value), format_count(partition.end.value),
                   format_count(partition.end.value - partition.begin.value),
                   format_count(partition.segments), format_bytes(partition.bytes)});
  }
  Facts facts;
  facts.add("log", directory);
  facts.add("uuid", log.uuid);
  facts.add("segments",
            fmt::format("{} in use, {} free, {} each", format_count(used_segments),
                        format_count(log.free_segments), format_bytes(log.segment_bytes)));
  std::string text = facts.render() + "\n";
  text += log.partitions.empty() ? "No topics yet.\n" : table.render();
  return print_out(text);
}

/// What can be seen from outside: a program that has the log open tells more (`Log::metrics`).
Status print_metrics(const LogSummary& log) {
  PrometheusWriter writer;
  const auto of_each_partition = [&](auto value) {
    for (const PartitionSummary& partition : log.partitions) {
      writer.sample(
          {{"topic", partition.topic}, {"partition", std::to_string(partition.partition)}},
          value(partition));
    }
  };
  writer.gauge("nacre_partition_begin_offset", "The oldest offset that is still there.");
  of_each_partition([](const PartitionSummary& partition) { return partition.begin.value; });
  writer.gauge("nacre_partition_end_offset", "One past the newest durable offset.");
  of_each_partition([](const PartitionSummary& partition) { return partition.end.value; });
  writer.gauge("nacre_partition_segment_bytes", "Size of the partition's segment files.");
  of_each_partition([](const PartitionSummary& partition) { return partition.bytes; });
  writer.gauge("nacre_free_segments", "Segment files that are ready for use and hold nothing.");
  writer.sample({}, log.free_segments);
  return print_out(writer.text());
}

StatFormat format_of(const StatOptions& options) {
  if (options.metrics) return StatFormat::kMetrics;
  return options.json ? StatFormat::kJson : StatFormat::kText;
}

Result<std::optional<StatRange>> range_of(const StatOptions& options) {
  std::optional<StatRange> range;
  if (!options.has_range) return range;
  range = options.range;
  range->from = NACRE_TRY(given_bytes("--from", range->from, options.hex));
  range->to = NACRE_TRY(given_bytes("--to", range->to, options.hex));
  return range;
}

Result<ExitCode> run_stat(const StatOptions& options) {
  NACRE_TRY(check_is_directory(options.directory));
  PosixFileSystem file_system;
  const auto superblock = read_superblock(file_system, options.directory);
  if (superblock && superblock->kind == LogKind::kStore) {
    const auto range = NACRE_TRY(range_of(options));
    NACRE_TRY(
        print_store_stat(file_system, options.directory, *superblock, format_of(options), range));
    return ExitCode::kOk;
  }
  LogView view = NACRE_TRY(LogView::open(options.directory));
  const LogSummary log = {.uuid = view.uuid().to_string(),
                          .segment_bytes = view.segment_bytes(),
                          .free_segments = NACRE_TRY(view.free_segments()),
                          .partitions = NACRE_TRY(view.partitions())};
  if (options.metrics) {
    NACRE_TRY(print_metrics(log));
  } else if (options.json) {
    NACRE_TRY(print_json(log));
  } else {
    NACRE_TRY(print_text(log, options.directory));
  }
  return ExitCode::kOk;
}

}  // namespace

Command add_stat(CommandLine app) {
  auto options = std::make_shared<StatOptions>();
  CommandLine command =
      app.add_subcommand("stat", "Show what a log or a store holds: topics or keyspaces, sizes");
  command.add_option("DIR", options->directory, "The directory of a log or a store").required();
  add_json_flag(command, options->json);
  command
      .add_flag("--metrics", options->metrics,
                "As text for Prometheus, such as for its textfile collector")
      .excludes(command.option("--json"));
  CommandOption from =
      command
          .add_option("--from", options->range.from, "Of a store, tell the size of the keys from")
          .option_text("KEY");
  CommandOption to =
      command.add_option("--to", options->range.to, "this one on up to, not including, that one")
          .option_text("KEY");
  from.needs(to);
  to.needs(from);
  command.add_option("--keyspace", options->range.keyspace, "in this keyspace (default)")
      .needs(from)
      .option_text("NAME");
  command.add_flag("--hex", options->hex, "The keys are hexadecimal").needs(from);
  return {.line = command, .run = [options, from] {
            options->has_range = from.given();
            return run_stat(*options);
          }};
}

}  // namespace nacre::tools
