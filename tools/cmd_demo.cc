// nacre demo: feeds real records to a log, kills the writer again and again, and counts what was
// lost of what had been acknowledged.

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include "lib/base/try.h"
#include "nacre/log.h"
#include "nacre/random.h"
#include "tools/byte_source.h"
#include "tools/command.h"
#include "tools/demo_compare.h"
#include "tools/demo_directory.h"
#include "tools/demo_report.h"
#include "tools/demo_source.h"
#include "tools/demo_writer.h"
#include "tools/ingest_options.h"
#include "tools/output.h"
#include "tools/progress.h"
#include "tools/text.h"
#include "tools/writer_stats.h"

namespace nacre::tools {
namespace {

constexpr const char* kTopic = "records";
constexpr std::uint64_t kMaxKillDelayNs = 500'000;
// Small, so that kills also land while the writer takes its next segment into use.
constexpr std::uint64_t kSegmentBytes = std::uint64_t{16} << 20;
constexpr std::uint64_t kMaxWindow = 1024;
// A window of the whole source would be durable in one go and leave no moment to kill at.
constexpr std::uint64_t kWindowsPerKill = 8;

struct DemoOptions {
  std::string input;
  std::string directory;
  std::uint32_t kills = 5;
  std::uint64_t seed = 0;
  bool seed_given = false;
  Durability durability = Durability::kPower;
  bool keep = false;
  bool json = false;
};

std::filesystem::path own_program() {
  std::error_code failed;
  const auto program = std::filesystem::read_symlink("/proc/self/exe", failed);
  return failed ? std::filesystem::path("nacre") : program;
}

// As a person would type it, where that is shorter.
std::filesystem::path as_typed(const std::filesystem::path& path) {
  std::error_code failed;
  const auto relative = std::filesystem::proximate(path, failed);
  if (failed || relative.native().starts_with("..")) return path;
  return relative.has_parent_path() ? relative : "." / relative;
}

std::vector<std::uint64_t> choose_kill_points(RandomSource& random, std::uint32_t kills,
                                              std::uint64_t records) {
  std::vector<std::uint64_t> points;
  for (std::uint32_t i = 0; i < kills; ++i) points.push_back(uniform_below(random, records));
  std::ranges::sort(points);
  return points;
}

std::uint32_t choose_window(std::uint64_t records, std::uint32_t kills) {
  const std::uint64_t window = records / (kWindowsPerKill * (kills + std::uint64_t{1}));
  return static_cast<std::uint32_t>(std::clamp<std::uint64_t>(window, 1, kMaxWindow));
}

std::vector<std::string> writer_arguments(const DemoReport& report, const DemoDirectory& place) {
  return {"ingest",
          report.log.string(),
          kTopic,
          report.source.file.string(),
          "--records",
          std::string(record_format_name(report.source.format)),
          "--durability",
          durability_name(report.durability),
          "--segment-bytes",
          std::to_string(kSegmentBytes),
          "--window",
          std::to_string(report.window_records),
          "--acks",
          std::to_string(kWriterAcksDescriptor),
          "--stats",
          place.stats.string(),
          "--resume",
          "--quiet"};
}

// Runs one writer after the other until the source is through.
class Chase {
 public:
  Chase(DemoReport& report, const DemoDirectory& place, const MappedWriterStats& stats,
        Clock& clock, bool quiet)
      : report_(report),
        place_(place),
        stats_(stats),
        clock_(clock),
        quiet_(quiet),
        progress_("ingesting", report.source.records, clock) {}

  Status run() {
    SeededRandom random(report_.seed);
    const auto points = choose_kill_points(random, report_.kills_wanted, report_.source.records);
    for (const std::uint64_t point : points) {
      const std::uint64_t delay_ns = uniform_below(random, kMaxKillDelayNs);
      if (!NACRE_TRY(run_leg(point, delay_ns))) return {};
    }
    static_cast<void>(NACRE_TRY(run_leg({}, 0)));
    return {};
  }

 private:
  // False when the writer has come to the end of the source.
  Result<bool> run_leg(std::optional<std::uint64_t> kill_at, std::uint64_t kill_delay_ns) {
    const WriterPlan plan{.program = own_program(),
                          .arguments = writer_arguments(report_, place_),
                          .kill_at = kill_at,
                          .kill_delay_ns = kill_delay_ns};
    const auto on_watermark = [this](std::uint64_t watermark) {
      progress_.update(watermark, stats_->records, stats_->bytes);
    };
    const WriterOutcome outcome = NACRE_TRY(run_writer(plan, clock_, on_watermark));
    if (!outcome.killed && outcome.exit_status != 0) {
      return Error(ErrorCode::kIo, fmt::format("the writer gave up with status {}; its own message "
                                               "stands above",
                                               outcome.exit_status));
    }
    NACRE_TRY(note(outcome));
    return outcome.killed;
  }

