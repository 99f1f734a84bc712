#pragma once

// Calls at random, reopenings and crashes, against a plain model of what the structure is.
//
//   const CrashReport report =
//       ModelCrashTest<Map, MapModel, Put>({.crash = crash_options_from_flags()})
//           .open([](SimulatedMachine& machine) { return Map::open(machine.region()); })
//           .generate([](RandomSource& random) { return Put{uniform_below(random, 4), ...}; })
//           .execute([](Map& map, const Put& put) { return map.put(put); })
//           .read([](Map& map) { return map.contents(); })
//           .explore();
//   EXPECT_CRASH_SAFE(report);
//
// From a seed come sequences of operations. Between two of them the structure may be closed and
// opened again, or the machine may crash. What lies before a crash is a CrashTest: every state that
// the crash may leave, at every crash point since the one before, has to be what the model explains
// (nacre/emulation/durable_linearizability.h). The sequence goes on from one of these states,
// chosen by the seed. One that fails is made shorter as long as it fails (Zeller, Hildebrandt,
// "Simplifying and Isolating Failure-Inducing Input", IEEE TSE 2002), and then each operation
// simpler, if it is told how.
//
// Thread safety: none.

#include <concepts>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "nacre/emulation/crash_test.h"
#include "nacre/emulation/durable_linearizability.h"
#include "nacre/emulation/model_crash_run.h"
#include "nacre/random.h"

namespace nacre {

struct ModelCrashTestOptions {
  /// The machine, the seed, and the budget of all sequences together, which share it out. With
  /// `reproduce`, the sequence of that failure is made again, and ends with that state alone.
  CrashTestOptions crash = {};
  std::size_t sequences = 10;
  /// Of a sequence; at most 64.
  std::size_t operations = 12;
  /// How often one in a hundred operations is followed by the one or the other.
  std::size_t reopens_percent = 10;
  std::size_t crashes_percent = 15;
  /// After each recovery, one operation more, which has to be there when the structure is opened
  /// once more.
  bool goes_on = true;
  /// How many shorter or simpler sequences are tried, once one has failed.
  std::size_t max_shrink_runs = 200;
};

/// A ModelCrashTest without its types. For ModelCrashTest.
struct ModelCrashProgram {
  using Steps = std::vector<ModelStep>;
  std::function<ModelStep::Operation(RandomSource&)> generate;
  /// May be empty.
  std::function<std::vector<ModelStep::Operation>(const ModelStep::Operation&)> shrink;
  std::function<std::string(const ModelStep::Operation&)> text;
  /// Every crash in `steps[begin, end)`, between which there is none; those before have happened.
  std::function<CrashReport(const Steps& steps, std::size_t begin, std::size_t end,
                            const CrashTestOptions& options)>
      explore;
};

CrashReport explore_model(const ModelCrashProgram& program, const ModelCrashTestOptions& options);

/// `Structure` is what is under test, opened. `Model` is a value that does the same, one operation
/// after the other: `apply(const Op&)` gives back what the operation returns, if anything, and it
/// can be compared with another one and with what `read` gives. Texts come from `to_string`.
template <class Structure, class Model, class Op>
class ModelCrashTest {
 public:
  using Answer = typename ModelAnswer<Model, Op>::Type;

  explicit ModelCrashTest(ModelCrashTestOptions options = {}, Model initial = {})
      : options_(std::move(options)) {
    parts_.initial = std::move(initial);
  }

  /// Everything it leaves is durable, and the initial model stands for it. May be left out.
  ModelCrashTest& setup(std::function<void(SimulatedMachine&)> setup) {
    parts_.setup = std::move(setup);
    return *this;
  }
  /// Opens the structure, on new media too unless there is a `setup`. Its destructor closes it.
  ModelCrashTest& open(std::function<Result<Structure>(SimulatedMachine&)> open) {
    parts_.open = std::move(open);
    return *this;
  }
  ModelCrashTest& generate(std::function<Op(RandomSource&)> generate) {
    generate_ = std::move(generate);
    return *this;
  }
  /// Does the operation on the structure. Returns what the model's `apply` does, or a Result of it:
  /// an error fails the test.
  template <class Execute>
  ModelCrashTest& execute(Execute execute) {
    parts_.execute = [execute = std::move(execute)](Structure& structure,
                                                    const Op& op) -> Result<Answer> {
      using Returned = std::invoke_result_t<const Execute&, Structure&, const Op&>;
      if constexpr (std::is_void_v<Returned>) {
        execute(structure, op);
        return Answer();
      } else if constexpr (std::same_as<Returned, Status>) {
        if (Status done = execute(structure, op); !done) return std::move(done).error();
        return Answer();
      } else {
        return execute(structure, op);
      }
    };
    return *this;
  }
  /// What the structure holds, for the model to be compared with.
  template <class Read>
  ModelCrashTest& read(Read read) {
    parts_.read = [read = std::move(read)](Structure& structure) -> Result<Model> {
      return read(structure);
    };
    return *this;
  }
  /// Operations that are simpler than this one, the simplest first. May be left out.
  ModelCrashTest& shrink(std::function<std::vector<Op>(const Op&)> shrink) {
    shrink_ = std::move(shrink);
    return *this;
  }
  /// For a structure that is durable now and then: the operations after which everything before
  /// them is. All others may be lost, the last ones first. May be left out.
  ModelCrashTest& makes_durable(std::function<bool(const Op&)> makes_durable) {
    parts_.makes_durable = std::move(makes_durable);
    return *this;
  }

  /// A failure has the fewest steps that were found to fail, in `CrashReport::steps`.
  CrashReport explore() const {
    using Operation = ModelStep::Operation;
    const auto op = [](const Operation& operation) -> const Op& {
      return *static_cast<const Op*>(operation.get());
    };
    ModelCrashProgram program;
    program.generate = [&](RandomSource& random) -> Operation {
      return std::make_shared<const Op>(generate_(random));
    };
    if (shrink_) {
      program.shrink = [&](const Operation& operation) {
        std::vector<Operation> simpler;
        for (Op& one : shrink_(op(operation))) {
          simpler.push_back(std::make_shared<const Op>(std::move(one)));
        }
        return simpler;
      };
    }
    program.text = [&](const Operation& operation) { return crash_calls::text_of(op(operation)); };
    program.explore = [&](const ModelCrashProgram::Steps& steps, std::size_t begin, std::size_t end,
                          const CrashTestOptions& options) {
      ModelCrashRun<Structure, Model, Op> run(parts_, steps, options_.goes_on);
      return run.explore(begin, end, options);
    };
    return explore_model(program, options_);
  }

 private:
  ModelCrashTestOptions options_;
  ModelCrashParts<Structure, Model, Op> parts_;
  std::function<Op(RandomSource&)> generate_;
  std::function<std::vector<Op>(const Op&)> shrink_;
};

}  // namespace nacre
