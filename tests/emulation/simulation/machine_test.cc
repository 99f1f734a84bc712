// What the simulated machine records of a program.

#include "emulation/simulation/machine.h"

#include <gtest/gtest.h>
#include <immintrin.h>

#include <atomic>
#include <cstdint>
#include <utility>
#include <vector>

namespace nacre {
namespace {

SimulatedMachine machine_with_pages(std::size_t pages) {
  Result<SimulatedMachine> machine = SimulatedMachine::create(
      {.model = {}, .region_bytes = pages * 4096, .capacity_bytes = std::size_t{1} << 20});
  EXPECT_TRUE(machine);
  return *std::move(machine);
}

void store(SimulatedMachine& machine, std::size_t offset, std::uint64_t value) {
  std::atomic_ref word(*reinterpret_cast<std::uint64_t*>(machine.region().data() + offset));
  word.store(value, std::memory_order_release);
}

std::vector<MediaAddress> stored_to(SimulatedMachine& machine) {
  std::vector<MediaAddress> addresses;
  for (const Event& event : machine.core().trace().events()) {
    if (event.kind == EventKind::kStore) addresses.push_back(event.address);
  }
  return addresses;
}

TEST(SimulatedMachine, RecordsPlainStoresOneByOne) {
  SimulatedMachine machine = machine_with_pages(2);
  store(machine, 64, 1);
  store(machine, 8, 2);
  store(machine, 4096, 3);
  store(machine, 64, 4);
  EXPECT_EQ(stored_to(machine), (std::vector<MediaAddress>{64, 8, 4096, 64}));
}

// A page is compared with what it was before the instruction. Under eADR a thread whose only store
// this is has nothing that its fence would wait for; the region's own calls are always seen.
TEST(SimulatedMachine, DoesNotSeeAPlainStoreOfWhatWasThere) {
  SimulatedMachine machine = machine_with_pages(1);
  store(machine, 0, 7);
  store(machine, 0, 7);
  EXPECT_EQ(stored_to(machine), (std::vector<MediaAddress>{0}));
  machine.region().store_u64(0, 7);
  EXPECT_EQ(stored_to(machine), (std::vector<MediaAddress>{0, 0}));
}

// A setup that stored plainly left its pages open for good, and the explorer saw none of the
// workload's stores to them: everything looked lost.
TEST(SimulatedMachine, RecordsStoresToPagesThatWereOpenedUnrecorded) {
  SimulatedMachine machine = machine_with_pages(1);
  machine.core().set_recording(false);
  store(machine, 0, 1);
  machine.core().settle();
  machine.core().set_recording(true);
  store(machine, 8, 2);
  store(machine, 0, 3);
  EXPECT_EQ(stored_to(machine), (std::vector<MediaAddress>{8, 0}));
}

TEST(SimulatedMachine, RefusesOptionsThatMakeNoSense) {
  std::vector<SimulatedMachineOptions> wrong(8);
  wrong[0].model.device_unit_bytes = 100;
  wrong[1].model.device_unit_bytes = 0;
  wrong[2].capacity_bytes = 0;
  wrong[3].capacity_bytes = ~std::size_t{0};
  wrong[4].capacity_bytes = 65536;
  wrong[5].region_bytes = wrong[5].capacity_bytes;
  wrong[6].region_bytes = ~std::size_t{0};
  wrong[7].max_file_bytes = 0;
  for (std::size_t i = 0; i < wrong.size(); ++i) {
    const Result<SimulatedMachine> machine = SimulatedMachine::create(wrong[i]);
    ASSERT_FALSE(machine) << i;
    EXPECT_EQ(machine.error().code(), ErrorCode::kInvalidArgument) << machine.error().to_string();
  }
}

TEST(SimulatedMachine, RefusesMoreMachinesThanAreWatched) {
  std::vector<SimulatedMachine> machines;
  while (machines.size() < 100) {
    Result<SimulatedMachine> machine =
        SimulatedMachine::create({.model = {}, .capacity_bytes = std::size_t{1} << 20});
    if (!machine) {
      EXPECT_EQ(machine.error().code(), ErrorCode::kNoSpace) << machine.error().to_string();
      break;
    }
    machines.push_back(*std::move(machine));
  }
  EXPECT_EQ(machines.size(), 64U);
  machines.pop_back();
  EXPECT_TRUE(SimulatedMachine::create({.model = {}, .capacity_bytes = std::size_t{1} << 20}));
}

// A program that streams by itself was recorded as one that stores through the cache, which keeps
// the order of its stores.
TEST(SimulatedMachine, RecordsStoresPastTheCacheAsStreamed) {
  SimulatedMachine machine = machine_with_pages(1);
  std::byte* const data = machine.region().data();
  _mm_stream_si64(reinterpret_cast<long long*>(data), 1);
  _mm_stream_si128(reinterpret_cast<__m128i*>(data + 64), _mm_set1_epi8(1));
  store(machine, 128, 1);
  std::vector<std::pair<EventKind, MediaAddress>> recorded;
  for (const Event& event : machine.core().trace().events()) {
    recorded.emplace_back(event.kind, event.address);
  }
  EXPECT_EQ(recorded, (std::vector<std::pair<EventKind, MediaAddress>>{{EventKind::kStream, 0},
                                                                       {EventKind::kStream, 64},
                                                                       {EventKind::kStream, 72},
                                                                       {EventKind::kStore, 128}}));
}

TEST(SimulatedMachine, RefusesMoreMediaThanThereIsAddressSpace) {
  const auto machine = SimulatedMachine::create({.capacity_bytes = std::size_t{1} << 60});
  ASSERT_FALSE(machine.has_value());
  EXPECT_EQ(machine.error().code(), ErrorCode::kNoSpace) << machine.error().to_string();
}

}  // namespace
}  // namespace nacre
