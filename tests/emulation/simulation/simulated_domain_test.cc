#include "emulation/simulation/simulated_domain.h"

#include <gtest/gtest.h>

#include <array>
#include <memory>
#include <utility>

#include "nacre/emulation/simulated_machine.h"
#include "tests/support/result_matchers.h"

namespace nacre {
namespace {

using pmem::MapContent;
using test::has_code;

constexpr OpenOptions kCreate{.writable = true, .create = true};

TEST(SimulatedDomain, ARegionIsTheFilesOwnMemory) {
  SimulatedMachine machine = SimulatedMachine::create().value();
  pmem::Domain& domain = machine.domain();
  EXPECT_EQ(domain.info().kind, DomainKind::kSimulated);
  EXPECT_TRUE(domain.info().survives_power_loss);
  ASSERT_OK_AND_ASSIGN(auto file, machine.file_system().open("/f", kCreate));
  ASSERT_OK(file->resize(4096));
  ASSERT_OK(file->write_at(64, as_bytes("written")));
  ASSERT_OK_AND_ASSIGN(auto region, domain.map(std::move(file), 4096, MapContent::kKeep));
  EXPECT_EQ(as_text(region->load(64, 7)), "written");
  region->copy(128, as_bytes("stored"));
  // Nor does it need the name.
  ASSERT_OK_AND_ASSIGN(auto again, machine.file_system().open("/f", {}));
  ASSERT_OK(machine.file_system().remove("/f"));
  std::array<std::byte, 6> bytes{};
  ASSERT_OK(again->read_at(128, bytes));
  EXPECT_EQ(as_text(bytes), "stored");
  EXPECT_EQ(as_text(Bytes(region->data() + 128, 6)), "stored");
}

TEST(SimulatedDomain, RefusesWhatItCannotMap) {
  SimulatedMachine machine = SimulatedMachine::create().value();
  SimulatedMachine other = SimulatedMachine::create().value();
  const auto map = [&](SimulatedMachine& of, std::size_t bytes) {
    auto file = of.file_system().open("/f", kCreate).value();
    EXPECT_OK(file->resize(4096));
    return machine.domain().map(std::move(file), bytes, MapContent::kFresh);
  };
  EXPECT_THAT(map(other, 4096), has_code(ErrorCode::kUnsupported));
  EXPECT_THAT(map(machine, 100), has_code(ErrorCode::kInvalidArgument));
  EXPECT_THAT(map(machine, 0), has_code(ErrorCode::kInvalidArgument));
  EXPECT_THAT(map(machine, 8192), has_code(ErrorCode::kInvalidArgument));
  EXPECT_OK(map(machine, 4096));
}

}  // namespace
}  // namespace nacre
