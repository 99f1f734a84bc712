#include <fmt/format.h>

#include <algorithm>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "lib/base/try.h"
#include "nacre/emulation/model_crash_test.h"
#include "nacre/wal.h"
#include "tools/crash_suites/structure_suites.h"
#include "tools/crash_suites/wal_workload.h"
#include "tools/crash_suites/workload.h"

namespace nacre::tools {
namespace {

constexpr std::size_t kHalfSegment = 30000;
constexpr std::uint64_t kMostStates = 300'000;

/// Appends so many records in one batch, or gives up all but the newest one.
struct WalCall {
  std::size_t records = 0;  ///< 0: truncates.
  std::size_t bytes = 0;    ///< Of each record.

  std::string to_string() const {
    return records == 0 ? "truncate" : fmt::format("append {} x {} bytes", records, bytes);
  }
};

/// The records that a log has to hold, or that one was found to hold.
struct WalRecords {
  std::vector<std::string> records = {};
  std::size_t first = 0;  ///< The number of the first one.
  bool was_read = false;

  std::size_t end() const { return first + records.size(); }
  void apply(const WalCall& call) {
    if (call.records == 0 && !records.empty()) {
      first = end() - 1;
      records.erase(records.begin(), records.end() - 1);
    }
    for (std::size_t i = 0; i < call.records; ++i) {
      records.push_back(record_text(end(), call.bytes));
    }
  }
  /// What was read may begin earlier than it has to, since a log gives up whole segments.
  friend bool operator==(const WalRecords& one, const WalRecords& other) {
    if (one.end() != other.end()) return false;
    if (one.was_read && !other.was_read && one.first > other.first) return false;
    if (other.was_read && !one.was_read && other.first > one.first) return false;
    const std::size_t common = std::min(one.records.size(), other.records.size());
    return std::equal(one.records.end() - static_cast<std::ptrdiff_t>(common), one.records.end(),
                      other.records.end() - static_cast<std::ptrdiff_t>(common));
  }
};

std::string to_string(const WalRecords& log) {
  return fmt::format("records {} to {}", log.first, log.end());
}

class WalUnderModel {
 public:
  explicit WalUnderModel(Wal wal) : wal_(std::make_unique<Wal>(std::move(wal))) {}

  Status take(const WalCall& call) {
    if (call.records == 0) return wal_->truncate(wal_->lane(0).durable_lsn());
    const std::size_t end = NACRE_TRY(read()).end();
    std::vector<std::string> texts;
    for (std::size_t i = 0; i < call.records; ++i)
      texts.push_back(record_text(end + i, call.bytes));
    std::vector<Bytes> payloads;
    for (const std::string& text : texts) payloads.push_back(as_bytes(text));
    NACRE_TRY(wal_->lane(0).append_batch(payloads));
    return {};
  }

  Result<WalRecords> read() const {
    WalRecords log{.was_read = true};
    NACRE_TRY(wal_->replay([&](std::uint32_t, const RecordView& record) {
      const std::string text(as_text(record.payload));
      // LSNs of one lane are consecutive, from 1.
      if (log.records.empty()) log.first = record.lsn.value - 1;
      log.records.push_back(text);
      return record.lsn.value == log.end() ? Status() : wrong("an LSN is missing");
    }));
    return log;
  }

 private:
  std::unique_ptr<Wal> wal_;
};

WalCall random_call(RandomSource& random) {
  const std::uint64_t kind = uniform_below(random, 10);
  if (kind == 0) return {};
  if (kind <= 2) return {.records = 1, .bytes = kHalfSegment};
  return {.records = 1 + uniform_below(random, 2), .bytes = 4 + uniform_below(random, 2) * 4};
}

}  // namespace

CrashReport explore_wal_model(const SuiteModel& model, CrashTestOptions options) {
  // A torn record of half a segment alone has more states than there is time for.
  options.max_states = std::min(options.max_states, kMostStates);
  return ModelCrashTest<WalUnderModel, WalRecords, WalCall>(
             {.crash = suite_options(model, std::move(options)),
              .sequences = 6,
              .operations = 8,
              .crashes_percent = 25})
      .open([&model](SimulatedMachine& machine) -> Result<WalUnderModel> {
        return WalUnderModel(NACRE_TRY(open_suite_wal(machine, model, 1)));
      })
      .generate(random_call)
      .execute([](WalUnderModel& wal, const WalCall& call) { return wal.take(call); })
      .read([](WalUnderModel& wal) { return wal.read(); })
      .explore();
}

}  // namespace nacre::tools
