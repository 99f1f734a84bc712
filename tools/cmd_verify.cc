// nacre verify: reads a whole log or store and checks every checksum, beside a writer or not.

#include <fmt/format.h>

#include <algorithm>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "lib/base/try.h"
#include "lib/codec/json_writer.h"
#include "lib/log/verify.h"
#include "lib/store/inspect.h"
#include "nacre/clock.h"
#include "nacre/executor.h"
#include "nacre/file_system.h"
#include "tools/command.h"
#include "tools/log_directory.h"
#include "tools/output.h"
#include "tools/progress.h"
#include "tools/table.h"
#include "tools/text.h"

namespace nacre::tools {
namespace {

struct VerifyOptions {
  std::string directory;
  bool json = false;
};

/// Of a log, and of a store its tables, too: their damage stands with that of the log.
struct Verified {
  wal::VerifyReport log;
  std::optional<store::TablesReport> tables;
};

Status print_json(const Verified& verified, std::uint64_t elapsed_ns) {
  const wal::VerifyReport& report = verified.log;
  JsonWriter json;
  json.begin_object()
      .field("sound", report.damage.empty())
      .field("kind", log_kind_name(report.superblock.kind))
      .field("uuid", report.superblock.uuid.to_string())
      .field("segments", report.scanned.segments)
      .field("free_segments", report.free_segments)
      .field("lanes", report.lanes.size())
      .field("records", report.scanned.records)
      .field("bytes", report.scanned.bytes)
      .field("torn_tails", report.scanned.torn_tails)
      .field("torn_bytes", report.scanned.discarded_bytes)
      .field("damaged_header_slots", report.damaged_slots)
      .field("duration_ns", elapsed_ns);
  if (verified.tables) {
    json.field("tables", verified.tables->tables)
        .field("table_bytes", verified.tables->bytes)
        .field("table_entries", verified.tables->entries);
  }
  json.key("damage").begin_array();
  for (const Error& damage : report.damage) {
    json.begin_object()
        .field("code", error_code_name(damage.code()))
        .field("message", damage.message())
        .field("path", damage.path());
    if (damage.offset()) json.field("offset", *damage.offset());
    if (damage.lsn()) json.field("lsn", *damage.lsn());
    json.end_object();
  }
  json.end_array().end_object();
  return print_out(json.text() + "\n");
}

Status print_text(const Verified& verified, const std::string& directory,
                  std::uint64_t elapsed_ns) {
  const wal::VerifyReport& report = verified.log;
  const RecoveryReport& scanned = report.scanned;
  Facts facts;
  facts.add(std::string(log_kind_name(report.superblock.kind)),
            fmt::format("{}, {}", directory, report.superblock.uuid.to_string()));
  facts.add("segments",
            fmt::format("{} in use by {} {}, {} free", format_count(scanned.segments),
                        format_count(report.lanes.size()), plural(report.lanes.size(), "lane"),
                        format_count(report.free_segments)));
  facts.add("records", fmt::format("{} in {} with good checksums", format_count(scanned.records),
                                   format_bytes(scanned.bytes)));
  std::uint64_t bytes = scanned.bytes;
  if (verified.tables) {
    const store::TablesReport& tables = *verified.tables;
    bytes += tables.bytes;
    facts.add("tables",
              fmt::format("{} with {} {} in {}", format_count(tables.tables),
                          format_count(tables.entries), tables.entries == 1 ? "entry" : "entries",
                          format_bytes(tables.bytes)));
  }
  facts.add("took", fmt::format("{}, {}", format_duration(elapsed_ns),
                                format_byte_rate(bytes, elapsed_ns)));
  if (scanned.torn_tails > 0) {
    facts.add("torn tails",
              fmt::format("{} ({}), never acknowledged: no damage; the next writer "
                          "cuts them off",
                          format_count(scanned.torn_tails), format_bytes(scanned.discarded_bytes)));
  }
  if (report.damaged_slots > 0) {
    facts.add("headers", fmt::format("{} with one torn slot; the other slot stands: no damage",
                                     format_count(report.damaged_slots)));
  }
  std::string text = facts.render(0, std::min<std::size_t>(terminal_width(1), 100)) + "\n";
  text += report.damage.empty()
              ? "Sound: nothing is damaged.\n"
              : fmt::format("DAMAGED in {} {}:\n", format_count(report.damage.size()),
                            plural(report.damage.size(), "place"));
  for (const Error& damage : report.damage) text += "  " + damage.to_string() + "\n";
  return print_out(text);
}

/// Adds up what the scanning threads have done, and draws it.
class ScanWatch {
 public:
  explicit ScanWatch(Clock& clock) : progress_("verifying", 0, clock) {}

