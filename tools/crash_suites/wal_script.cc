#include "tools/crash_suites/wal_script.h"

#include <fmt/format.h>

#include <algorithm>
#include <memory>
#include <optional>
#include <span>
#include <utility>

#include "lib/base/try.h"
#include "nacre/wal.h"
#include "tools/crash_suites/wal_workload.h"
#include "tools/crash_suites/workload.h"

namespace nacre::tools {
namespace {

class WalUnderTest {
 public:
  WalUnderTest(SimulatedMachine& machine, const SuiteModel& model)
      : machine_(machine), model_(model) {}

  void open() { wal_.emplace(require(open_suite_wal(machine_, model_, 1))); }
  void close() { wal_.reset(); }
  void take(const WalStep& step) {
    switch (step.kind) {
      case WalStep::Kind::kAppend:
        append(step);
        break;
      case WalStep::Kind::kSubmit:
        submit(step);
        break;
      case WalStep::Kind::kClaim:
        claim(step);
        break;
      case WalStep::Kind::kTruncate:
        require(wal_->truncate(wal_->lane(0).durable_lsn()));
        break;
      case WalStep::Kind::kReopen:
        close();
        open();
        break;
    }
  }

 private:
  void append(const WalStep& step) {
    Records texts;
    for (std::size_t i = 0; i < step.records; ++i) {
      texts.push_back(record_text(appended_++, step.bytes));
    }
    if (step.records == 1) {
      require(wal_->lane(0).append(as_bytes(texts.front())));
      return;
    }
    std::vector<Bytes> payloads;
    for (const std::string& text : texts) payloads.push_back(as_bytes(text));
    require(wal_->lane(0).append_batch(payloads));
  }

  void submit(const WalStep& step) {
    Lsn last;
    for (std::size_t i = 0; i < step.records; ++i) {
      last = require(wal_->lane(0).submit(as_bytes(record_text(appended_++, step.bytes))));
    }
    require(wal_->lane(0).wait(last));
  }

  void claim(const WalStep& step) {
    const std::string text = record_text(appended_++, step.bytes);
    Claim claim = require(wal_->lane(0).claim(text.size()));
    std::ranges::copy(as_bytes(text), claim.payload().begin());
    require(claim.commit(text.size()));
  }

  SimulatedMachine& machine_;
  const SuiteModel& model_;
  std::optional<Wal> wal_;
  std::size_t appended_ = 0;
};

/// What recovery has found, and its own record where that belongs to its answer.
Result<Records> recover(SimulatedMachine& machine, const SuiteModel& model,
                        const WalScript& script) {
  Wal wal = NACRE_TRY(open_suite_wal(machine, model, 1));
  Records records = NACRE_TRY(records_of(wal));
  const bool has_gone_on = !records.empty() && records.back() == script.goes_on_with;
  if (has_gone_on) records.pop_back();
  if (script.answers_first) machine.mark_answered();
  if (script.goes_on && !has_gone_on) {
    NACRE_TRY(wal.lane(0).append(as_bytes(script.goes_on_with)));
  }
  if (script.answers_first) return records;
  if (script.goes_on) records.push_back(script.goes_on_with);
  machine.mark_answered();
  return records;
}

/// What a recovery may find.
class Expectation {
 public:
  Expectation(const WalScript& script, const CrashHistory& history) {
    for (const WalStep& step : script.setup) {
      truncate(step);
      add(step);
    }
    least_ = texts_.size();
    ends_.push_back(least_);
    // Creating the log is an operation of its own.
    const std::size_t first = script.creates ? 1 : 0;
    for (std::size_t i = 0; i < script.run.size(); ++i) {
      add_begun(script.run[i], history.state(first + i));
    }
  }

  Status check(const Records& found) const {
    std::size_t begin = 0;
    if (!found.empty()) {
      const auto first = std::ranges::find(texts_, found.front());
      begin = static_cast<std::size_t>(first - texts_.begin());
    } else if (least_ > 0) {
      return wrong(fmt::format("no records, and {} were there", least_));
    }
    const std::size_t end = begin + found.size();
    if (begin > may_begin_at_ || end < least_ || std::ranges::find(ends_, end) == ends_.end()) {
      return wrong(fmt::format("found records {} to {}; {} were acknowledged, {} begun", begin, end,
                               least_, ends_.back()));
    }
    if (!std::ranges::equal(found, std::span(texts_).subspan(begin, found.size()))) {
      return wrong("a record holds something else");
    }
    return {};
  }

 private:
  void add_begun(const WalStep& step, OperationState state) {
    if (state == OperationState::kNotBegun) return;
    truncate(step);
    const std::size_t before = texts_.size();
    add(step);
    if (step.kind == WalStep::Kind::kSubmit) {
      for (std::size_t end = before + 1; end < texts_.size(); ++end) ends_.push_back(end);
    }
    ends_.push_back(texts_.size());
    if (state == OperationState::kCompleted) least_ = texts_.size();
  }

  void truncate(const WalStep& step) {
    // The newest record stays: the log is truncated below its LSN.
    if (step.kind == WalStep::Kind::kTruncate) may_begin_at_ = texts_.size() - 1;
  }

  void add(const WalStep& step) {
    if (step.kind == WalStep::Kind::kTruncate || step.kind == WalStep::Kind::kReopen) return;
    for (std::size_t i = 0; i < step.records; ++i) {
      texts_.push_back(record_text(texts_.size(), step.bytes));
    }
  }

  Records texts_;
  std::vector<std::size_t> ends_;  // Where a crash may have cut: between calls, not inside one.
  std::size_t least_ = 0;
  std::size_t may_begin_at_ = 0;  // No truncation that has begun gives up this record.
};

}  // namespace

std::string WalStep::name() const {
  switch (kind) {
    case Kind::kAppend:
      return fmt::format("append {} x {} bytes", records, bytes);
    case Kind::kSubmit:
      return fmt::format("submit {} x {} bytes", records, bytes);
    case Kind::kClaim:
      return fmt::format("claim {} bytes", bytes);
    case Kind::kTruncate:
      return "truncate";
    case Kind::kReopen:
      return "reopen";
  }
  return {};
}

CrashReport explore_wal_script(const WalScript& script, const SuiteModel& model,
                               CrashTestOptions options) {
  auto wal = std::make_shared<std::optional<WalUnderTest>>();
  return CrashTest<Records>(suite_options(model, std::move(options)))
      .setup([=, &script, &model](SimulatedMachine& machine) {
        wal->emplace(machine, model);
        if (script.creates) return;
        (*wal)->open();
        for (const WalStep& step : script.setup) (*wal)->take(step);
      })
      .run([=, &script](SimulatedMachine&, CrashRun& run) {
        if (script.creates) run.operation("create", [&] { (*wal)->open(); });
        for (const WalStep& step : script.run) {
          run.operation(step.name(), [&] { (*wal)->take(step); });
        }
        run.operation("close", [&] { (*wal)->close(); });
      })
      .recover(
          [&script, &model](SimulatedMachine& machine) { return recover(machine, model, script); })
      .check([&script](Records records, const CrashHistory& history) {
        if (script.goes_on && !script.answers_first) records.pop_back();
        return Expectation(script, history).check(records);
      })
      .use([&model](SimulatedMachine& machine) {
        return append_one_more(machine, model, 1, "one more");
      })
      .explore();
}

}  // namespace nacre::tools
