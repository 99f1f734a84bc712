#include "nacre/emulation/crash_report.h"

#include <fmt/format.h>

#include <algorithm>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "emulation/explorer/report_text.h"

namespace nacre {
namespace {

constexpr std::size_t kMaxRows = 4;

/// A line whose label ends in the column where all labels do.
std::string line(std::string_view label, std::string_view text) {
  return fmt::format("{:>12} {}\n", label, text);
}

/// "a, from b, from c" with each caller on a line of its own.
std::string calls_text(std::string_view label, std::string_view calls) {
  std::string text;
  for (std::string_view separator = ", from "; !calls.empty();) {
    const std::size_t end = calls.find(separator);
    text += line(text.empty() ? label : "from", calls.substr(0, end));
    calls.remove_prefix(end == calls.npos ? calls.size() : end + separator.size());
  }
  return text;
}

std::string rows_text(const std::vector<CrashBytes>& rows) {
  std::string text;
  for (const CrashBytes& row : std::span(rows).first(std::min(rows.size(), kMaxRows))) {
    const auto content = [&](std::string_view title, const std::string& bytes) {
      const std::size_t end = bytes.find_last_not_of('.');
      return fmt::format("{:<5}{}", title, spaced_bytes(bytes.substr(0, end + 1)));
    };
    const std::string address = fmt::format("{:#x}", row.address);
    std::string_view label = address;
    if (row.oldest != row.kept) {
      text += line(label, content("was", row.oldest));
      label = "";
    }
    text += line(label, content("left", row.kept));
    if (row.newest != row.kept) text += line("", content("lost", row.newest));
  }
  return text;
}

std::string granule_text(const CrashGranule& granule) {
  const bool is_kept = granule.candidate > 0;
  const bool is_lost = !granule.newest;
  std::string text = fmt::format("  {}  {}",
                                 !is_kept          ? "LOST"
                                 : granule.garbage ? "LEFT"
                                 : is_lost         ? "PART"
                                                   : "KEPT",
                                 granule_title(granule));
  if (is_kept && is_lost && !granule.garbage && granule.bytes > 0) {
    text += fmt::format(", {} of {} stores", granule.candidate, granule.candidates - 1);
  }
  text += '\n';
  const std::string_view stored = granule.garbage ? "written at"
                                  : is_lost       ? "kept at"
                                                  : "stored at";
  if (is_kept) text += calls_text(stored, granule.kept_store);
  if (is_lost && !granule.garbage)
    text += calls_text(is_kept ? "lost at" : "stored at", granule.lost_store);
  if (!granule.hint.empty()) text += line("mend", granule.hint);
  return text + rows_text(granule.pieces);
}

/// A crash that the last of them is crashed by is none of the steps.
std::string steps_text(const CrashReport& report) {
  std::string text =
      fmt::format("  {} of {} fail, as few as were found (--crash_seed={} makes them again):\n",
                  report.steps.size(), counted(report.steps_before, "step"), report.seed);
  for (const std::string& step : report.steps) text += fmt::format("    {}\n", step);
  return text;
}

std::string failure_text(const CrashFailure& failure) {
  std::string text = fmt::format("\n  {}\n  crash {}\n", failure.message, failure.crash_point);
  if (!failure.site.empty()) text += calls_text("at", failure.site);
  text += '\n';
  for (const CrashGranule& granule : failure.granules) text += granule_text(granule);
  for (const CrashGranule& granule : failure.overtaken) text += granule_text(granule);
  text += fmt::format("  All else that recovery read is as {} as it can be.\n",
                      failure.others_newest ? "new" : "old");
  text += fmt::format("  This state alone: --crash_repro={}\n", failure.reproduction);
  return text;
}

}  // namespace

std::string_view crash_verdict_name(CrashVerdict verdict) noexcept {
  switch (verdict) {
    case CrashVerdict::kExhaustive:
      return "EXHAUSTIVE";
    case CrashVerdict::kBounded:
      return "BOUNDED";
    case CrashVerdict::kFailed:
      return "FAILED";
    case CrashVerdict::kInconclusive:
      return "INCONCLUSIVE";
  }
  return "?";
}

std::string CrashReport::to_string() const {
  std::string text = fmt::format("{}: {}\n", crash_verdict_name(verdict), verdict_sentence(*this));
  std::string kills;
  if (kill_points > 0) kills = fmt::format("; killed at {}", counted(kill_points, "moment"));
  if (recovery_kills > 0) {
    kills += fmt::format("{}{} in recovery", kill_points > 0 ? ", and " : "; killed ",
                         counted(recovery_kills, "time"));
  }
  text += fmt::format(
      "  {}, {}; {}, of which {} left something open{}\n"
      "  {} run{} {} that are possible, and {} after a crash in recovery; {}; {:.2f} s\n"
      "  model {}, seed {}\n",
      counted(operations, "operation"), counted(events, "event"),
      counted(crash_points, "crash point"), open_points, kills, counted(states, "state"),
      verdict == CrashVerdict::kExhaustive ? ", which stand for all" : " of", large_number(product),
      nested_states, counted(distinct_outcomes, "outcome"), seconds, model, seed);
  if (schedules > 0) {
    text += fmt::format("  {} of the threads, {} different, with {} at most in each\n",
                        counted(schedules, "schedule"), different_schedules,
                        counted(preemptions, "preemption"));
  }
  if (!steps.empty()) text += steps_text(*this);
  for (const CrashFailure& failure : failures) text += failure_text(failure);
  return text;
}

}  // namespace nacre
