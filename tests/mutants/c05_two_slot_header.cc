// Correct: a header in two slots, written in turn, the newest whole one counts.
//
// Nothing but `copy` and `commit`, so that it is as right on mapped pages as it is on memory.

#include <span>

#include "tests/mutants/programs.h"

namespace nacre::mutants {
namespace {

constexpr std::size_t kFields = 3;

/// Slots of a page each: a version, three fields, a checksum over both.
class Header {
 public:
  explicit Header(pmem::Region& region) : region_(region) {}

  void write(const Values& fields) {
    const std::uint64_t version = newest().front() + 1;
    Values slot{version};
    slot.insert(slot.end(), fields.begin(), fields.end());
    slot.push_back(checksum_of(slot));
    const std::size_t at = version % 2 * kPage;
    region_.copy(at, std::as_bytes(std::span(slot)));
    sync_range(region_, at, at + kPage);
  }

  Values fields() {
    const Values slot = newest();
    return {slot.begin() + 1, slot.end()};
  }

 private:
  /// Version and fields; version 0 and no fields when neither slot is whole.
  Values newest() {
    Values newest{0};
    for (const std::size_t at : {std::size_t{0}, kPage}) {
      Values slot;
      for (std::size_t i = 0; i < 1 + kFields; ++i) {
        slot.push_back(read_u64(region_, at + i * kWord));
      }
      if (read_u64(region_, at + (1 + kFields) * kWord) != checksum_of(slot)) continue;
      if (slot.front() > newest.front()) newest = slot;
    }
    return newest;
  }

  pmem::Region& region_;
};

}  // namespace

CrashReport two_slot_header(const CrashTestOptions& options) {
  return CrashTest<Values>(options)
      .run([](SimulatedMachine& machine, CrashRun& run) {
        Header header(machine.region());
        run.operation("write 1", [&] { header.write({1, 2, 3}); });
        run.operation("write 2", [&] { header.write({4, 5, 6}); });
        run.operation("write 3", [&] { header.write({7, 8, 9}); });
      })
      .recover([](SimulatedMachine& machine) -> Result<Values> {
        return Header(machine.region()).fields();
      })
      .check([](const Values& found, const CrashHistory& history) {
        return check_after("header", found, {{}, {1, 2, 3}, {4, 5, 6}, {7, 8, 9}}, history);
      })
      .explore();
}

}  // namespace nacre::mutants
