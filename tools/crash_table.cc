#include "tools/crash_table.h"

#include <fmt/format.h>

#include <algorithm>

#include "emulation/explorer/report_text.h"
#include "tools/table.h"
#include "tools/text.h"

namespace nacre::tools {
namespace {

bool passed(const CrashResult& result) { return result.report.passed(); }

std::string failure_text(const CrashResult& result) {
  std::string text = fmt::format("\n{} under {}: {}", result.job.suite.name, result.job.model.name,
                                 result.report.to_string());
  if (!result.report.failures.empty()) {
    text += fmt::format("  Again: nacre crashtest {} --model {} --crash-repro={}\n",
                        result.job.suite.name, result.job.model.name,
                        result.report.failures.front().reproduction);
  }
  return text;
}

}  // namespace

std::string crash_results_text(std::span<const CrashResult> results) {
  Table table({{.title = "SUITE"},
               {.title = "MODEL"},
               {.title = "VERDICT"},
               {.title = "CRASH POINTS", .align = Align::kRight},
               {.title = "STATES", .align = Align::kRight},
               {.title = "OF", .align = Align::kRight},
               {.title = "IN RECOVERY", .align = Align::kRight},
               {.title = "SECONDS", .align = Align::kRight}});
  for (const auto& [job, report] : results) {
    table.add_row({job.suite.name, job.model.name, std::string(crash_verdict_name(report.verdict)),
                   format_count(report.crash_points), format_count(report.states),
                   large_number(report.product), format_count(report.nested_states),
                   fmt::format("{:.2f}", report.seconds)});
  }
  std::string text = table.render();
  for (const CrashResult& result : results) {
    if (!passed(result)) text += failure_text(result);
  }
  return text;
}

std::string crash_results_json(std::span<const CrashResult> results) {
  std::string text =
      fmt::format("{{\"passed\":{},\"results\":[", std::ranges::all_of(results, passed));
  for (const CrashResult& result : results) {
    // Names of suites and models need no escapes.
    text += fmt::format("{}\n{{\"suite\":\"{}\",\"model\":\"{}\",\"report\":{}}}",
                        &result == results.data() ? "" : ",", result.job.suite.name,
                        result.job.model.name, result.report.to_json());
  }
  return text + "\n]}\n";
}

std::string crash_suites_text() {
  Table suites({{.title = "SUITE"}, {.title = "COVERS"}});
  for (const CrashSuite& suite : crash_suites()) suites.add_row({suite.name, suite.covers});
  Table models({{.title = "MODEL"}, {.title = "WHAT A CRASH MAY LEAVE"}});
  for (const SuiteModel& model : suite_models()) models.add_row({model.name, model.meaning});
  return suites.render() + "\n" + models.render();
}

}  // namespace nacre::tools
