// Correct: a mapped file with two meta pages, written in turn behind the data they lead to.

#include "tests/mutants/programs.h"

namespace nacre::mutants {
namespace {

/// Pages 0 and 1 are meta pages: the data page, then the version, which a sector keeps in this
/// order. The rest are data pages of one value.
class MappedStore {
 public:
  explicit MappedStore(pmem::Region& region) : region_(region) {}

  void put(std::uint64_t value) {
    const std::uint64_t version = read_u64(region_, newest() * kPage + kWord) + 1;
    const std::size_t data = 2 + version % 2;
    write_u64(region_, data * kPage, value);
    // The data hold before a meta page leads to them; the other meta page leads to the other data.
    sync_range(region_, data * kPage, (data + 1) * kPage);
    const std::size_t meta = version % 2;
    write_u64(region_, meta * kPage, data);
    write_u64(region_, meta * kPage + kWord, version);
    sync_range(region_, meta * kPage, (meta + 1) * kPage);
  }

  Values value() {
    const std::size_t data = read_u64(region_, newest() * kPage);
    if (data == 0) return {};
    return {read_u64(region_, data * kPage)};
  }

 private:
  std::size_t newest() {
    return read_u64(region_, kWord) > read_u64(region_, kPage + kWord) ? 0 : 1;
  }

  pmem::Region& region_;
};

}  // namespace

CrashReport two_meta_pages(const CrashTestOptions& options) {
  return CrashTest<Values>(options)
      .run([](SimulatedMachine& machine, CrashRun& run) {
        MappedStore store(machine.region());
        for (const std::uint64_t value : Values{11, 22, 33, 44}) {
          run.operation("put", [&] { store.put(value); });
        }
      })
      .recover([](SimulatedMachine& machine) -> Result<Values> {
        return MappedStore(machine.region()).value();
      })
      .check([](const Values& found, const CrashHistory& history) {
        return check_after("mapped store", found, {{}, {11}, {22}, {33}, {44}}, history);
      })
      .explore();
}

}  // namespace nacre::mutants
