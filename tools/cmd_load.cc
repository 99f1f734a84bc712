// nacre load: cuts an input into keys and values and puts them, durably, into a store.

#include <fmt/format.h>

#include <memory>
#include <optional>
#include <string>
#include <utility>

#include "lib/base/try.h"
#include "lib/codec/json_writer.h"
#include "lib/store/write_format.h"
#include "tools/byte_source.h"
#include "tools/command.h"
#include "tools/interrupt.h"
#include "tools/loader.h"
#include "tools/output.h"
#include "tools/pair_reader.h"
#include "tools/progress.h"
#include "tools/store_directory.h"
#include "tools/table.h"
#include "tools/text.h"

namespace nacre::tools {
namespace {

struct LoadOptions {
  StoreTarget store;
  std::string input = "-";
  PairFormat format = PairFormat::kTsv;
  bool hex = false;
  std::uint64_t first_line = 0;
  LoadBatch batch;
  bool sorted = false;
  std::string acks;  ///< See AckSink.
  bool quiet = false;
  bool json = false;
};

struct Summary {
  std::uint64_t skipped_empty = 0;
  std::uint64_t elapsed_ns = 0;
  std::optional<Error> stopped_by;
};

Status print_json(const LoadOptions& options, const Store& store, const Summary& summary,
                  const WriterStats& stats) {
  JsonWriter json;
  json.begin_object()
      .field("directory", options.store.directory)
      .field("keyspace", options.store.keyspace)
      .field("records", stats.records)
      .field("bytes", stats.bytes)
      .field("batches", stats.latency.total())
      .field("skipped_empty", summary.skipped_empty)
      .field("elapsed_ns", summary.elapsed_ns)
      .field("writing_ns", stats.writing_ns)
      .field("complete", !summary.stopped_by.has_value());
  json.key("batch_latency_ns").begin_object();
  json.field("p50", stats.latency.percentile(50))
      .field("p99", stats.latency.percentile(99))
      .field("p99_9", stats.latency.percentile(99.9))
      .end_object();
  json.field("domain", domain_name(store.domain().kind))
      .field("survives_power_loss", store.domain().survives_power_loss);
  json.end_object();
  return print_out(json.text() + "\n");
}

Status print_text(const LoadOptions& options, const Store& store, const Summary& summary,
                  const WriterStats& stats) {
  Facts facts;
  facts.add("records",
            fmt::format("{} ({}) in {} {} into {}", format_count(stats.records),
                        format_bytes(stats.bytes), format_count(stats.latency.total()),
                        stats.latency.total() == 1 ? "batch" : "batches", options.store.keyspace));
  if (stats.records > 0) {
    facts.add("rate", fmt::format("{}, {}, in {}", format_rate(stats.records, summary.elapsed_ns),
                                  format_byte_rate(stats.bytes, summary.elapsed_ns),
                                  format_duration(summary.elapsed_ns)));
    facts.add("latency", fmt::format("p50 {}, p99 {}, p99.9 {} a batch",
                                     format_duration(stats.latency.percentile(50)),
                                     format_duration(stats.latency.percentile(99)),
                                     format_duration(stats.latency.percentile(99.9))));
  }
  if (summary.skipped_empty > 0) {
    facts.add("skipped", fmt::format("{} empty {}", format_count(summary.skipped_empty),
                                     plural(summary.skipped_empty, "line")));
  }
  facts.add("domain", domain_text(store));
  return print_out(facts.render());
}

Status add_all(PairReader& pairs, Loader& loader, Progress& progress, const WriterStats& stats) {
  while (!stop_requested() && NACRE_TRY(pairs.next())) {
    NACRE_TRY(loader.add(pairs.key(), pairs.value()));
    progress.update(pairs.consumed_bytes(), stats.records, stats.bytes);
  }
  return {};
}

/// All of the input, or nothing.
Status load_sorted(PairReader& pairs, SortedLoader& loader, Progress& progress) {
  while (NACRE_TRY(pairs.next())) {
    if (stop_requested()) {
      return Error(ErrorCode::kClosed,
                   "stopped; nothing was loaded, as --sorted loads all or none");
    }
    NACRE_TRY(loader.add(pairs));
    progress.update(pairs.consumed_bytes(), loader.records(), loader.bytes());
  }
  return loader.finish();
}

Status put_all(PairReader& pairs, Loader& loader, Progress& progress, const WriterStats& stats) {
  Status added = add_all(pairs, loader, progress, stats);
  Status settled = loader.settle();
  return added ? settled : added;
}

// Puts until the input ends, somebody stops us, or something fails. In each case what was added
// before is settled first; a failure then stands in the summary.
Result<Summary> load(const LoadOptions& options, OpenedStore& opened, InputFile& input,
                     AckSink& acks, WriterStats& stats, Clock& clock) {
  PairReader pairs(input.source(),
                   {.format = options.format,
                    .hex = options.hex,
                    .first_line = options.first_line,
                    .max_pair_bytes = opened.store.max_batch_bytes() - sizeof(store::WriteHeader),
                    .input_name = input.name()});
  Loader loader(opened.store, opened.keyspace, acks, stats, clock, options.batch);
  SortedLoader sorted(opened.store, opened.keyspace, acks, stats, clock);
  NACRE_TRY(acks.tell(Offset{0}));
  if (!options.sorted) input.set_before_waiting([&] { return loader.settle(); });
  Summary summary;
  const std::uint64_t start_ns = clock.monotonic_ns();
  {
    Progress progress("loading", input.size_bytes(), clock, !options.quiet);
    const Status loaded = options.sorted ? load_sorted(pairs, sorted, progress)
                                         : put_all(pairs, loader, progress, stats);
    if (!loaded) summary.stopped_by = loaded.error();
  }
  summary.elapsed_ns = clock.monotonic_ns() - start_ns;
  summary.skipped_empty = pairs.skipped_empty();
  return summary;
}

Result<ExitCode> run_load(const LoadOptions& options) {
  SystemClock clock;
  InputFile input = NACRE_TRY(InputFile::open(options.input));
  AckSink acks = NACRE_TRY(AckSink::open(options.acks));
  stop_on_signals();
  OpenedStore opened = NACRE_TRY(open_store(options.store, StoreAccess::kFill));
  WriterStats stats;
  const Summary summary = NACRE_TRY(load(options, opened, input, acks, stats, clock));
  Status closed = opened.store.close();
  Status printed;
  if (!options.quiet) {
    printed = (options.json ? print_json : print_text)(options, opened.store, summary, stats);
  }
  if (summary.stopped_by) return *summary.stopped_by;
  if (!closed) return closed.error();
  if (!printed) return printed.error();
  return ExitCode::kOk;
}

}  // namespace

Command add_load(CommandLine app) {
  auto options = std::make_shared<LoadOptions>();
  CommandLine command =
      app.add_subcommand("load", "Put the keys and values of a file into a store");
  add_store_options(command, options->store);
  command.add_option("FILE", options->input, "The input; '-' or nothing is standard input");
  add_choice<PairFormat>(
      command, "--records", options->format,
      {{"tsv", PairFormat::kTsv}, {"json", PairFormat::kJson}, {"lines", PairFormat::kLines}},
      "What a line is: 'tsv', key TAB value (the default); 'json', an object with key and value; "
      "or 'lines', a value whose key is its number")
      .option_text("FORMAT");
  command.add_flag("--hex", options->hex, "Keys and values (of 'lines': values) are hexadecimal");
  add_number(command, "--first", options->first_line, 9'999'999'999'999'999,
             "The number of the first line of 'lines' (0)")
      .option_text("N");
  CommandOption batch =
      command.add_option("--batch", options->batch.records,
                         "Records that become durable together, all or none (1000)");
  batch.range(1, 1 << 20).option_text("N");
  command
      .add_flag("--sorted", options->sorted,
                "The keys come in the order of the keyspace, each once: they go straight into "
                "tables, past the log, all of them or none")
      .excludes(batch);
  add_store_writer_options(command, options->store);
  command.add_size("--segment-bytes", options->store.segment_bytes,
                   "Bytes of a segment file of a new store, such as 16MiB");
  command.add_size("--memtable-bytes", options->store.memtable_bytes,
                   "So much is kept in memory before it goes into a table (64MiB)");
  command
      .add_option("--acks", options->acks,
                  "Write a line with the number of durable records to this file descriptor (a "
                  "number) or file each time it moves")
      .option_text("FD|FILE");
  command.add_flag("--quiet", options->quiet, "Print nothing but errors");
  add_json_flag(command, options->json);
  return {.line = command, .run = [options] { return run_load(*options); }};
}

}  // namespace nacre::tools
