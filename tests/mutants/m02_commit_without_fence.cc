// Mutant 2: the fence between a log and its commit is missing.
//
// One fence covers the redo log and the word that commits it, so that the word may be durable and
// the log not; recovery then replays what was never written. It stands for PMDK's dd5001272
// (1.9.1): a drain was missing between applying a log and marking it as done.

#include "tests/mutants/programs.h"

namespace nacre::mutants {
namespace {

/// Two balances, a line each, and a redo log of both in lines 2 and 3; line 4 says that it holds.
class Accounts {
 public:
  Accounts(pmem::Region& region, Variant variant) : region_(region), variant_(variant) {}

  void transfer(std::uint64_t amount) {
    for (std::size_t account = 0; account < 2; ++account) {
      const std::uint64_t balance = read_u64(region_, account * kLine);
      write_u64(region_, kLog + account * kLine,
                account == 0 ? balance - amount : balance + amount);
    }
    region_.flush(kLog, 2 * kLine);
    // The log holds before the word says so.
    if (variant_ == Variant::kCorrect) region_.fence();
    persist_u64(region_, kCommit, 1);
    apply();
  }

  Values recover() {
    if (read_u64(region_, kCommit) != 0) apply();
    return {read_u64(region_, 0), read_u64(region_, kLine)};
  }

 private:
  static constexpr std::size_t kLog = 2 * kLine;
  static constexpr std::size_t kCommit = 4 * kLine;

  void apply() {
    for (std::size_t account = 0; account < 2; ++account) {
      region_.store_u64(account * kLine, read_u64(region_, kLog + account * kLine));
    }
    // The balances hold before the log is given up.
    region_.fence();
    persist_u64(region_, kCommit, 0);
  }

  pmem::Region& region_;
  Variant variant_;
};

}  // namespace

CrashReport commit_without_fence(const CrashTestOptions& options, Variant variant) {
  return CrashTest<Values>(options)
      .setup([](SimulatedMachine& machine) {
        persist_u64(machine.region(), 0, 100);
        persist_u64(machine.region(), kLine, 100);
      })
      .run([variant](SimulatedMachine& machine, CrashRun& run) {
        Accounts accounts(machine.region(), variant);
        run.operation("transfer 10", [&] { accounts.transfer(10); });
        run.operation("transfer 5", [&] { accounts.transfer(5); });
      })
      .recover([variant](SimulatedMachine& machine) -> Result<Values> {
        return Accounts(machine.region(), variant).recover();
      })
      .check([](const Values& found, const CrashHistory& history) {
        return check_after("ledger", found, {{100, 100}, {90, 110}, {85, 115}}, history);
      })
      .explore();
}

}  // namespace nacre::mutants
