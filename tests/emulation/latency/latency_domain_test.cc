#include <gtest/gtest.h>

#include <array>
#include <memory>
#include <semaphore>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "nacre/emulation/latency_model.h"
#include "pmem/mapped_region.h"
#include "tests/pmem/region_contract.h"
#include "tests/support/result_matchers.h"

namespace nacre {
namespace {

using test::has_code;

constexpr MemoryDevice kDevice{.name = "slate",
                               .source = "",
                               .read_latency_ns = 300,
                               .write_latency_ns = 90,
                               .read_bytes_per_s = 1'000'000'000,
                               .write_bytes_per_s = 1'000'000'000};

std::unique_ptr<pmem::Domain> emulated() {
  DomainInfo info;
  info.kind = DomainKind::kEmulated;
  info.granularity_bytes = 64;
  info.reason = "a test";
  return pmem::make_mapped_domain(info);
}

std::unique_ptr<pmem::Domain> slow_domain() { return make_latency_domain(emulated(), kDevice); }

/// A region whose time moves only while it waits.
class LatencyDomainTest : public testing::Test {
 protected:
  LatencyDomainTest() {
    domain_ = make_latency_domain(emulated(), kDevice,
                                  {.clock = &clock_, .wait_until = [this](std::uint64_t until_ns) {
                                     waits_.push_back(until_ns);
                                     if (until_ns > clock_.monotonic_ns()) {
                                       clock_.advance_ns(until_ns - clock_.monotonic_ns());
                                     }
                                   }});
    region_ = map("region");
  }

  std::unique_ptr<pmem::Region> map(const std::string& name) {
    constexpr std::size_t kBytes = 65536;
    OpenOptions options = domain_->open_options();
    options.create = true;
    auto file = files_.open(directory_.path() / name, options).value();
    EXPECT_OK(file->resize(kBytes));
    return domain_->map(std::move(file), kBytes, pmem::MapContent::kKeep).value();
  }

  const test::TempDirectory directory_;
  PosixFileSystem files_;
  ManualClock clock_{1000};
  std::vector<std::uint64_t> waits_;
  std::unique_ptr<pmem::Domain> domain_;
  std::unique_ptr<pmem::Region> region_;
  const std::array<std::byte, 100> bytes_{};
};

TEST_F(LatencyDomainTest, AFenceWaitsForWhatWasWritten) {
  region_->stream(0, Bytes(bytes_).first(24), bytes_);
  EXPECT_EQ(waits_, std::vector<std::uint64_t>{}) << "a write by itself does not wait";
  region_->fence();
  EXPECT_EQ(waits_, (std::vector<std::uint64_t>{1000 + 128 + 90}));
  region_->fence();
  EXPECT_EQ(waits_.size(), 1U) << "nothing was written since";
}

TEST_F(LatencyDomainTest, EveryKindOfWriteCounts) {
  region_->copy(0, bytes_);  // Two lines.
  region_->fence();
  EXPECT_EQ(clock_.monotonic_ns(), 1000U + 128 + 90);
  region_->store_u64(4096, 7);  // One.
  region_->fence();
  EXPECT_EQ(clock_.monotonic_ns(), 1218U + 64 + 90);
  region_->data()[8192] = std::byte{1};
  region_->flush(8192, 1);  // One.
  ASSERT_OK(region_->commit(8192, 8256));
  EXPECT_EQ(clock_.monotonic_ns(), 1372U + 64 + 90);
  EXPECT_EQ(region_->data()[8192], std::byte{1});
}

TEST_F(LatencyDomainTest, WhatTheHostTakesCounts) {
  region_->copy(0, Bytes(bytes_).first(64));
  clock_.advance_ns(100);
  region_->fence();
  EXPECT_EQ(clock_.monotonic_ns(), 1000U + 64 + 90) << "100 of them had passed";
  region_->copy(64, Bytes(bytes_).first(64));
  clock_.advance_ns(5000);
  region_->fence();
  EXPECT_EQ(clock_.monotonic_ns(), 1154U + 5000) << "slower than the device is";
}

TEST_F(LatencyDomainTest, RegionsShareOneDevice) {
  const auto other = map("other");
  region_->copy(0, Bytes(bytes_).first(64));
  other->copy(0, Bytes(bytes_).first(64));
  // A fence is the thread's, not the region's.
  region_->fence();
  EXPECT_EQ(clock_.monotonic_ns(), 1000U + 128 + 90);
}

/// A thread that fences once, when told to.
class Fencer {
 public:
  explicit Fencer(pmem::Region& region)
      : thread_([this, &region] {
          go_.acquire();
          region.fence();
          done_.release();
        }) {}
  ~Fencer() { thread_.join(); }
  void fence() {
    go_.release();
    done_.acquire();
  }

 private:
  std::binary_semaphore go_{0};
  std::binary_semaphore done_{0};
  std::thread thread_;
};

// Threads are told apart by 256 slots: some of four that live at the same time have their own.
TEST_F(LatencyDomainTest, AThreadWaitsForItsOwnWritesAlone) {
  std::vector<std::unique_ptr<Fencer>> others;
  for (int i = 0; i < 4; ++i) others.push_back(std::make_unique<Fencer>(*region_));
  std::size_t unmoved = 0;
  for (const auto& other : others) {
    region_->copy(0, Bytes(bytes_).first(64));
    const std::size_t waits = waits_.size();
    other->fence();
    if (waits_.size() == waits) ++unmoved;
    region_->fence();
  }
  EXPECT_GT(unmoved, 0U);
  EXPECT_EQ(clock_.monotonic_ns(), 1000U + 4 * (64 + 90)) << "whoever waited, somebody did";
}

TEST_F(LatencyDomainTest, ALoadWaitsForTheDevice) {
  EXPECT_EQ(region_->load(100, 8).data(), region_->data() + 100);
  EXPECT_EQ(clock_.monotonic_ns(), 1000U + 300);
  static_cast<void>(region_->load(0, 0));
  EXPECT_EQ(waits_.size(), 1U);
}

TEST_F(LatencyDomainTest, SaysWhatItIs) {
  EXPECT_EQ(domain_->info().kind, DomainKind::kEmulated);
  EXPECT_FALSE(domain_->info().survives_power_loss);
  EXPECT_THAT(domain_->info().reason, testing::HasSubstr("slate"));
  EXPECT_TRUE(region_->synchronous());
  EXPECT_EQ(region_->commit_granule(), 64U);
}

TEST(LatencyDomain, OnTheMachinesClockAFenceTakesAsLong) {
  const auto domain = make_latency_domain(emulated(), kDevice);
  const test::TempDirectory directory;
  PosixFileSystem files;
  OpenOptions options = domain->open_options();
  options.create = true;
  ASSERT_OK_AND_ASSIGN(auto file, files.open(directory.path() / "region", options));
  ASSERT_OK(file->resize(4096));
  ASSERT_OK_AND_ASSIGN(const auto region,
                       domain->map(std::move(file), 4096, pmem::MapContent::kKeep));
  SystemClock clock;
  const std::vector<std::byte> page(4096);
  const std::uint64_t begin_ns = clock.monotonic_ns();
  region->copy(0, page);
  region->fence();
  // The lower bound holds on any machine, however busy.
  EXPECT_GE(clock.monotonic_ns() - begin_ns, 4096U + 90);
}

TEST(LatencyDomain, RefusesWhatIsNoMemory) {
  const test::TempDirectory directory;
  PosixFileSystem files;
  auto block = pmem::choose_domain(files, directory.path(), DomainRequest::kBlock);
  if (!block) GTEST_SKIP() << block.error().to_string();
  const auto domain = make_latency_domain(std::move(*block), kDevice);
  OpenOptions options = domain->open_options();
  options.create = true;
  ASSERT_OK_AND_ASSIGN(auto file, files.open(directory.path() / "region", options));
  ASSERT_OK(file->resize(65536));
  const auto region = domain->map(std::move(file), 65536, pmem::MapContent::kKeep);
  ASSERT_THAT(region, has_code(ErrorCode::kUnsupported));
  EXPECT_THAT(region.error().path(), testing::EndsWith("region"));
}

}  // namespace

namespace pmem {
namespace {

INSTANTIATE_TEST_SUITE_P(Latency, RegionContract,
                         testing::Values(RegionSource{
                             .name = "emulated",
                             .make_domain = [] { return slow_domain(); },
                             .make_file_system = [] { return std::make_unique<PosixFileSystem>(); },
                             .on_tmpfs = true}),
                         source_name);

}  // namespace
}  // namespace pmem
}  // namespace nacre
