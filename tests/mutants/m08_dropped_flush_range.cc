// Mutant 8: a free drops a merged range that was still to be flushed.
//
// The transaction merges neighbouring ranges, and a free forgets every range that has a byte of the
// freed block: merged with it, the neighbour's changes are never flushed. It stands for the ranges
// of PMDK's transactions, which had to be taught what merging does to the parts (8738e8338, issue
// 1100).

#include <algorithm>

#include "tests/mutants/programs.h"

namespace nacre::mutants {
namespace {

struct Range {
  std::size_t begin = 0;
  std::size_t end = 0;
};

/// What a transaction has to flush before it commits.
class FlushList {
 public:
  explicit FlushList(Variant variant) : variant_(variant) {}

  void add(Range range) {
    for (Range& known : ranges_) {
      if (known.end == range.begin) {
        known.end = range.end;
        return;
      }
    }
    ranges_.push_back(range);
  }
  void forget(Range freed) {
    std::vector<Range> left;
    for (const Range& range : ranges_) {
      if (range.end <= freed.begin || freed.end <= range.begin) {
        left.push_back(range);
      } else if (variant_ == Variant::kCorrect) {
        if (range.begin < freed.begin) left.push_back({range.begin, freed.begin});
        if (freed.end < range.end) left.push_back({freed.end, range.end});
      }
    }
    ranges_ = std::move(left);
  }
  void flush(pmem::Region& region) {
    for (const Range& range : ranges_) region.flush(range.begin, range.end - range.begin);
    region.fence();
  }

 private:
  Variant variant_;
  std::vector<Range> ranges_;
};

/// Line 0 says which block holds; a value is the first word of a block.
void replace(pmem::Region& region, Variant variant, std::size_t block, std::uint64_t value) {
  const Range fresh{block * kLine, (block + 1) * kLine};
  const Range scratch{fresh.end, fresh.end + kLine};
  FlushList flushes(variant);
  write_u64(region, fresh.begin, value);
  flushes.add(fresh);
  write_u64(region, scratch.begin, value / 2);
  flushes.add(scratch);
  flushes.forget(scratch);  // Freed again: what it holds does not matter.
  // The block holds before line 0 leads to it.
  flushes.flush(region);
  persist_u64(region, 0, block);
}

}  // namespace

CrashReport dropped_flush_range(const CrashTestOptions& options, Variant variant) {
  return CrashTest<Values>(options)
      .run([variant](SimulatedMachine& machine, CrashRun& run) {
        run.operation("replace 1", [&] { replace(machine.region(), variant, 2, 11); });
        run.operation("replace 2", [&] { replace(machine.region(), variant, 4, 22); });
      })
      .recover([](SimulatedMachine& machine) -> Result<Values> {
        const std::size_t block = read_u64(machine.region(), 0);
        if (block == 0) return Values();
        return Values{read_u64(machine.region(), block * kLine)};
      })
      .check([](const Values& found, const CrashHistory& history) {
        return check_after("block", found, {{}, {11}, {22}}, history);
      })
      .explore();
}

}  // namespace nacre::mutants
