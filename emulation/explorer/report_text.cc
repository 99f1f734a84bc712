#include "emulation/explorer/report_text.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

namespace nacre {
std::string grouped(std::uint64_t number) {
  std::string digits = std::to_string(number);
  for (std::size_t at = digits.size(); at > 3;) {
    at -= 3;
    digits.insert(at, ",");
  }
  return digits;
}

std::string counted(std::uint64_t count, std::string_view noun) {
  return fmt::format("{} {}{}", grouped(count), noun, count == 1 ? "" : "s");
}

std::string large_number(double number) {
  if (number < 1e12) return grouped(static_cast<std::uint64_t>(number));
  if (!std::isfinite(number)) return "more than 10^308";
  return fmt::format("about 10^{:.0f}", std::floor(std::log10(number)));
}

std::string spaced_bytes(std::string_view hexadecimal) {
  std::string text;
  for (std::size_t at = 0; at + 1 < hexadecimal.size(); at += 2) {
    if (at != 0) text += at % 16 == 0 ? "  " : " ";
    text += hexadecimal.substr(at, 2);
  }
  return text;
}

void add_sites(const std::vector<CrashSite>& more, std::vector<CrashSite>& sites) {
  for (const CrashSite& site : more) {
    const auto known = std::ranges::find(sites, site.address, &CrashSite::address);
    if (known == sites.end()) sites.push_back(site);
  }
}

std::string granule_title(const CrashGranule& granule) {
  if (granule.bytes == 0) return granule.content;
  const std::string garbage = granule.garbage ? " of garbage" : "";
  const std::string bytes = counted(granule.bytes, "byte") + garbage;
  if (granule.path.empty()) return fmt::format("{} at {:#x}", bytes, granule.address);
  return fmt::format("{} at {} of {}", bytes, granule.address, granule.path);
}

namespace {

std::string sequences_sentence(const CrashReport& report) {
  return fmt::format("every check passed, in {} of {} of operations; there are other sequences",
                     report.tried_each_state ? "every state that a crash may leave" : "some states",
                     counted(report.sequences, "sequence"));
}

std::string schedules_sentence(const CrashReport& report) {
  return fmt::format("every check passed, in {} of {} of the threads; there are other schedules",
                     report.tried_each_state ? "every state that a crash may leave" : "some states",
                     counted(report.different_schedules, "different schedule"));
}

}  // namespace

std::string verdict_sentence(const CrashReport& report) {
  if (!report.problem.empty()) return report.problem;
  const std::string limit = report.limit.empty() ? "" : ": " + report.limit;
  switch (report.verdict) {
    case CrashVerdict::kExhaustive:
      return "every state that a crash may leave was tried, and every check passed";
    case CrashVerdict::kBounded:
      if (report.schedules > 0) return schedules_sentence(report) + limit;
      if (report.sequences > 0) return sequences_sentence(report) + limit;
      return "every check passed, but not every state was tried" + limit;
    case CrashVerdict::kFailed:
      return fmt::format("{} that a crash may leave {} not pass",
                         counted(report.failures.size(), "state"),
                         report.failures.size() == 1 ? "does" : "do");
    case CrashVerdict::kInconclusive:
      break;
  }
  return "nothing was tested";
}

}  // namespace nacre