  Status note(const WriterOutcome& outcome) {
    report_.legs.push_back({.reopened_at = outcome.reopened_at,
                            .acknowledged = outcome.acknowledged,
                            .recovery_ns = stats_->recovery_ns,
                            .killed = outcome.killed});
    // A writer that finds less than was acknowledged appends the rest again, so that the
    // comparison at the end would not notice.
    if (outcome.reopened_at < report_.acknowledged) {
      report_.lost_at_reopening += report_.acknowledged - outcome.reopened_at;
    }
    report_.acknowledged = std::max(report_.acknowledged, outcome.acknowledged);
    if (quiet_ || !outcome.killed) return {};
    progress_.clear();
    return print_out(describe_leg(report_.legs.back(), report_.kills()));
  }

  DemoReport& report_;
  const DemoDirectory& place_;
  const MappedWriterStats& stats_;
  Clock& clock_;
  bool quiet_;
  Progress progress_;
};

Status reopen_and_compare(DemoReport& report, Clock& clock) {
  Log log = NACRE_TRY(Log::open(report.log, {.domain = domain_request(report.durability)}));
  report.final_recovery_ns = log.recovery().duration_ns;
  report.domain = log.domain();
  const Topic topic = NACRE_TRY(log.topic(kTopic));
  PartitionReader stored = NACRE_TRY(topic.partition(0).reader());
  InputFile input = NACRE_TRY(InputFile::open(report.source.file.string()));
  RecordReader source(input.source(), {.format = report.source.format,
                                       .max_record_bytes = kMaxRecordBytes,
                                       .input_name = input.name()});
  Progress progress("comparing", report.acknowledged, clock);
  const auto next_source = [&]() -> Result<std::optional<Bytes>> {
    if (!NACRE_TRY(source.next())) return std::optional<Bytes>();
    return source.record();
  };
  const auto next_stored = [&]() -> Result<std::optional<Bytes>> {
    if (!NACRE_TRY(stored.next())) return std::optional<Bytes>();
    return stored.message().value;
  };
  report.comparison = NACRE_TRY(compare_records(
      next_source, next_stored, report.acknowledged,
      [&](std::uint64_t done) { progress.update(done, done, source.consumed_bytes()); }));
  return log.close();
}

Status announce(const DemoReport& report) {
  return print_out(fmt::format(
      "{} {} ({}) from {}\ninto {}, durability {}\n\n", format_count(report.source.records),
      plural(report.source.records, "record"), format_bytes(report.source.bytes),
      report.source.description, report.log.string(), durability_name(report.durability)));
}

void remove_helpers(const DemoReport& report, const DemoDirectory& place) {
  std::error_code ignored;
  std::filesystem::remove(place.stats, ignored);
  // Never the user's own file.
  if (report.source.file.parent_path() == place.path) {
    std::filesystem::remove(report.source.file, ignored);
  }
}

Result<ExitCode> run_demo(const DemoOptions& options) {
  SystemClock clock;
  const DemoDirectory place =
      NACRE_TRY(prepare_demo_directory(options.directory, domain_request(options.durability)));
  DemoReport report{.source = NACRE_TRY(prepare_demo_source(options.input, place.path)),
                    .program = as_typed(own_program()),
                    .directory = place.path,
                    .log = place.log,
                    .seed = options.seed_given ? options.seed : SystemRandom().next_u64() >> 32,
                    .durability = options.durability,
                    .kills_wanted = options.kills};
  report.window_records = choose_window(report.source.records, options.kills);
  if (!options.json) NACRE_TRY(announce(report));
  const MappedWriterStats stats = NACRE_TRY(MappedWriterStats::in_file(place.stats));
  NACRE_TRY(Chase(report, place, stats, clock, options.json).run());
  report.stats = *stats;
  NACRE_TRY(reopen_and_compare(report, clock));
  if (report.good() && !options.keep) remove_helpers(report, place);
  if (options.json) {
    NACRE_TRY(print_out(demo_report_json(report)));
  } else {
    NACRE_TRY(
        print_out("\n" + demo_report_text(report, std::min<std::size_t>(terminal_width(1), 100))));
  }
  return report.good() ? ExitCode::kOk : ExitCode::kDamaged;
}

}  // namespace

Command add_demo(CommandLine app) {
  auto options = std::make_shared<DemoOptions>();
  CommandLine command = app.add_subcommand(
      "demo", "Feed real records to a log, kill the writer again and again, count what is lost");
  command.add_option("FILE", options->input,
                     "Records: the lines of this file (this machine's package records)");
  command
      .add_option("--dir", options->directory,
                  "A new or empty directory for it (nacre-demo in ./build, $TMPDIR or /var/tmp)")
      .option_text("DIR");
  command.add_option("--kills", options->kills, "How often to kill the writer (5)")
      .range(0, 10'000)
      .option_text("N");
  CommandOption seed =
      command.add_option("--seed", options->seed, "Choose the moments as an earlier run did")
          .option_text("S");
  add_durability_option(command, options->durability);
  command.add_flag("--keep", options->keep, "Also keep the copy of the source and the figures");
  add_json_flag(command, options->json);
  return {.line = command, .run = [options, seed] {
            options->seed_given = seed.given();
            return run_demo(*options);
          }};
}

}  // namespace nacre::tools
