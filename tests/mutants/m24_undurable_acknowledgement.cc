// Mutant 24: an acknowledgement depends on another thread's value that is not durable.
//
// While one thread is inserting a key, another one finds it, and tells its caller that it is there;
// after a crash it is not. It stands for lock-free indexes whose readers act on what they see in
// the cache, and which have to flush what they read (David et al., "Log-Free Concurrent Data
// Structures", USENIX ATC 2018).

#include <algorithm>

#include "nacre/emulation/durable_linearizability.h"
#include "tests/mutants/programs.h"

namespace nacre::mutants {
namespace {

/// A set of the keys 1 to 4, a line each.
class Keys {
 public:
  Keys(pmem::Region& region, Variant variant) : region_(region), variant_(variant) {}

  bool insert(std::uint64_t key) {
    write_u64(region_, key * kLine, key);
    region_.flush(key * kLine, kWord);
    region_.fence();
    return true;
  }

  bool contains(std::uint64_t key) {
    const bool found = read_u64(region_, key * kLine) != 0;
    if (found && variant_ == Variant::kCorrect) {
      // Durable before anybody hears of it, whoever has stored it.
      region_.flush(key * kLine, kWord);
      region_.fence();
    }
    return found;
  }

  Values keys() {
    Values keys;
    for (std::uint64_t key = 1; key <= 4; ++key) {
      if (read_u64(region_, key * kLine) != 0) keys.push_back(key);
    }
    return keys;
  }

 private:
  pmem::Region& region_;
  Variant variant_;
};

/// Inserts the key, or says whether it is there.
struct KeyCall {
  std::uint64_t key = 0;
  bool inserts = false;
};

struct KeySet {
  Values keys = {};
  bool apply(const KeyCall& call) {
    const bool is_there = std::ranges::find(keys, call.key) != keys.end();
    if (call.inserts && !is_there) keys.push_back(call.key);
    return call.inserts || is_there;
  }
  friend bool operator==(const KeySet&, const KeySet&) = default;
  friend bool operator==(const KeySet& set, const Values& found) { return set.keys == found; }
};

}  // namespace

CrashReport undurable_acknowledgement(const CrashTestOptions& options, Variant variant) {
  CrashCalls<KeyCall, bool> calls;
  return CrashTest<Values>(options)
      .run([variant, &calls](SimulatedMachine& machine, CrashRun& run) {
        calls.clear();
        Keys keys(machine.region(), variant);
        const auto insert = [&] {
          calls.perform(run, "insert 3", {.key = 3, .inserts = true},
                        [&] { return keys.insert(3); });
        };
        const auto find = [&] {
          calls.perform(run, "find 3", {.key = 3}, [&] { return keys.contains(3); });
        };
        run.threads({insert, find});
      })
      .recover([variant](SimulatedMachine& machine) -> Result<Values> {
        return Keys(machine.region(), variant).keys();
      })
      .check([&calls](const Values& found, const CrashHistory& history) {
        return durably_linearizable(KeySet(), calls.all(), history, found);
      })
      .explore();
}

}  // namespace nacre::mutants
