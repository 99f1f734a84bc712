// Which rule has to be given up before what was found can be explained: that is what went wrong.

#include "nacre/emulation/durable_linearizability.h"

#include <fmt/format.h>

#include <algorithm>
#include <string>
#include <utility>
#include <vector>

#include "emulation/explorer/linearization.h"

namespace nacre {
namespace {

constexpr std::size_t kMaxNamed = 4;

class Explanation {
 public:
  Explanation(const CallsToExplain& calls, const CrashHistory& history, CrashPromise promise)
      : calls_(calls), history_(history), promise_(promise) {
    for (std::size_t call = 0; call < count(); ++call) add_rules(call);
  }

  Status check() {
    if (explains(rules_)) return {};
    if (gave_up_) {
      return Error(ErrorCode::kUnsupported,
                   "there are too many orders of the calls to try all; let fewer of them overlap");
    }
    for (const auto try_to_explain :
         {&Explanation::by_results, &Explanation::by_loss, &Explanation::by_early_effect,
          &Explanation::by_repetition, &Explanation::by_order}) {
      if (const std::string why = (this->*try_to_explain)(); !why.empty()) return corruption(why);
    }
    return corruption(nothing_explains());
  }

 private:
  std::size_t count() const { return calls_.operations.size(); }
  const std::string& name(std::size_t call) const {
    return history_.operations()[calls_.operations[call]].name;
  }

  void add_rules(std::size_t call) {
    const std::size_t operation = calls_.operations[call];
    const OperationState state = history_.state(operation);
    if (state != OperationState::kNotBegun) rules_.may |= set_of(call);
    if (state == OperationState::kCompleted) rules_.ordered |= set_of(call);
    const bool is_promised = promise_ == CrashPromise::kEachCall
                                 ? state == OperationState::kCompleted
                                 : operation < history_.promised_count();
    if (is_promised && state != OperationState::kNotBegun) rules_.must |= set_of(call);
    for (std::size_t other = 0; other < count(); ++other) {
      if (history_.precedes(calls_.operations[other], operation)) {
        rules_.before[call] |= set_of(other);
      }
    }
    rules_.results = rules_.ordered;
  }

  std::optional<Linearization> find(const CallsToExplain& calls, const LinearizationRules& rules) {
    LinearizationSearch search(calls, rules);
    auto found = search.find();
    gave_up_ |= search.gave_up();
    return found;
  }
  bool explains(const LinearizationRules& rules) { return find(calls_, rules).has_value(); }

  std::string by_results() {
    LinearizationRules rules = rules_;
    rules.results = 0;
    if (!explains(rules)) return {};
    // As many as possible are right.
    std::vector<std::size_t> wrong;
    for (std::size_t call = 0; call < count(); ++call) {
      if ((rules_.results & set_of(call)) == 0) continue;
      rules.results |= set_of(call);
      if (explains(rules)) continue;
      rules.results &= ~set_of(call);
      wrong.push_back(call);
    }
    std::string text = "no order of the calls gives what was returned by " + names(wrong);
    const std::string result = wrong.empty() ? "" : calls_.result_text(wrong.front());
    return result.empty() ? text : text + ": " + result;
  }

  std::string by_loss() {
    LinearizationRules rules = rules_;
    // With some of them gone the others need not give what they returned.
    rules.ordered = rules.results = 0;
    const auto without = [&](CallSet missing) {
      LinearizationRules fewer = rules;
      fewer.may &= ~missing;
      fewer.must = rules_.must & ~missing;
      for (CallSet& before : fewer.before) before &= ~missing;
      return explains(fewer);
    };
    const CallSet missing = least_missing(rules_.must, without);
    if (missing == 0) return {};
    std::vector<std::size_t> lost;
    for (std::size_t call = 0; call < count(); ++call) {
      if ((missing & set_of(call)) != 0) lost.push_back(call);
    }
    return fmt::format("lost: {}, {}", names(lost),
                       promise_ == CrashPromise::kEachCall
                           ? "which had returned before the crash"
                           : "which had been promised to be durable");
  }

