// The suites that `nacre crashtest` brings along, each under each model.

#include <gtest/gtest.h>

#include <algorithm>
#include <iterator>
#include <ostream>
#include <set>
#include <span>
#include <string>
#include <vector>

#include "tools/crash_mutation.h"
#include "tools/crash_selection.h"
#include "tools/crash_suites/crash_suite.h"

namespace nacre::tools {

void PrintTo(const CrashJob& job, std::ostream* out) {
  *out << job.suite.name << " under " << job.model.name;
}

namespace {

/// In memory each word of a record is open on its own. Where there are many, crashes in recovery
/// take up to minutes: `./dev crash --full` tries those. So do kills of the process there.
std::size_t depth_of(const CrashJob& job) {
  const std::set<std::string> wide = {"wal-batch",        "wal-claim",          "wal-submit",
                                      "wal-rotate",       "wal-lanes",          "wal-go-on",
                                      "wal-create-go-on", "wal-truncate-go-on", "log-append-read"};
  // Under cache-line they are tried to the same depth with the same states.
  const std::set<std::string> wide_again = {"wal-create", "wal-truncate"};
  // Ten blocks under way, each of which may hold garbage.
  if (job.suite.name == "wal-two-writes" && job.model.model.paranoid) return 1;
  const bool is_wide = wide.contains(job.suite.name) || job.suite.name.starts_with("store-") ||
                       (job.model.name == "durable-cache" && wide_again.contains(job.suite.name));
  // Making a store stores so much that each state has thousands of crashes in recovery.
  if (job.suite.name == "store-create") return 1;
  return is_wide && !job.model.block ? 1 : 2;
}

/// Recovery that makes a log anew stores so much that killing it at each store takes minutes, which
/// `./dev crash --full --kills` takes.
bool kills_recovery(const CrashJob& job) {
  const std::set<std::string> creating = {"wal-create", "wal-create-go-on", "log-create-topic"};
  return !creating.contains(job.suite.name);
}

bool kills(const CrashJob& job) {
  return job.model.block && !job.suite.samples && job.suite.name != "store-create";
}

constexpr std::uint64_t kSampledStates = 20'000;

class CrashSuites : public testing::TestWithParam<CrashJob> {};

TEST_P(CrashSuites, RecoverFromEveryState) {
  const CrashJob& job = GetParam();
  // Some of what is without end is a matter of seconds.
  const std::uint64_t max_states = job.suite.samples ? kSampledStates : std::uint64_t{1} << 40;
  const CrashReport report = job.suite.explore(job.model, {.max_states = max_states,
                                                           .depth = depth_of(job),
                                                           .process_kills = kills(job),
                                                           .kill_recovery = kills_recovery(job)});
  EXPECT_EQ(report.verdict, job.suite.samples ? CrashVerdict::kBounded : CrashVerdict::kExhaustive)
      << report.to_string();
  // Something was at stake: recovery does not find the same after each crash.
  EXPECT_GT(report.distinct_outcomes, 1U) << report.to_string();
  RecordProperty("states", static_cast<int>(report.states + report.nested_states));
}

INSTANTIATE_TEST_SUITE_P(Nacre, CrashSuites, testing::ValuesIn(*select_crash_jobs({}, "")),
                         [](const auto& one) {
                           std::string name = one.param.suite.name + "_" + one.param.model.name;
                           std::ranges::replace(name, '-', '_');
                           return name;
                         });

TEST(CrashSuitesList, NamesAreDistinctAndSayWhatTheyAre) {
  std::vector<std::string> names;
  for (const CrashSuite& suite : crash_suites()) {
    names.push_back(suite.name);
    EXPECT_FALSE(suite.covers.empty()) << suite.name;
  }
  for (const SuiteModel& model : suite_models()) {
    names.push_back(model.name);
    EXPECT_FALSE(model.meaning.empty()) << model.name;
  }
  std::ranges::sort(names);
  EXPECT_EQ(std::ranges::adjacent_find(names), names.end());
}

void ignore_result(std::size_t, std::size_t, const MutationResult&) {}

std::vector<MutationResult> mutate_append(std::span<const SurvivalReason> reasons) {
  const std::vector<std::string> suites = {"wal-append"};
  CrashTestOptions options;
  options.max_seconds = 2;
  options.depth = 1;
  return *mutate(*select_crash_jobs(suites, "cache-line"), options, ignore_result, reasons);
}

std::vector<MutationResult> mutations_in(std::span<const MutationResult> results,
                                         const std::string& function, const std::string& kind) {
  std::vector<MutationResult> found;
  std::ranges::copy_if(results, std::back_inserter(found), [&](const MutationResult& result) {
    return result.site.kind == kind && result.site.place.find(function) != std::string::npos;
  });
  return found;
}

// Without the fence of an append, what was acknowledged is lost: a suite that did not see it would
// see nothing. The names of what the log is made of are for other suites to miss.
TEST(CrashMutation, SaysWhatIsMissedAndWhatIsNot) {
  const auto results = mutate_append({});
  const auto fences = mutations_in(results, "put_record", "fence");
  ASSERT_EQ(fences.size(), 1U) << mutations_text(results);
  EXPECT_EQ(fences[0].caught_by, "wal-append, cache-line");
  EXPECT_FALSE(fences[0].is_wrong());
  const auto syncs = mutations_in(results, "write_file_atomically", "directory sync");
  ASSERT_FALSE(syncs.empty()) << mutations_text(results);
  EXPECT_TRUE(syncs[0].survives());
  EXPECT_TRUE(syncs[0].is_wrong());
  EXPECT_NE(mutations_text(results).find("SURVIVES"), std::string::npos);
  EXPECT_NE(mutations_page(results).find("| **UNEXPLAINED** |"), std::string::npos);
}

// Whatever was changed, it would seem to miss it.
TEST(CrashMutation, RefusesASuiteThatFailsAsItIs) {
  CrashJob job;
  job.suite.name = "broken";
  job.suite.explore = [](const SuiteModel&, const CrashTestOptions&) {
    CrashReport report;
    report.verdict = CrashVerdict::kFailed;
    return report;
  };
  const auto results = mutate(std::span(&job, 1), {}, ignore_result);
  ASSERT_FALSE(results);
  EXPECT_EQ(results.error().code(), ErrorCode::kInvalidArgument);
}

TEST(CrashMutation, AReasonHasToHold) {
  const std::vector<SurvivalReason> reasons = {
      {.file = "atomic_file.cc", .kind = "directory sync", .reason = "why"},
      {.file = "lane_core.cc", .kind = "fence", .reason = "wrong"}};
  const auto results = mutate_append(reasons);
  const auto syncs = mutations_in(results, "write_file_atomically", "directory sync");
  ASSERT_FALSE(syncs.empty()) << mutations_text(results);
  EXPECT_FALSE(syncs[0].is_wrong());
  const auto fences = mutations_in(results, "put_record", "fence");
  ASSERT_EQ(fences.size(), 1U) << mutations_text(results);
  EXPECT_TRUE(fences[0].is_wrong()) << "it is caught, and said not to be";
  EXPECT_NE(mutations_page(results).find("| directory sync | dropped | why |"), std::string::npos);
}

}  // namespace
}  // namespace nacre::tools
