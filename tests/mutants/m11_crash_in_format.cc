// Mutant 11: a crash in the middle of format.
//
// The magic number that says "this is a pool" is durable before the table behind it is cleared, so
// that a pool whose creation was cut short opens, and shows what the media held before. Programs
// are tested after they have started; creation runs once, and its crashes are never seen.

#include "tests/mutants/programs.h"

namespace nacre::mutants {
namespace {

constexpr std::uint64_t kMagic = 0x4c4f4f50;  // "POOL"
constexpr std::size_t kEntries = 3;

std::size_t entry_at(std::size_t index) { return (index + 1) * kLine; }

void clear_table(pmem::Region& region) {
  for (std::size_t i = 0; i < kEntries; ++i) region.store_u64(entry_at(i), 0);
  region.fence();
}

void format(pmem::Region& region, Variant variant) {
  if (variant == Variant::kCorrect) clear_table(region);
  persist_u64(region, 0, kMagic);
  if (variant == Variant::kMutant) clear_table(region);
}

}  // namespace

CrashReport crash_in_format(const CrashTestOptions& options, Variant variant) {
  return CrashTest<Values>(options)
      .setup([](SimulatedMachine& machine) {
        // What another program left there.
        for (std::size_t i = 0; i < kEntries; ++i) write_u64(machine.region(), entry_at(i), 77);
      })
      .run([variant](SimulatedMachine& machine, CrashRun& run) {
        run.operation("format", [&] { format(machine.region(), variant); });
        run.operation("insert", [&] { persist_u64(machine.region(), entry_at(0), 11); });
      })
      .recover([](SimulatedMachine& machine) -> Result<Values> {
        if (read_u64(machine.region(), 0) != kMagic) return Values();
        Values entries;
        for (std::size_t i = 0; i < kEntries; ++i) {
          entries.push_back(read_u64(machine.region(), entry_at(i)));
        }
        return entries;
      })
      .check([](const Values& found, const CrashHistory& history) {
        return check_after("pool", found, {{}, {0, 0, 0}, {11, 0, 0}}, history);
      })
      .explore();
}

}  // namespace nacre::mutants
