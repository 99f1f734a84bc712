// Mutant 6: the headers of an allocation of several chunks are written in the wrong order.
//
// Splitting a free extent shrinks its own header before the header of the rest is there, so that a
// walk over the heap steps on a chunk that has none. It stands for PMDK's cfafbd04c (1.9.1), where
// a change of the order of huge chunk headers brought this back.

#include <fmt/format.h>

#include "tests/mutants/programs.h"

namespace nacre::mutants {
namespace {

constexpr std::size_t kChunks = 8;

/// A heap of 8 chunks. Each extent's first chunk has a header, a line each: how many chunks there
/// are, and whether they are used.
class Heap {
 public:
  Heap(pmem::Region& region, Variant variant) : region_(region), variant_(variant) {}

  void format() { set_header(0, kChunks, false); }

  /// Takes the first `wanted` chunks of the extent at `chunk`.
  void allocate(std::size_t chunk, std::size_t wanted) {
    const std::size_t rest = read_u64(region_, chunk * kLine) / 2 - wanted;
    if (variant_ == Variant::kCorrect) {
      set_header(chunk + wanted, rest, false);  // Before anything leads there.
      set_header(chunk, wanted, true);
    } else {
      set_header(chunk, wanted, true);
      set_header(chunk + wanted, rest, false);
    }
  }

  /// The sizes of the used extents.
  Result<Values> used() {
    Values used;
    std::size_t chunk = 0;
    while (chunk < kChunks) {
      const std::uint64_t header = read_u64(region_, chunk * kLine);
      if (header == 0) return corruption(fmt::format("chunk {} has no header", chunk));
      if (header % 2 != 0) used.push_back(header / 2);
      chunk += header / 2;
    }
    if (chunk != kChunks) return corruption("the last extent goes past the heap");
    return used;
  }

 private:
  void set_header(std::size_t chunk, std::size_t count, bool is_used) {
    persist_u64(region_, chunk * kLine, count * 2 + (is_used ? 1 : 0));
  }

  pmem::Region& region_;
  Variant variant_;
};

}  // namespace

CrashReport chunk_header_order(const CrashTestOptions& options, Variant variant) {
  return CrashTest<Values>(options)
      .setup([variant](SimulatedMachine& machine) { Heap(machine.region(), variant).format(); })
      .run([variant](SimulatedMachine& machine, CrashRun& run) {
        Heap heap(machine.region(), variant);
        run.operation("allocate 3", [&] { heap.allocate(0, 3); });
        run.operation("allocate 2", [&] { heap.allocate(3, 2); });
      })
      .recover(
          [variant](SimulatedMachine& machine) { return Heap(machine.region(), variant).used(); })
      .check([](const Values& found, const CrashHistory& history) {
        return check_prefix("heap", found, {3, 2}, history);
      })
      .explore();
}

}  // namespace nacre::mutants
