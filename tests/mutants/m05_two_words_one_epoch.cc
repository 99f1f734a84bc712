// Mutant 5: two words of one epoch have to change together, and do not.
//
// The place and the length of a blob are two atomic stores under one fence; a crash keeps either
// alone, and the old place with the new length is a blob that nobody wrote. It stands for every
// "struct of 16 bytes that fits into a line": one line keeps the order of its stores, it does not
// make two of them one.

#include "tests/mutants/programs.h"

namespace nacre::mutants {
namespace {

/// A blob of words, replaced as a whole. Line 0 says where it stands and how long it is.
class Blob {
 public:
  Blob(pmem::Region& region, Variant variant) : region_(region), variant_(variant) {}

  void replace(std::size_t offset, const Values& words) {
    for (std::size_t i = 0; i < words.size(); ++i) {
      write_u64(region_, offset + i * kWord, words[i]);
    }
    region_.flush(offset, words.size() * kWord);
    // The words hold before anything leads to them.
    region_.fence();
    if (variant_ == Variant::kCorrect) {
      persist_u64(region_, 0, offset << 32 | words.size());
      return;
    }
    region_.store_u64(0, offset);
    region_.store_u64(kWord, words.size());
    region_.fence();
  }

  Values words() {
    const std::uint64_t first = read_u64(region_, 0);
    const bool is_packed = variant_ == Variant::kCorrect;
    const std::size_t offset = is_packed ? first >> 32 : first;
    const std::size_t count = is_packed ? first & 0xffffffff : read_u64(region_, kWord);
    Values words;
    for (std::size_t i = 0; i < count; ++i) words.push_back(read_u64(region_, offset + i * kWord));
    return words;
  }

 private:
  pmem::Region& region_;
  Variant variant_;
};

}  // namespace

CrashReport two_words_one_epoch(const CrashTestOptions& options, Variant variant) {
  return CrashTest<Values>(options)
      .run([variant](SimulatedMachine& machine, CrashRun& run) {
        Blob blob(machine.region(), variant);
        run.operation("replace 1", [&] { blob.replace(2 * kLine, {1, 2}); });
        run.operation("replace 2", [&] { blob.replace(4 * kLine, {3, 4, 5}); });
      })
      .recover([variant](SimulatedMachine& machine) -> Result<Values> {
        return Blob(machine.region(), variant).words();
      })
      .check([](const Values& found, const CrashHistory& history) {
        return check_after("blob", found, {{}, {1, 2}, {3, 4, 5}}, history);
      })
      .explore();
}

}  // namespace nacre::mutants
