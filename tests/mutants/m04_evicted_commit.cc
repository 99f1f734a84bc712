// Mutant 4: the commit word is stored early, and evicted before its payload.
//
// Each line is flushed and fenced in the right order, payload first, but the word was stored before
// the payload was, and a cache may write a line back at any time. pmemcheck and pmreorder see
// nothing here, since they move only flushes; a scan of one's own code for "flush, fence, publish"
// does not either.

#include "tests/mutants/programs.h"

namespace nacre::mutants {
namespace {

/// Slots of two lines: whether it is valid, and its value.
class Slots {
 public:
  Slots(pmem::Region& region, Variant variant) : region_(region), variant_(variant) {}

  void put(std::size_t slot, std::uint64_t value) {
    const std::size_t valid = slot * 2 * kLine;
    const std::size_t payload = valid + kLine;
    if (variant_ == Variant::kMutant) write_u64(region_, valid, 1);
    write_u64(region_, payload, value);
    region_.flush(payload, kWord);
    region_.fence();
    if (variant_ == Variant::kCorrect) write_u64(region_, valid, 1);
    region_.flush(valid, kWord);
    region_.fence();
  }

  Values values() {
    Values values;
    for (std::size_t slot = 0; slot < 2; ++slot) {
      const std::size_t valid = slot * 2 * kLine;
      if (read_u64(region_, valid) != 0) values.push_back(read_u64(region_, valid + kLine));
    }
    return values;
  }

 private:
  pmem::Region& region_;
  Variant variant_;
};

}  // namespace

CrashReport evicted_commit(const CrashTestOptions& options, Variant variant) {
  return CrashTest<Values>(options)
      .run([variant](SimulatedMachine& machine, CrashRun& run) {
        Slots slots(machine.region(), variant);
        run.operation("put 0", [&] { slots.put(0, 11); });
        run.operation("put 1", [&] { slots.put(1, 22); });
      })
      .recover([variant](SimulatedMachine& machine) -> Result<Values> {
        return Slots(machine.region(), variant).values();
      })
      .check([](const Values& found, const CrashHistory& history) {
        return check_prefix("table of slots", found, {11, 22}, history);
      })
      .explore();
}

}  // namespace nacre::mutants
