// Mutant 22: one thread flushes, another one fences.
//
// A worker fills and flushes a record and hands it to the committer, whose fence waits for nothing
// but the committer's own flushes: the record may still be on its way when it is counted. It stands
// for pipelines that keep the fence for the last stage; pmemcheck takes any thread's fence for all.

#include <thread>

#include "tests/mutants/programs.h"

namespace nacre::mutants {
namespace {

/// Values of a line each; line 0 counts them.
class Table {
 public:
  Table(pmem::Region& region, Variant variant) : region_(region), variant_(variant) {}

  /// The worker's part.
  void fill(std::uint64_t value) {
    const std::size_t record = (read_u64(region_, 0) + 1) * kLine;
    write_u64(region_, record, value);
    region_.flush(record, kWord);
    // Whoever flushed has to wait for it.
    if (variant_ == Variant::kCorrect) region_.fence();
  }
  /// The committer's part.
  void count() {
    region_.fence();
    persist_u64(region_, 0, read_u64(region_, 0) + 1);
  }

  Values values() {
    Values values;
    const std::uint64_t count = read_u64(region_, 0);
    for (std::uint64_t i = 1; i <= count; ++i) values.push_back(read_u64(region_, i * kLine));
    return values;
  }

 private:
  pmem::Region& region_;
  Variant variant_;
};

}  // namespace

CrashReport fence_of_another_thread(const CrashTestOptions& options, Variant variant) {
  return CrashTest<Values>(options)
      .run([variant](SimulatedMachine& machine, CrashRun& run) {
        Table table(machine.region(), variant);
        for (const std::uint64_t value : Values{11, 22}) {
          run.operation("append", [&] {
            std::thread([&] { table.fill(value); }).join();
            table.count();
          });
        }
      })
      .recover([variant](SimulatedMachine& machine) -> Result<Values> {
        return Table(machine.region(), variant).values();
      })
      .check([](const Values& found, const CrashHistory& history) {
        return check_prefix("table", found, {11, 22}, history);
      })
      .explore();
}

}  // namespace nacre::mutants
