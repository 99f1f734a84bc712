// Mutant 10: the pointer to what was freed is not persisted.
//
// The owner's pointer is cleared in the cache alone while the block's bit is durably free: after a
// crash the owner points to a block that the allocator gives to somebody else. It stands for frees
// outside of transactions, where clearing the pointer is left to the caller.

#include <fmt/format.h>

#include "tests/mutants/programs.h"

namespace nacre::mutants {
namespace {

/// Two owners, a line each, of blocks that line 2 has a bit for. An owner's word is its block's
/// number plus one.
class Owners {
 public:
  Owners(pmem::Region& region, Variant variant) : region_(region), variant_(variant) {}

  void take(std::size_t owner, std::uint64_t block) {
    persist_u64(region_, kBitmap, read_u64(region_, kBitmap) | std::uint64_t{1} << block);
    persist_u64(region_, owner * kLine, block + 1);
  }
  void give_back(std::size_t owner) {
    const std::uint64_t block = read_u64(region_, owner * kLine) - 1;
    write_u64(region_, owner * kLine, 0);
    if (variant_ == Variant::kCorrect) {
      region_.flush(owner * kLine, kWord);
      // Nobody owns the block before it is free; a crash in between leaks it.
      region_.fence();
    }
    persist_u64(region_, kBitmap, read_u64(region_, kBitmap) & ~(std::uint64_t{1} << block));
  }

  Result<Values> owned() {
    Values owned;
    for (std::size_t owner = 0; owner < 2; ++owner) {
      const std::uint64_t word = read_u64(region_, owner * kLine);
      owned.push_back(word);
      if (word != 0 && (read_u64(region_, kBitmap) >> (word - 1) & 1) == 0) {
        return corruption(fmt::format("owner {} points to a block that is free", owner));
      }
    }
    return owned;
  }

 private:
  static constexpr std::size_t kBitmap = 2 * kLine;

  pmem::Region& region_;
  Variant variant_;
};

}  // namespace

CrashReport unpersisted_null(const CrashTestOptions& options, Variant variant) {
  return CrashTest<Values>(options)
      .run([variant](SimulatedMachine& machine, CrashRun& run) {
        Owners owners(machine.region(), variant);
        run.operation("take", [&] { owners.take(0, 3); });
        run.operation("give back", [&] { owners.give_back(0); });
        run.operation("take again", [&] { owners.take(1, 3); });
      })
      .recover([variant](SimulatedMachine& machine) {
        return Owners(machine.region(), variant).owned();
      })
      .check([](const Values& found, const CrashHistory& history) {
        return check_after("owners", found, {{0, 0}, {4, 0}, {0, 0}, {0, 4}}, history);
      })
      .explore();
}

}  // namespace nacre::mutants
