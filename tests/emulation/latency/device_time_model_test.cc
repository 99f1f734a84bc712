#include "emulation/latency/device_time_model.h"

#include <gtest/gtest.h>

namespace nacre {
namespace {

/// 1 GB/s is a byte each nanosecond, so that the arithmetic can be followed by eye.
constexpr MemoryDevice kPlain{.name = "plain",
                              .source = "",
                              .read_latency_ns = 300,
                              .write_latency_ns = 90,
                              .read_bytes_per_s = 2'000'000'000,
                              .write_bytes_per_s = 1'000'000'000};

MemoryDevice with_units(std::size_t unit_bytes, std::size_t open_units) {
  MemoryDevice device = kPlain;
  device.unit_bytes = unit_bytes;
  device.open_units = open_units;
  return device;
}

TEST(DeviceTimeModel, AWriteTakesItsBandwidthAndItsLatency) {
  DeviceTimeModel model(kPlain);
  EXPECT_EQ(model.write({0, 0, 64}, 1000), 1000U + 64 + 90);
  // An idle device begins at once, whatever the time.
  EXPECT_EQ(model.write({0, 64, 4096}, 5000), 5000U + 4096 + 90);
}

TEST(DeviceTimeModel, AWriteWaitsForThoseBeforeIt) {
  DeviceTimeModel model(kPlain);
  EXPECT_EQ(model.write({0, 0, 1024}, 1000), 1000U + 1024 + 90);
  EXPECT_EQ(model.write({0, 1024, 1024}, 1100), 1000U + 2048 + 90);
}

TEST(DeviceTimeModel, PartOfAUnitCostsTheWholeOne) {
  DeviceTimeModel model(with_units(256, 0));
  EXPECT_EQ(model.write({0, 200, 8}, 0), 256U + 90);
  EXPECT_EQ(model.media_bytes_written(), 256U);
  // 8 bytes across a border are two units.
  EXPECT_EQ(model.write({0, 252, 8}, 10'000), 10'000U + 512 + 90);
  EXPECT_EQ(model.media_bytes_written(), 768U);
}

TEST(DeviceTimeModel, WritesToAnOpenUnitCostTheMediaNothing) {
  DeviceTimeModel model(with_units(256, 2));
  for (std::size_t line = 0; line < 4; ++line) {
    static_cast<void>(model.write({0, line * 64, 64}, 1000));
  }
  EXPECT_EQ(model.media_bytes_written(), 256U) << "a log that goes on in one unit";
  EXPECT_EQ(model.write({0, 0, 64}, 2000), 2000U + 90);
  // Two further units close the first.
  static_cast<void>(model.write({0, 256, 64}, 3000));
  static_cast<void>(model.write({0, 512, 64}, 4000));
  EXPECT_EQ(model.write({0, 0, 64}, 9000), 9000U + 256 + 90);
}

TEST(DeviceTimeModel, RegionsShareNoUnit) {
  DeviceTimeModel model(with_units(256, 8));
  static_cast<void>(model.write({0, 0, 64}, 0));
  static_cast<void>(model.write({1, 0, 64}, 0));
  EXPECT_EQ(model.media_bytes_written(), 512U);
}

TEST(DeviceTimeModel, TheBufferTakesABurstAndNoMore) {
  MemoryDevice device = kPlain;
  device.write_buffer_bytes = 1024;
  DeviceTimeModel model(device);
  EXPECT_EQ(model.write({0, 0, 1024}, 1000), 1000U + 90) << "it fits";
  EXPECT_EQ(model.write({0, 1024, 64}, 1000), 1000U + 64 + 90) << "it waits for as much room";
  // In the long run the media set the pace.
  std::uint64_t now_ns = 1000;
  for (int i = 0; i < 1000; ++i) now_ns = model.write({0, 0, 64}, now_ns) - 90;
  EXPECT_EQ(now_ns, 1000U + 1024 + 64 + 64'000 - 1024);
}

TEST(DeviceTimeModel, NothingWrittenTakesTheLatencyAlone) {
  DeviceTimeModel model(kPlain);
  EXPECT_EQ(model.write({0, 64, 0}, 1000), 1000U + 90);
  EXPECT_EQ(model.media_bytes_written(), 0U);
}

TEST(DeviceTimeModel, ALoadHasOneLatencyAndTheBandwidthOfTheRest) {
  DeviceTimeModel model(kPlain);
  EXPECT_EQ(model.read({0, 0, 8}, 1000), 1000U + 300);
  EXPECT_EQ(model.read({0, 4096, 640}, 1000), 1000U + 300 + 9 * 64 / 2);
  EXPECT_EQ(model.read({0, 0, 0}, 1000), 1000U);
}

TEST(DeviceTimeModel, ALoadFromAnOpenUnitIsFree) {
  DeviceTimeModel model(with_units(256, 2));
  EXPECT_EQ(model.read({0, 0, 8}, 1000), 1000U + 300);
  EXPECT_EQ(model.read({0, 128, 64}, 2000), 2000U);
  EXPECT_EQ(model.read({0, 192, 128}, 3000), 3000U + 300) << "one unit of two is not open";
}

TEST(DeviceTimeModel, FractionsOfANanosecondAddUp) {
  MemoryDevice device = kPlain;
  device.write_bytes_per_s = 32'000'000'000;
  DeviceTimeModel model(device);
  std::uint64_t done_ns = 0;
  for (int i = 0; i < 1000; ++i) done_ns = model.write({0, 0, 64}, 0);
  EXPECT_EQ(done_ns, 2000U + 90) << "2 ns each";
  device.write_bytes_per_s = 23'464'000'000;
  DeviceTimeModel uneven(device);
  for (int i = 0; i < 1000; ++i) done_ns = uneven.write({0, 0, 64}, 0);
  EXPECT_EQ(done_ns, 2727U + 90) << "2.727 ns each";
}

TEST(DeviceTimeModel, TimesFarFromZeroDoNotOverflow) {
  constexpr std::uint64_t kYearsNs = 4'000'000'000'000'000'000;
  DeviceTimeModel model(kPlain);
  EXPECT_EQ(model.write({0, 0, 64}, kYearsNs), kYearsNs + 64 + 90);
}

TEST(KnownMemoryDevices, AreFoundByNameAndNameTheirSources) {
  for (const std::string_view name : {"optane200", "cxl", "nvdimm-n"}) {
    const auto device = find_memory_device(name);
    ASSERT_TRUE(device.has_value()) << name;
    EXPECT_EQ(device->name, name);
    EXPECT_FALSE(device->source.empty());
    // Asserts that the figures are in range.
    static_cast<void>(DeviceTimeModel(*device));
  }
  EXPECT_EQ(known_memory_devices().size(), 3U);
  EXPECT_FALSE(find_memory_device("floppy").has_value());
}

}  // namespace
}  // namespace nacre
