#pragma once

// How a sequence of operations is run and judged. For nacre/emulation/model_crash_test.h.
//
// Thread safety: none.

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <type_traits>
#include <utility>
#include <variant>
#include <vector>

#include "nacre/emulation/crash_test.h"
#include "nacre/emulation/durable_linearizability.h"

namespace nacre {

/// A step of a sequence, without the type of its operation.
struct ModelStep {
  enum class Kind : std::uint8_t { kOperation, kReopen, kCrash };
  using Operation = std::shared_ptr<const void>;

  Kind kind = Kind::kOperation;
  Operation operation = {};
  std::uint64_t seed = 0;  ///< Of what a crash leaves.
};

/// Crashes before the one that is explored: they happen, while the machine is set up.
namespace crash_in_setup {

/// What was done so far is durable; what comes is recorded, so that a crash may leave it out.
void begin(SimulatedMachine& machine);
/// How much has been recorded.
std::size_t events(const SimulatedMachine& machine);
/// At a moment that comes at event `first` or later. What it leaves, and when it comes, is decided
/// by the seed. Nothing that has been opened on the machine may be in use any more.
void crash(SimulatedMachine& machine, std::size_t first, std::uint64_t seed);

}  // namespace crash_in_setup

template <class Model, class Op>
struct ModelAnswer {
  using Applied = decltype(std::declval<Model&>().apply(std::declval<const Op&>()));
  using Type = std::conditional_t<std::is_void_v<Applied>, std::monostate, std::decay_t<Applied>>;

  static Type apply(Model& model, const Op& op) {
    if constexpr (std::is_void_v<Applied>) {
      model.apply(op);
      return {};
    } else {
      return model.apply(op);
    }
  }
};

/// What the user of a ModelCrashTest has said.
template <class Structure, class Model, class Op>
struct ModelCrashParts {
  using Answer = typename ModelAnswer<Model, Op>::Type;
  Model initial = {};
  std::function<void(SimulatedMachine&)> setup;
  std::function<Result<Structure>(SimulatedMachine&)> open;
  std::function<Result<Answer>(Structure&, const Op&)> execute;
  std::function<Result<Model>(Structure&)> read;
  std::function<bool(const Op&)> makes_durable;
};

template <class Structure, class Model, class Op>
class ModelCrashRun {
 public:
  using Parts = ModelCrashParts<Structure, Model, Op>;
  using Answer = typename Parts::Answer;
  using Steps = std::span<const ModelStep>;

  /// Lifetime: both outlive this.
  ModelCrashRun(const Parts& parts, Steps steps, bool goes_on)
      : parts_(parts), steps_(steps), goes_on_(goes_on) {}

  /// Every crash in the steps [begin, end), none of which is one; those before have happened.
  CrashReport explore(std::size_t begin, std::size_t end, const CrashTestOptions& options) {
    return CrashTest<Model>(options)
        .setup([&](SimulatedMachine& machine) { play_before(machine, begin); })
        .run([&](SimulatedMachine& machine, CrashRun& run) { play(machine, &run, begin, end); })
        .recover([&](SimulatedMachine& machine) -> Result<Model> {
          Result<Structure> structure = parts_.open(machine);
          if (!structure) return std::move(structure).error();
          return parts_.read(*structure);
        })
        .check([&](const Model& found, const CrashHistory& history) -> Status {
          if (problem_) return *problem_;
          return parts_.makes_durable ? buffered_prefix(base_, calls_.all(), history, found)
                                      : durably_linearizable(base_, calls_.all(), history, found);
        })
        .use([&](SimulatedMachine& machine) { return use(machine); })
        .explore();
  }

 private:
  using Kind = ModelStep::Kind;

  static const Op& op_of(const ModelStep& step) {
    return *static_cast<const Op*>(step.operation.get());
  }

  void play_before(SimulatedMachine& machine, std::size_t end) {
    problem_.reset();
    if (parts_.setup) parts_.setup(machine);
    crash_in_setup::begin(machine);
    possible_ = {parts_.initial};
    for (std::size_t begin = 0; begin < end;) {
      std::size_t crash = begin;
      while (steps_[crash].kind != Kind::kCrash) ++crash;
      play(machine, nullptr, begin, crash);
      structure_.reset();
      crash_in_setup::crash(machine, last_begun_, steps_[crash].seed);
      begin = crash + 1;
    }
  }

  /// `run`: null before the crash that is explored.
  void play(SimulatedMachine& machine, CrashRun* run, std::size_t begin, std::size_t end) {
    calls_.clear();
    structure_.reset();
    last_begun_ = crash_in_setup::events(machine);
    mark(run, "open", [&] { open_after_crash(machine); });
    for (const ModelStep& step : steps_.subspan(begin, end - begin)) {
      if (problem_) break;
      last_begun_ = crash_in_setup::events(machine);
      possible_.erase(possible_.begin(), possible_.begin() + durable_);
      durable_ = 0;
      if (step.kind == Kind::kReopen) {
        mark(run, "reopen", [&] { reopen(machine); });
      } else {
        execute(run, op_of(step));
      }
    }
    if (run != nullptr) run->operation("close", [&] { structure_.reset(); });
  }

