// Mutant 19: a recycled log brings back the tail of its former life.
//
// Each append also clears the mark of the record behind it, so that the log ends there; but the
// mark's clearing may be lost where the record is not, and the old record behind it is as whole as
// ever. It stands for logs whose records prove themselves and not which life of the file they
// belong to; RocksDB's recyclable records carry the log's number for that.

#include "tests/mutants/programs.h"

namespace nacre::mutants {
namespace {

constexpr std::size_t kRecords = 4;

/// Records of a value and a checksum, a line each from line 1 on; line 0 holds the generation.
class Log {
 public:
  Log(pmem::Region& region, Variant variant) : region_(region), variant_(variant) {}

  void recycle() {
    count_ = 0;
    if (variant_ == Variant::kCorrect) {
      persist_u64(region_, 0, read_u64(region_, 0) + 1);
    } else {
      persist_u64(region_, record_at(0) + kWord, 0);
    }
  }
  void append(std::uint64_t value) {
    const std::size_t record = record_at(count_++);
    write_u64(region_, record, value);
    write_u64(region_, record + kWord, proof_of(value));
    region_.flush(record, 2 * kWord);
    if (variant_ == Variant::kMutant) region_.store_u64(record_at(count_) + kWord, 0);
    region_.fence();
  }

  Values values() {
    Values values;
    for (std::size_t i = 0; i < kRecords; ++i) {
      const std::uint64_t value = read_u64(region_, record_at(i));
      if (read_u64(region_, record_at(i) + kWord) != proof_of(value)) break;
      values.push_back(value);
    }
    return values;
  }

 private:
  static std::size_t record_at(std::size_t index) { return (index + 1) * kLine; }

  std::uint64_t proof_of(std::uint64_t value) {
    if (variant_ == Variant::kMutant) return checksum_of({value});
    return checksum_of({read_u64(region_, 0), value});
  }

  pmem::Region& region_;
  Variant variant_;
  std::size_t count_ = 0;
};

}  // namespace

CrashReport stale_tail(const CrashTestOptions& options, Variant variant) {
  return CrashTest<Values>(options)
      .setup([variant](SimulatedMachine& machine) {
        Log log(machine.region(), variant);
        for (const std::uint64_t value : Values{1, 2, 3}) log.append(value);
      })
      .run([variant](SimulatedMachine& machine, CrashRun& run) {
        Log log(machine.region(), variant);
        run.operation("recycle", [&] { log.recycle(); });
        run.operation("append 11", [&] { log.append(11); });
        run.operation("append 22", [&] { log.append(22); });
      })
      .recover([variant](SimulatedMachine& machine) -> Result<Values> {
        return Log(machine.region(), variant).values();
      })
      .check([](const Values& found, const CrashHistory& history) {
        return check_after("log", found, {{1, 2, 3}, {}, {11}, {11, 22}}, history);
      })
      .explore();
}

}  // namespace nacre::mutants