  void add(const wal::ScannedSegment& scanned) {
    const std::lock_guard lock(mutex_);
    // A second look, beside a busy writer, goes over all of them again.
    if (done_ >= of_segments_) done_ = 0;
    of_segments_ = scanned.of_segments;
    done_ += 1;
    records_ += scanned.records;
    bytes_ += scanned.bytes;
    progress_.set_total(of_segments_);
    progress_.update(done_, records_, bytes_);
  }

 private:
  std::mutex mutex_;
  Progress progress_;
  std::uint64_t done_ = 0;
  std::uint64_t of_segments_ = 0;
  std::uint64_t records_ = 0;
  std::uint64_t bytes_ = 0;
};

Result<Verified> verify_watched(FileSystem& file_system, Executor& executor, Clock& clock,
                                const std::string& directory) {
  Verified verified;
  {
    ScanWatch watch(clock);
    verified.log = NACRE_TRY(
        verify_directory(file_system, executor, directory,
                         [&watch](const wal::ScannedSegment& scanned) { watch.add(scanned); }));
  }
  if (verified.log.superblock.kind != LogKind::kStore) return verified;
  Progress progress("verifying tables", 0, clock);
  std::uint64_t tables = 0;
  std::uint64_t bytes = 0;
  auto report = store::verify_tables(
      file_system, executor, {.directory = directory, .log_uuid = verified.log.superblock.uuid},
      [&](std::uint64_t of_table) { progress.update(++tables, 0, bytes += of_table); });
  std::vector<Error>& damage = verified.log.damage;
  if (!report && report.error().code() == ErrorCode::kBusy) return report.error();
  if (!report) {
    // What damages the manifest has been found in the log already, unless it is what it says.
    if (damage.empty()) damage.push_back(report.error());
    return verified;
  }
  damage.insert(damage.end(), report->damage.begin(), report->damage.end());
  verified.tables = *std::move(report);
  return verified;
}

Result<ExitCode> run_verify(const VerifyOptions& options) {
  NACRE_TRY(check_is_directory(options.directory));
  PosixFileSystem file_system;
  const auto executor =
      NACRE_TRY(ThreadPool::create(std::max(1U, std::thread::hardware_concurrency())));
  SystemClock clock;
  const std::uint64_t start_ns = clock.monotonic_ns();
  const Verified verified =
      NACRE_TRY(verify_watched(file_system, *executor, clock, options.directory));
  const std::uint64_t elapsed_ns = clock.monotonic_ns() - start_ns;
  if (options.json) {
    NACRE_TRY(print_json(verified, elapsed_ns));
  } else {
    NACRE_TRY(print_text(verified, options.directory, elapsed_ns));
  }
  return verified.log.damage.empty() ? ExitCode::kOk : ExitCode::kDamaged;
}

}  // namespace

Command add_verify(CommandLine app) {
  auto options = std::make_shared<VerifyOptions>();
  CommandLine command =
      app.add_subcommand("verify", "Check every checksum of a log or store; status 1 when damaged");
  command.add_option("DIR", options->directory, "The directory of a log or a store").required();
  add_json_flag(command, options->json);
  return {.line = command, .run = [options] { return run_verify(*options); }};
}

}  // namespace nacre::tools
