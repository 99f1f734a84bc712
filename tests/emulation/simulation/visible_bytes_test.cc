// What a killed process leaves is what it saw, whatever of it is durable by then.

#include "emulation/simulation/visible_bytes.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <memory>
#include <string>
#include <vector>

#include "emulation/simulation/machine.h"
#include "emulation/simulation/media_bytes.h"
#include "nacre/emulation/simulated_machine.h"
#include "nacre/random.h"
#include "tests/support/seed.h"

namespace nacre {
namespace {

constexpr std::size_t kRegionBytes = 4096;
constexpr std::size_t kFileBytes = 8192;
constexpr int kSteps = 60;

/// One step of a random program, most of which make something durable now and then.
class RandomProgram {
 public:
  RandomProgram(SimulatedMachine& machine, std::uint64_t seed) : machine_(machine), random_(seed) {}

  void step() {
    pmem::Region& region = machine_.region();
    const std::size_t at = uniform_below(random_, kRegionBytes / 8) * 8;
    switch (uniform_below(random_, 9)) {
      case 0:
        region.store_u64(at, random_.next_u64());
        break;
      case 1:
        region.data()[at] = static_cast<std::byte>(random_.next_u64());
        region.flush(at, 1);
        break;
      case 2:
        region.copy(at, std::vector<std::byte>(std::min<std::size_t>(24, kRegionBytes - at),
                                               static_cast<std::byte>(random_.next_u64())));
        break;
      case 3:
        region.fence();
        break;
      case 4:
        change_names();
        break;
      default:
        change_file();
        break;
    }
  }

 private:
  std::string any_name() { return kNames[uniform_below(random_, kNames.size())]; }

  void change_names() {
    FileSystem& files = machine_.file_system();
    // Some are refused, as on any file system. Their number is bounded by what a model takes.
    static_cast<void>(files.create_directory("/d"));
    switch (uniform_below(random_, 3)) {
      case 0:
        static_cast<void>(files.rename(any_name(), any_name()));
        break;
      case 1:
        static_cast<void>(files.remove(any_name()));
        break;
      default:
        break;
    }
    static_cast<void>(files.sync_directory(uniform_below(random_, 2) == 0 ? "/" : "/d"));
  }

  void change_file() {
    const auto file = machine_.file_system().open(
        any_name(),
        {.writable = true, .create = true, .data_sync = uniform_below(random_, 3) == 0});
    if (!file) return;
    const std::size_t offset = uniform_below(random_, kFileBytes / 2);
    switch (uniform_below(random_, 3)) {
      case 0:
        ASSERT_TRUE((*file)->resize(offset));
        break;
      case 1:
        ASSERT_TRUE((*file)->sync());
        break;
      default:
        ASSERT_TRUE((*file)->write_at(
            offset, std::vector<std::byte>(1 + uniform_below(random_, kFileBytes / 2 - 1),
                                           static_cast<std::byte>(random_.next_u64()))));
        break;
    }
    // Names that nothing has made durable must not become more than a model takes.
    if (uniform_below(random_, 4) == 0) return;
    for (const char* directory : {"/", "/d"}) {
      static_cast<void>(machine_.file_system().sync_directory(directory));
    }
  }

  static constexpr std::array<const char*, 4> kNames = {"/a", "/b", "/d/a", "/d/b"};
  SimulatedMachine& machine_;
  SeededRandom random_;
};

const SimulatedMachineOptions kOptions = {.region_bytes = kRegionBytes,
                                          .max_file_bytes = kFileBytes,
                                          .capacity_bytes = std::size_t{4} << 20};

TEST(VisibleBytes, AreWhatTheProgramSaw) {
  for (std::uint64_t round = 0; round < 40; ++round) {
    auto made = SimulatedMachine::create(kOptions);
    auto other = SimulatedMachine::create(kOptions);
    ASSERT_TRUE(made && other);
    Machine& machine = made->core();
    Machine& after = other->core();
    RandomProgram program(*made, test::seed() + round);
    machine.set_recording(false);
    for (int i = 0; i < kSteps / 4; ++i) program.step();
    machine.settle();
    machine.set_recording(true);
    for (int i = 0; i < kSteps; ++i) program.step();
    machine.set_recording(false);
    const Trace& trace = machine.trace();

    // The other one has what is durable, and nothing else.
    after.adopt(machine);
    SavedBytes durable(after.media());
    for (const auto& model : make_persistence_models({}, durable)) {
      for (std::size_t i = 0; i < trace.events().size(); ++i) model->apply(trace, i);
    }
    PresentBytes present(after.media());
    make_visible(trace, trace.events().size(), SavedBytes(machine.media()), present);
    const Bytes saw(machine.media().open(0), machine.media().capacity());
    const Bytes left(after.media().open(0), after.media().capacity());
    const auto differs = std::mismatch(saw.begin(), saw.end(), left.begin());
    ASSERT_EQ(differs.first, saw.end())
        << "in round " << round << " at " << differs.first - saw.begin() << " of the media";
  }
}

}  // namespace
}  // namespace nacre
