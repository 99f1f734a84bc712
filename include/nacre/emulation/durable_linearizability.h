#pragma once

// Whether what recovery has found is explained by the calls that were made before the crash.
//
//   CrashCalls<Put, bool> calls;
//   test.run([&](SimulatedMachine& machine, CrashRun& run) {
//         calls.clear();
//         calls.perform(run, "put 3", Put{3}, [&] { return map.put(3); });
//       })
//       .check([&](const Contents& found, const CrashHistory& history) {
//         return durably_linearizable(Model(), calls.all(), history, found);
//       });
//
// The model is a plain value that does one call after the other: `apply(const Op&)` changes it and
// gives back what the call returns, if anything; `==` compares it with itself and with what was
// found. Errors name a result, or show a state, when there is a `to_string` for it.
//
// Thread safety: none; among the threads of CrashRun::threads one runs at a time.

#include <concepts>
#include <cstddef>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <variant>
#include <vector>

#include "nacre/emulation/crash_history.h"
#include "nacre/result.h"

namespace nacre {

/// A call that the workload made. `Result` is std::monostate for a call that returns nothing, or
/// nothing that is looked at.
template <class Op, class Result = std::monostate>
struct CrashCall {
  std::size_t operation = 0;  ///< Its index in the history.
  Op op;
  std::optional<Result> result = {};  ///< Once it has returned.
};

/// The calls of a workload, as it makes them.
template <class Op, class Result = std::monostate>
class CrashCalls {
 public:
  /// A workload that runs again begins with none.
  void clear() noexcept { calls_.clear(); }
  std::span<const CrashCall<Op, Result>> all() const noexcept { return calls_; }

  /// Runs `body` as the operation `name` of `run`, and notes what it returns.
  template <class Body>
  void perform(CrashRun& run, std::string name, Op op, Body body) {
    // Noted at the beginning: it may have taken effect when it never returns.
    const std::size_t call = calls_.size();
    calls_.push_back({.operation = 0, .op = std::move(op), .result = {}});
    const std::size_t operation = run.begin(std::move(name));
    calls_[call].operation = operation;
    if constexpr (std::is_void_v<std::invoke_result_t<Body&>>) {
      body();
      calls_[call].result.emplace();
    } else {
      Result result = body();
      calls_[call].result.emplace(std::move(result));
    }
    run.end(operation);
  }

 private:
  std::vector<CrashCall<Op, Result>> calls_;
};

/// The calls, the model and what was found, without their types. For the functions below.
struct CallsToExplain {
  using State = std::shared_ptr<const void>;
  struct Step {
    State state;
    bool as_returned = true;  ///< The model returns what the call has returned.
  };
  static constexpr std::size_t kMaxCalls = 64;

  State initial;
  std::vector<std::size_t> operations;  ///< Of each call: its index in the history.
  std::function<Step(const State&, std::size_t call)> apply;
  std::function<bool(const State&, const State&)> equal;
  std::function<bool(const State&)> is_found;
  /// These may give nothing.
  std::function<std::string(std::size_t call)> result_text;
  std::function<std::string(const State&)> state_text;
  std::string found_text;
};

enum class CrashPromise : std::uint8_t {
  kEachCall,       ///< A call is durable when it returns.
  kPromisedCalls,  ///< The calls that CrashRun::promise_durable has named are.
};

Status explain_calls(const CallsToExplain& calls, const CrashHistory& history,
                     CrashPromise promise);

namespace crash_calls {

template <class T>
std::string text_of(const T& value) {
  if constexpr (std::same_as<T, bool>) {
    return value ? "true" : "false";
  } else if constexpr (std::is_convertible_v<const T&, std::string_view>) {
    return "\"" + std::string(std::string_view(value)) + "\"";
  } else if constexpr (requires { value.to_string(); }) {
    return value.to_string();
  } else if constexpr (requires {
                         value.has_value();
                         *value;
                       }) {
    return value.has_value() ? text_of(*value) : "nothing";
  } else if constexpr (requires { to_string(value); }) {
    return to_string(value);
  } else if constexpr (std::is_arithmetic_v<T>) {
    return std::to_string(value);
  } else {
    return {};
  }
}

template <class Model, class Op, class Result, class Found>
Status explain(const Model& initial, std::span<const CrashCall<Op, Result>> calls,
               const CrashHistory& history, const Found& found, CrashPromise promise) {
  using State = CallsToExplain::State;
  const auto model = [](const State& state) -> const Model& {
    return *static_cast<const Model*>(state.get());
  };
  CallsToExplain untyped;
  untyped.initial = std::make_shared<const Model>(initial);
  for (const auto& call : calls) untyped.operations.push_back(call.operation);
  untyped.apply = [=](const State& before, std::size_t index) {
    const CrashCall<Op, Result>& call = calls[index];
    auto after = std::make_shared<Model>(model(before));
    if constexpr (std::same_as<Result, std::monostate>) {
      static_cast<void>(after->apply(call.op));
      return CallsToExplain::Step{std::move(after)};
    } else {
      const auto result = after->apply(call.op);
      const bool as_returned = !call.result || result == *call.result;
      return CallsToExplain::Step{std::move(after), as_returned};
    }
  };
  untyped.equal = [=](const State& one, const State& other) { return model(one) == model(other); };
  untyped.is_found = [=, &found](const State& state) { return model(state) == found; };
  untyped.result_text = [=](std::size_t call) {
    return calls[call].result ? text_of(*calls[call].result) : std::string();
  };
  untyped.state_text = [=](const State& state) { return text_of(model(state)); };
  untyped.found_text = text_of(found);
  return explain_calls(untyped, history, promise);
}

}  // namespace crash_calls

/// Durable linearizability (Izraelevitz, Mendes, Scott, DISC 2016): `found` is what `initial`
/// becomes by every call that had returned and any of those under way, in an order that keeps each
/// call behind those that had returned before it began, and in which each call that had returned
/// gives what it did. At most 64 calls.
/// Errors: `corruption` (it is not; names the calls that are missing, or must not be there, or
/// returned something else); `unsupported` (more than 64 calls, or too many orders to try).
template <class Model, class Op, class Result, class Found>
Status durably_linearizable(const Model& initial, std::span<const CrashCall<Op, Result>> calls,
                            const CrashHistory& history, const Found& found) {
  return crash_calls::explain(initial, calls, history, found, CrashPromise::kEachCall);
}

/// The same for a structure that is durable now and then: `found` is what the calls before some
/// moment give. Nothing of what `CrashRun::promise_durable` has named may be missing, and nothing
/// that a missing call came before may be there. Errors: as durably_linearizable.
template <class Model, class Op, class Result, class Found>
Status buffered_prefix(const Model& initial, std::span<const CrashCall<Op, Result>> calls,
                       const CrashHistory& history, const Found& found) {
  return crash_calls::explain(initial, calls, history, found, CrashPromise::kPromisedCalls);
}

}  // namespace nacre
