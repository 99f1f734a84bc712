// Correct: a ring buffer with a durable head and a durable tail.

#include "tests/mutants/programs.h"

namespace nacre::mutants {
namespace {

constexpr std::size_t kSlots = 2;

/// Two slots from line 2 on; line 0 counts what was taken out, line 1 what was put in.
class Ring {
 public:
  explicit Ring(pmem::Region& region) : region_(region) {}

  void put(std::uint64_t value) {
    const std::uint64_t tail = read_u64(region_, kTail);
    // The value holds before it is counted. Its slot is free: head was durable before put began.
    persist_u64(region_, slot_of(tail), value);
    persist_u64(region_, kTail, tail + 1);
  }
  void take() { persist_u64(region_, kHead, read_u64(region_, kHead) + 1); }

  Values values() {
    Values values;
    const std::uint64_t tail = read_u64(region_, kTail);
    for (std::uint64_t i = read_u64(region_, kHead); i < tail; ++i) {
      values.push_back(read_u64(region_, slot_of(i)));
    }
    return values;
  }

 private:
  static constexpr std::size_t kHead = 0;
  static constexpr std::size_t kTail = kLine;
  static std::size_t slot_of(std::uint64_t index) { return (2 + index % kSlots) * kLine; }

  pmem::Region& region_;
};

}  // namespace

CrashReport ring_buffer(const CrashTestOptions& options) {
  return CrashTest<Values>(options)
      .run([](SimulatedMachine& machine, CrashRun& run) {
        Ring ring(machine.region());
        run.operation("put 11", [&] { ring.put(11); });
        run.operation("put 22", [&] { ring.put(22); });
        run.operation("take", [&] { ring.take(); });
        run.operation("put 33", [&] { ring.put(33); });
        run.operation("take", [&] { ring.take(); });
      })
      .recover([](SimulatedMachine& machine) -> Result<Values> {
        return Ring(machine.region()).values();
      })
      .check([](const Values& found, const CrashHistory& history) {
        return check_after("ring", found, {{}, {11}, {11, 22}, {22}, {22, 33}, {33}}, history);
      })
      .explore();
}

}  // namespace nacre::mutants
