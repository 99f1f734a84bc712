// Mutant 23b: the last word of a streamed line is taken for its commit.
//
// What is right for plain stores, that the stores to one line persist in order, is not for streamed
// ones: a store of 64 bytes past the cache is eight words in any order, and the last one may be
// there alone. Only MOVDIR64B writes a line at once (Intel SDM, volume 2).

#include <span>

#include "tests/mutants/programs.h"

namespace nacre::mutants {
namespace {

constexpr std::size_t kPayloadWords = 3;

/// Records of three words and a commit word, each streamed to a line of its own.
class Log {
 public:
  Log(pmem::Region& region, Variant variant) : region_(region), variant_(variant) {}

  void append(std::size_t index, std::uint64_t value) {
    Values record(kPayloadWords, value);
    record.push_back(proof_of(record));
    region_.stream(index * kLine, std::as_bytes(std::span(record)), {});
    region_.fence();
  }

  Result<Values> values() {
    Values values;
    for (std::size_t record = 0;; record += kLine) {
      Values payload;
      for (std::size_t i = 0; i < kPayloadWords; ++i) {
        payload.push_back(read_u64(region_, record + i * kWord));
      }
      if (read_u64(region_, record + kPayloadWords * kWord) != proof_of(payload)) return values;
      if (payload != Values(kPayloadWords, payload.front())) return corruption("a record is torn");
      values.push_back(payload.front());
    }
  }

 private:
  std::uint64_t proof_of(const Values& payload) const {
    return variant_ == Variant::kCorrect ? checksum_of(payload) : 1;
  }

  pmem::Region& region_;
  Variant variant_;
};

}  // namespace

CrashReport streamed_line_order(const CrashTestOptions& options, Variant variant) {
  return CrashTest<Values>(options)
      .run([variant](SimulatedMachine& machine, CrashRun& run) {
        Log log(machine.region(), variant);
        run.operation("append 11", [&] { log.append(0, 11); });
        run.operation("append 22", [&] { log.append(1, 22); });
      })
      .recover(
          [variant](SimulatedMachine& machine) { return Log(machine.region(), variant).values(); })
      .check([](const Values& found, const CrashHistory& history) {
        return check_prefix("log", found, {11, 22}, history);
      })
      .explore();
}

}  // namespace nacre::mutants
