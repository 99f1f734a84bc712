// Correct: an append log in which a checksum proves each record, one commit an append.
//
// Records of three words cross lines, so that nothing but the checksum keeps their words together.

#include <span>

#include "tests/mutants/programs.h"

namespace nacre::mutants {
namespace {

constexpr std::size_t kRecordBytes = 3 * kWord;

/// Records of an index, a value and a checksum, one behind the other.
class Log {
 public:
  explicit Log(pmem::Region& region) : region_(region) {}

  void append(std::uint64_t index, std::uint64_t value) {
    const Values record{index, value, checksum_of({index, value})};
    region_.copy(index * kRecordBytes, std::as_bytes(std::span(record)));
    sync_range(region_, index * kRecordBytes, (index + 1) * kRecordBytes);
  }

  Values values() {
    Values values;
    for (std::uint64_t index = 0;; ++index) {
      const std::size_t record = index * kRecordBytes;
      const std::uint64_t value = read_u64(region_, record + kWord);
      if (read_u64(region_, record) != index ||
          read_u64(region_, record + 2 * kWord) != checksum_of({index, value})) {
        return values;
      }
      values.push_back(value);
    }
  }

 private:
  pmem::Region& region_;
};

}  // namespace

CrashReport checksummed_log(const CrashTestOptions& options) {
  return CrashTest<Values>(options)
      .run([](SimulatedMachine& machine, CrashRun& run) {
        Log log(machine.region());
        for (std::uint64_t i = 0; i < 4; ++i) {
          run.operation("append", [&] { log.append(i, 11 * (i + 1)); });
        }
      })
      .recover([](SimulatedMachine& machine) -> Result<Values> {
        return Log(machine.region()).values();
      })
      .check([](const Values& found, const CrashHistory& history) {
        return check_prefix("log", found, {11, 22, 33, 44}, history);
      })
      .explore();
}

}  // namespace nacre::mutants
