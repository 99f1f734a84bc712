// nacre ingest: cuts an input into records and appends each, durably, to a topic.

#include <fmt/format.h>

#include <algorithm>
#include <memory>
#include <optional>
#include <utility>
#include <vector>

#include "lib/base/try.h"
#include "lib/codec/json_writer.h"
#include "nacre/log.h"
#include "tools/byte_source.h"
#include "tools/command.h"
#include "tools/ingest_options.h"
#include "tools/ingestor.h"
#include "tools/interrupt.h"
#include "tools/log_directory.h"
#include "tools/output.h"
#include "tools/progress.h"
#include "tools/record_reader.h"
#include "tools/table.h"
#include "tools/text.h"
#include "tools/writer_stats.h"

namespace nacre::tools {
namespace {

struct Summary {
  std::uint64_t begin = 0;  // Offsets [begin, end) are this run's.
  std::uint64_t end = 0;
  std::uint64_t passed_over = 0;
  std::uint64_t skipped_empty = 0;
  std::uint64_t elapsed_ns = 0;
  std::optional<Error> stopped_by;
};

Status print_json(const IngestOptions& options, const Log& log, const Summary& summary,
                  const WriterStats& stats) {
  JsonWriter json;
  json.begin_object()
      .field("directory", options.directory)
      .field("topic", options.topic)
      .field("partition", options.partition)
      .field("begin", summary.begin)
      .field("end", summary.end)
      .field("records", stats.records)
      .field("bytes", stats.bytes)
      .field("passed_over", summary.passed_over)
      .field("skipped_empty", summary.skipped_empty)
      .field("elapsed_ns", summary.elapsed_ns)
      .field("writing_ns", stats.writing_ns)
      .field("complete", !summary.stopped_by.has_value());
  json.key("latency_ns").begin_object();
  json.field("p50", stats.latency.percentile(50))
      .field("p99", stats.latency.percentile(99))
      .field("p99_9", stats.latency.percentile(99.9))
      .end_object();
  json.field("domain", domain_name(log.domain().kind))
      .field("survives_power_loss", log.domain().survives_power_loss);
  if (log.io() != nullptr) json.field("io_engine", log.io()->name);
  json.end_object();
  return print_out(json.text() + "\n");
}

Status print_text(const IngestOptions& options, const Log& log, const Summary& summary,
                  const WriterStats& stats) {
  Facts facts;
  facts.add("records",
            fmt::format("{} ({})", format_count(stats.records), format_bytes(stats.bytes)));
  if (stats.records > 0) {
    facts.add("offsets", fmt::format("{} to {} of {}/{}", summary.begin, summary.end - 1,
                                     options.topic, options.partition));
    facts.add("rate", fmt::format("{}, {}, in {}", format_rate(stats.records, summary.elapsed_ns),
                                  format_byte_rate(stats.bytes, summary.elapsed_ns),
                                  format_duration(summary.elapsed_ns)));
    facts.add("latency",
              fmt::format("p50 {}, p99 {}, p99.9 {} with up to {} records in flight",
                          format_duration(stats.latency.percentile(50)),
                          format_duration(stats.latency.percentile(99)),
                          format_duration(stats.latency.percentile(99.9)), options.window_records));
  }
  if (summary.passed_over > 0) {
    facts.add("passed over",
              fmt::format("{} {} that the log had already", format_count(summary.passed_over),
                          plural(summary.passed_over, "record")));
  }
  if (summary.skipped_empty > 0) {
    facts.add("skipped", fmt::format("{} empty {}", format_count(summary.skipped_empty),
                                     plural(summary.skipped_empty, "line")));
  }
  facts.add("domain", fmt::format("{}: acknowledged records survive {}",
                                  domain_name(log.domain().kind), survival_text(log.domain())));
  if (log.io() != nullptr) facts.add("written by", describe(*log.io()));
  return print_out(facts.render());
}

Status pass_over(RecordReader& reader, std::uint64_t count) {
  for (std::uint64_t i = 0; i < count; ++i) {
    if (NACRE_TRY(reader.next())) continue;
    return Error(ErrorCode::kInvalidArgument,
                 fmt::format("cannot resume: the partition holds {} records, but the input only "
                             "{}; is it the same input?",
                             count, i));
  }
  return {};
}

Status append_all(RecordReader& reader, Ingestor& ingestor, Progress& progress,
                  const WriterStats& stats) {
  while (!stop_requested() && NACRE_TRY(reader.next())) {
    NACRE_TRY(ingestor.add(reader.record()));
    progress.update(reader.consumed_bytes(), stats.records, stats.bytes);
  }
  return {};
}

// Appends until the input ends, somebody stops us, or something fails. In each case what was added
// before is settled first; a failure then stands in the summary.
Result<Summary> ingest(const IngestOptions& options, Partition partition, InputFile& input,
                       AckSink& acks, WriterStats& stats, Clock& clock) {
  RecordReader reader(input.source(), {.format = options.format,
                                       .max_record_bytes = partition.max_message_bytes(),
                                       .input_name = input.name()});
  Ingestor ingestor(partition, acks, stats, clock, {.records = options.window_records});
  Summary summary;
  summary.begin = partition.durable_end().value;
  if (options.resume) {
    NACRE_TRY(pass_over(reader, summary.begin));
    summary.passed_over = summary.begin;
  }
  NACRE_TRY(acks.tell(partition.durable_end()));
  input.set_before_waiting([&] { return ingestor.settle(); });
  const std::uint64_t start_ns = clock.monotonic_ns();
  {
    Progress progress("ingesting", input.size_bytes(), clock, !options.quiet);
    Status appended = append_all(reader, ingestor, progress, stats);
    Status settled = ingestor.settle();
    if (!appended) summary.stopped_by = appended.error();
    if (!settled && !summary.stopped_by) summary.stopped_by = settled.error();
  }
  summary.elapsed_ns = clock.monotonic_ns() - start_ns;
  summary.end = partition.durable_end().value;
  summary.skipped_empty = reader.skipped_empty();
  return summary;
}

Result<ExitCode> run_ingest(const IngestOptions& options) {
  SystemClock clock;
  InputFile input = NACRE_TRY(InputFile::open(options.input));
  AckSink acks = NACRE_TRY(AckSink::open(options.acks));
  MappedWriterStats stats =
      NACRE_TRY(options.stats_file.empty() ? MappedWriterStats::in_memory()
                                           : MappedWriterStats::in_file(options.stats_file));
  NACRE_TRY(check_may_hold_log(options.directory));
  stop_on_signals();

  const std::uint64_t open_ns = clock.monotonic_ns();
  Log log = NACRE_TRY(Log::open(options.directory, {.segment_bytes = options.segment_bytes,
                                                    .domain = domain_request(options.durability),
                                                    .io_engine = options.engine}));
  if (options.engine != IoEngine::kAuto && log.io() == nullptr && !options.quiet) {
    fmt::print(stderr,
               "nacre: --engine is ignored: this log is written by storing into mapped files\n");
  }
  stats->opening_ns = clock.monotonic_ns() - open_ns;
  stats->recovery_ns = log.recovery().duration_ns;
  const Topic topic = NACRE_TRY(log.open_or_create_topic(options.topic, options.partition + 1));
  if (options.partition >= topic.partitions()) {
    return Error(ErrorCode::kInvalidArgument,
                 fmt::format("topic {} has {} {}, numbered from 0; there is no partition {}",
                             options.topic, topic.partitions(),
                             plural(topic.partitions(), "partition"), options.partition));
  }
  const Summary summary =
      NACRE_TRY(ingest(options, topic.partition(options.partition), input, acks, *stats, clock));
  Status closed = log.close();
  Status printed;
  if (!options.quiet) {
    printed = (options.json ? print_json : print_text)(options, log, summary, *stats);
  }
  if (summary.stopped_by) return *summary.stopped_by;
  if (!closed) return closed.error();
  if (!printed) return printed.error();
  return ExitCode::kOk;
}

}  // namespace

std::string_view record_format_name(RecordFormat format) noexcept {
  switch (format) {
    case RecordFormat::kLines:
      return "lines";
    case RecordFormat::kStanzas:
      return "stanzas";
    case RecordFormat::kLengthPrefixed:
      return "length-prefixed";
  }
  return "lines";
}

void add_record_format_option(CommandLine app, RecordFormat& format) {
  std::vector<std::pair<std::string, RecordFormat>> words;
  for (const RecordFormat known :
       {RecordFormat::kLines, RecordFormat::kStanzas, RecordFormat::kLengthPrefixed}) {
    words.emplace_back(record_format_name(known), known);
  }
  add_choice(app, "--records", format, std::move(words),
             "How the input is cut: 'lines' (the default), 'stanzas' (paragraphs between blank "
             "lines), or 'length-prefixed' (32-bit little-endian length, then bytes)")
      .option_text("FORMAT");
}

Command add_ingest(CommandLine app) {
  auto options = std::make_shared<IngestOptions>();
  CommandLine command = app.add_subcommand("ingest", "Append the records of a file to a topic");
  command.add_option("DIR", options->directory, "The log's directory; created when missing")
      .required();
  command.add_option("TOPIC", options->topic, "The topic; created when missing").required();
  command.add_option("FILE", options->input, "The input; '-' or nothing is standard input");
  add_record_format_option(command, options->format);
  add_durability_option(command, options->durability);
  add_engine_option(command, options->engine);
  command.add_option("--partition", options->partition, "Which partition (0)")
      .range(0, 1023)
      .option_text("N");
  command.add_size("--segment-bytes", options->segment_bytes,
                   "Bytes of a segment file of a new log, such as 16MiB (64MiB)");
  command
      .add_option("--window", options->window_records,
                  "Records that may wait for their acknowledgement at once (1024)")
      .range(1, 1 << 20)
      .option_text("N");
  command.add_flag("--resume", options->resume,
                   "Pass over as many records of the input as the partition holds");
  command
      .add_option("--acks", options->acks,
                  "Write a line with the durable watermark to this file descriptor (a number) or "
                  "file each time it moves")
      .option_text("FD|FILE");
  command.add_option("--stats", options->stats_file, "Keep figures in this file, for demo")
      .hidden();
  command.add_flag("--quiet", options->quiet, "Print nothing but errors");
  add_json_flag(command, options->json);
  return {.line = command, .run = [options] { return run_ingest(*options); }};
}

}  // namespace nacre::tools