  /// A smallest set of calls without which the rest is explained: one call, or else as many as are
  /// left when none can be put back. 0 when there is none.
  template <class Explained>
  CallSet least_missing(CallSet from, Explained explained_without) {
    for (std::size_t call = 0; call < count(); ++call) {
      if ((from & set_of(call)) != 0 && explained_without(set_of(call))) return set_of(call);
    }
    // From the last on: what was lost is most often what came last.
    CallSet missing = 0;
    for (std::size_t call = count(); call-- > 0;) {
      if ((from & set_of(call)) == 0) continue;
      missing |= set_of(call);
      if (explained_without(missing)) break;
    }
    if (missing == 0 || !explained_without(missing)) return 0;
    for (std::size_t call = 0; call < count(); ++call) {
      if ((missing & set_of(call)) != 0 && explained_without(missing & ~set_of(call))) {
        missing &= ~set_of(call);
      }
    }
    return missing;
  }

  std::string by_early_effect() {
    for (std::size_t call = 0; call < count(); ++call) {
      LinearizationRules rules = rules_;
      if ((rules.may & set_of(call)) != 0) continue;
      rules.may |= set_of(call);
      rules.before[call] = 0;
      if (explains(rules)) return "there before it began: " + quoted(call);
    }
    return {};
  }

  std::string by_repetition() {
    if (count() == CallsToExplain::kMaxCalls) return {};
    CallsToExplain calls = calls_;
    calls.operations.push_back(0);
    for (std::size_t twice = 0; twice < count(); ++twice) {
      LinearizationRules rules = rules_;
      rules.may |= set_of(count());
      rules.before[count()] = set_of(twice);
      calls.apply = [&](const CallsToExplain::State& state, std::size_t call) {
        return calls_.apply(state, call == count() ? twice : call);
      };
      if (find(calls, rules)) return "took effect twice: " + quoted(twice);
    }
    return {};
  }

  std::string by_order() {
    LinearizationRules rules = rules_;
    rules.before = {};
    const auto found = find(calls_, rules);
    if (!found) return {};
    for (std::size_t late = 0; late < found->order.size(); ++late) {
      for (std::size_t early = 0; early < late; ++early) {
        const std::size_t first = found->order[late];
        const std::size_t second = found->order[early];
        if ((rules_.before[second] & set_of(first)) == 0) continue;
        const bool is_missing = early < found->found && late >= found->found;
        return fmt::format("{} {} {}, which had returned before it began", quoted(second),
                           is_missing ? "is there without" : "took effect before", quoted(first));
      }
    }
    return {};
  }

  std::string nothing_explains() const {
    std::string text = "no set of the calls gives what recovery found";
    if (!calls_.found_text.empty()) text += ": " + calls_.found_text;
    CallsToExplain::State state = calls_.initial;
    std::vector<std::size_t> under_way;
    for (std::size_t call = 0; call < count(); ++call) {
      if ((rules_.ordered & set_of(call)) != 0) {
        state = calls_.apply(state, call).state;
      } else if ((rules_.may & set_of(call)) != 0) {
        under_way.push_back(call);
      }
    }
    const std::string expected = calls_.state_text(state);
    if (!expected.empty()) text += "; the calls that had returned give " + expected;
    if (!under_way.empty()) text += "; under way: " + names(under_way);
    return text;
  }

  std::string quoted(std::size_t call) const { return "'" + name(call) + "'"; }
  std::string names(const std::vector<std::size_t>& calls) const {
    std::string text;
    for (std::size_t i = 0; i < std::min(calls.size(), kMaxNamed); ++i) {
      text += (i == 0 ? "" : ", ") + quoted(calls[i]);
    }
    if (calls.size() > kMaxNamed) text += fmt::format(" and {} more", calls.size() - kMaxNamed);
    return text;
  }
  static Error corruption(std::string what) {
    return Error(ErrorCode::kCorruption, std::move(what));
  }

  const CallsToExplain& calls_;
  const CrashHistory& history_;
  CrashPromise promise_;
  LinearizationRules rules_;
  bool gave_up_ = false;
};

}  // namespace

Status explain_calls(const CallsToExplain& calls, const CrashHistory& history,
                     CrashPromise promise) {
  if (calls.operations.size() > CallsToExplain::kMaxCalls) {
    return Error(ErrorCode::kUnsupported,
                 fmt::format("{} calls are too many to be explained together; make {} at most",
                             calls.operations.size(), CallsToExplain::kMaxCalls));
  }
  return Explanation(calls, history, promise).check();
}

}  // namespace nacre
