#pragma once

// The search for an order of calls that explains their results and what was found after a crash.
//
// One call after the other is put behind those before it, as far as real time allows, with the
// model beside it; what has been tried from a set of calls and a state of the model is not tried
// again (Wing and Gong, "Testing and Verifying Concurrent Objects", JPDC 1993; Lowe, "Testing for
// Linearizability", CCPE 2017).
//
// Thread safety: none.

#include <array>
#include <cstddef>
#include <cstdint>
#include <map>
#include <optional>
#include <utility>
#include <vector>

#include "nacre/emulation/durable_linearizability.h"

namespace nacre {

/// A set of calls, one bit each.
using CallSet = std::uint64_t;

constexpr CallSet set_of(std::size_t call) { return CallSet{1} << call; }

/// What an order has to look like.
struct LinearizationRules {
  CallSet may = 0;      ///< Can have taken effect.
  CallSet must = 0;     ///< Are among what was found.
  CallSet ordered = 0;  ///< Have a place in the order, among what was found or behind it.
  CallSet results = 0;  ///< Give what they have returned.
  /// Of each call: those that stand before it.
  std::array<CallSet, CallsToExplain::kMaxCalls> before{};
};

/// An order that keeps the rules.
struct Linearization {
  std::vector<std::size_t> order;
  std::size_t found = 0;  ///< The first so many give what was found.
};

class LinearizationSearch {
 public:
  /// Sets of calls with a state of the model each: more are given up.
  static constexpr std::size_t kMaxTried = std::size_t{1} << 14;

  /// Lifetime: both outlive this.
  LinearizationSearch(const CallsToExplain& calls, const LinearizationRules& rules)
      : calls_(calls), rules_(rules) {}

  /// None when there is none, or when it gave up.
  std::optional<Linearization> find();
  bool gave_up() const noexcept { return gave_up_; }

 private:
  struct Place {
    CallSet done = 0;
    bool is_found = false;  ///< What was found lies behind.
    friend auto operator<=>(const Place&, const Place&) = default;
  };

  bool visit(Place place, const CallsToExplain::State& state);
  bool is_known(const Place& place, const CallsToExplain::State& state);

  const CallsToExplain& calls_;
  const LinearizationRules& rules_;
  std::map<Place, std::vector<CallsToExplain::State>> tried_;
  std::size_t tried_count_ = 0;
  bool gave_up_ = false;
  Linearization path_;
};

}  // namespace nacre
