#include "tools/crash_selection.h"

#include <fmt/format.h>

#include <algorithm>
#include <filesystem>
#include <string_view>

#include "lib/base/try.h"

namespace nacre::tools {
namespace {

template <class Named>
Status check_known(std::string_view kind, const std::string& name, const std::vector<Named>& all) {
  std::string known;
  for (const Named& one : all) {
    if (one.name == name) return {};
    known += (known.empty() ? "" : ", ") + one.name;
  }
  return Error(ErrorCode::kInvalidArgument,
               fmt::format("there is no {} '{}'; there are: {}", kind, name, known));
}

}  // namespace

Result<std::vector<CrashJob>> select_crash_jobs(std::span<const std::string> suites,
                                                const std::string& model) {
  const std::vector<CrashSuite> all_suites = crash_suites();
  const std::vector<SuiteModel> all_models = suite_models();
  for (const std::string& name : suites) {
    NACRE_TRY(check_known("crash suite", name, all_suites));
  }
  if (!model.empty()) NACRE_TRY(check_known("model", model, all_models));

  std::vector<CrashJob> jobs;
  for (const CrashSuite& suite : all_suites) {
    if (!suites.empty() && std::ranges::find(suites, suite.name) == suites.end()) continue;
    for (const SuiteModel& one : all_models) {
      if (!model.empty() && model != one.name) continue;
      if (runs_under(suite, one)) jobs.push_back({.suite = suite, .model = one});
    }
  }
  if (!jobs.empty()) return jobs;
  return Error(ErrorCode::kInvalidArgument,
               fmt::format("{} does not run under {}, but under the block models alone",
                           fmt::join(suites, ", "), model));
}

std::string report_path(const std::string& path, const CrashJob& job, bool is_only_one) {
  if (is_only_one) return path;
  std::filesystem::path made(path);
  const std::string extension = made.extension().string();
  made.replace_filename(
      fmt::format("{}-{}-{}{}", made.stem().string(), job.suite.name, job.model.name, extension));
  return made.string();
}

}  // namespace nacre::tools