  template <class Body>
  static void mark(CrashRun* run, const char* name, Body body) {
    if (run == nullptr) {
      body();
    } else {
      run->operation(name, body);
    }
  }

  /// What the crash has left has to be something that it may have left: the sequence goes on there.
  void open_after_crash(SimulatedMachine& machine) {
    const std::optional<Model> found = open_and_read(machine);
    if (!found) return;
    for (const Model& model : possible_) {
      if (!(model == *found)) continue;
      base_ = model_ = model;
      possible_ = {model_};
      durable_ = 0;
      return;
    }
    fail(
        "opened after the crash before it, or for the first time, it holds something else than it "
        "may",
        crash_calls::text_of(*found), crash_calls::text_of(possible_.back()));
  }

  void reopen(SimulatedMachine& machine) {
    structure_.reset();
    const std::optional<Model> found = open_and_read(machine);
    if (!found || *found == model_) return;
    fail("closed and opened again, without a crash, it holds something else",
         crash_calls::text_of(*found), crash_calls::text_of(model_));
  }

  std::optional<Model> open_and_read(SimulatedMachine& machine) {
    Result<Structure> opened = parts_.open(machine);
    if (!opened) {
      problem_ = std::move(opened).error();
      return std::nullopt;
    }
    structure_.emplace(*std::move(opened));
    Result<Model> found = parts_.read(*structure_);
    if (found) return *std::move(found);
    problem_ = std::move(found).error();
    return std::nullopt;
  }

  void execute(CrashRun* run, const Op& op) {
    const std::string name = name_of(op);
    Result<Answer> answer = Error(ErrorCode::kClosed, "not done");
    const auto body = [&] { answer = parts_.execute(*structure_, op); };
    if (run == nullptr) {
      body();
    } else {
      calls_.perform(*run, name, op, body);
    }
    const Answer expected = ModelAnswer<Model, Op>::apply(model_, op);
    if (!answer) {
      problem_ = std::move(answer).error();
    } else if (!(*answer == expected)) {
      fail("'" + name + "' returned something else, without a crash", crash_calls::text_of(*answer),
           crash_calls::text_of(expected));
    }
    possible_.push_back(model_);
    if (parts_.makes_durable && !parts_.makes_durable(op)) return;
    durable_ = static_cast<std::ptrdiff_t>(possible_.size()) - 1;
    if (run != nullptr && parts_.makes_durable) run->promise_durable(run->operations().size());
  }

  static std::string name_of(const Op& op) {
    const std::string text = crash_calls::text_of(op);
    return text.empty() ? "operation" : text;
  }

  /// The structure goes on after the crash: one operation, and what it has done is there.
  Status use(SimulatedMachine& machine) {
    const ModelStep* some = nullptr;
    for (const ModelStep& step : steps_) {
      if (step.kind == Kind::kOperation && some == nullptr) some = &step;
    }
    if (some == nullptr || !goes_on_) return {};
    const Op& op = op_of(*some);
    const Result<Model> expected = use_for(machine, op);
    if (!expected) return expected.error();
    Result<Structure> structure = parts_.open(machine);
    if (!structure) return std::move(structure).error();
    const Result<Model> found = parts_.read(*structure);
    if (!found) return found.error();
    if (*found == *expected) return {};
    return Error(ErrorCode::kCorruption, "what '" + name_of(op) + "' has done is not there");
  }

  /// What the structure has to hold behind `op`.
  Result<Model> use_for(SimulatedMachine& machine, const Op& op) {
    Result<Structure> structure = parts_.open(machine);
    if (!structure) return std::move(structure).error();
    Result<Model> model = parts_.read(*structure);
    if (!model) return model;
    const Answer expected = ModelAnswer<Model, Op>::apply(*model, op);
    const Result<Answer> answer = parts_.execute(*structure, op);
    if (!answer) return answer.error();
    if (*answer == expected) return model;
    return Error(ErrorCode::kCorruption,
                 "'" + name_of(op) + "' returns something else than before");
  }

  void fail(std::string what, const std::string& found, const std::string& expected) {
    if (!found.empty() || !expected.empty()) what += ": " + found + ", and not " + expected;
    problem_ = Error(ErrorCode::kCorruption, std::move(what));
  }

  const Parts& parts_;
  Steps steps_;
  bool goes_on_;
  std::optional<Structure> structure_;
  Model base_ = {};              // Behind the crash before.
  Model model_ = {};             // Behind the operations since.
  std::vector<Model> possible_;  // What a crash at the last step may leave.
  std::ptrdiff_t durable_ = 0;   // Behind that step, no more one of the first so many.
  std::size_t last_begun_ = 0;   // The event at which that step began.
  CrashCalls<Op> calls_;
  std::optional<Error> problem_;
};

}  // namespace nacre
