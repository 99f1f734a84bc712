// nacre stat: what a log directory holds, also while another process is writing it.

#include <fmt/format.h>

#include <memory>
#include <string>
#include <vector>

#include "lib/base/try.h"
#include "lib/metrics/prometheus.h"
#include "nacre/log.h"
#include "tools/command.h"
#include "tools/json_writer.h"
#include "tools/log_directory.h"
#include "tools/output.h"
#include "tools/table.h"
#include "tools/text.h"

namespace nacre::tools {
namespace {

struct StatOptions {
  std::string directory;
  bool json = false;
  bool metrics = false;
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

Result<ExitCode> run_stat(const StatOptions& options) {
  NACRE_TRY(check_is_directory(options.directory));
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

Command add_stat(CLI::App& app) {
  auto options = std::make_shared<StatOptions>();
  CLI::App* command = app.add_subcommand("stat", "Show topics, offsets and sizes of a log");
  command->add_option("DIR", options->directory, "The log's directory")->required();
  add_json_flag(*command, options->json);
  command
      ->add_flag("--metrics", options->metrics,
                 "As text for Prometheus, such as for its textfile collector")
      ->excludes("--json");
  return {.app = command, .run = [options] { return run_stat(*options); }};
}

}  // namespace nacre::tools
