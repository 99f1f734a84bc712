// Mutant 20: the size on record is larger than what was synced.
//
// The sync covers what the log held before the append, since its end was taken too early, and then
// the header says the new size: readers go past what is durable. It stands for manifests that
// record a file's size, or one past its end, next to a sync that came before the last write.

#include "tests/mutants/programs.h"

namespace nacre::mutants {
namespace {

/// Records of a page each from page 1 on; page 0 says how many there are.
class Log {
 public:
  Log(pmem::Region& region, Variant variant) : region_(region), variant_(variant) {}

  void append(std::uint64_t value) {
    const std::uint64_t count = read_u64(region_, 0);
    write_u64(region_, (count + 1) * kPage, value);
    const std::uint64_t synced = variant_ == Variant::kCorrect ? count + 1 : count;
    sync_range(region_, kPage, (synced + 1) * kPage);
    write_u64(region_, 0, count + 1);
    sync_range(region_, 0, kPage);
  }

  Values values() {
    Values values;
    const std::uint64_t count = read_u64(region_, 0);
    for (std::uint64_t i = 1; i <= count; ++i) values.push_back(read_u64(region_, i * kPage));
    return values;
  }

 private:
  pmem::Region& region_;
  Variant variant_;
};

}  // namespace

CrashReport size_past_sync(const CrashTestOptions& options, Variant variant) {
  return CrashTest<Values>(options)
      .run([variant](SimulatedMachine& machine, CrashRun& run) {
        Log log(machine.region(), variant);
        for (const std::uint64_t value : Values{11, 22, 33}) {
          run.operation("append", [&] { log.append(value); });
        }
      })
      .recover([variant](SimulatedMachine& machine) -> Result<Values> {
        return Log(machine.region(), variant).values();
      })
      .check([](const Values& found, const CrashHistory& history) {
        return check_prefix("log", found, {11, 22, 33}, history);
      })
      .explore();
}

}  // namespace nacre::mutants
