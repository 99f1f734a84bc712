#include "pmem/mapped_region.h"

#include <cstdlib>

#include "pmem/mapping.h"
#include "tests/pmem/region_contract.h"
#include "tests/pmem/stub_file_system.h"

namespace nacre::pmem {
namespace {

DomainInfo info_of(DomainKind kind) {
  return {.kind = kind,
          .survives_power_loss = kind != DomainKind::kEmulated,
          .granularity_bytes = kCacheLineBytes,
          .reason = "a test asked for it",
          .copy_routine = {}};
}

std::vector<RegionSource> every_emulated_source() {
  std::vector<RegionSource> sources;
  const auto posix = [] { return std::make_unique<PosixFileSystem>(); };
  for (const CopyRoutines& routines : supported_copy_routines()) {
    const auto make = [&routines] {
      return make_mapped_domain(info_of(DomainKind::kEmulated), routines);
    };
    std::string name(routines.name);
    std::erase(name, '-');
    sources.push_back({name + "_tmpfs", make, posix, /*on_tmpfs=*/true});
    sources.push_back({name + "_ordinary_file", make, posix, /*on_tmpfs=*/false});
  }
  return sources;
}

/// Whether files in the temporary directory are mapped as persistent memory, as in the virtual
/// machine of tools/vm.
bool on_persistent_memory() {
  const test::TempDirectory directory;
  PosixFileSystem files;
  const auto file =
      files.open(directory.path() / "file", {.writable = true, .create = true, .exclusive = true});
  if (!file || !(*file)->resize(kCacheLineBytes)) return false;
  return find_persistence_facts((*file)->native_handle(), kCacheLineBytes).map_sync_errno == 0;
}

/// None where there is no persistent memory.
std::vector<RegionSource> every_persistent_source() {
  std::vector<RegionSource> sources;
  if (!on_persistent_memory()) return sources;
  for (const CopyRoutines& routines : supported_copy_routines()) {
    for (const DomainKind kind : {DomainKind::kCacheLine, DomainKind::kDurableCache}) {
      const auto make = [&routines, kind] { return make_mapped_domain(info_of(kind), routines); };
      const auto posix = [] { return std::make_unique<PosixFileSystem>(); };
      std::string name = std::string(routines.name) + "_" + std::string(domain_name(kind));
      std::erase(name, '-');
      sources.push_back({name, make, posix, /*on_tmpfs=*/false});
    }
  }
  return sources;
}

INSTANTIATE_TEST_SUITE_P(Persistent, RegionContract, testing::ValuesIn(every_persistent_source()),
                         source_name);
INSTANTIATE_TEST_SUITE_P(Emulated, RegionContract, testing::ValuesIn(every_emulated_source()),
                         source_name);

class MappedRegionTest : public testing::Test {
 protected:
  static constexpr std::size_t kRegionBytes = 64 * 1024;

  void SetUp() override {
    ASSERT_OK_AND_ASSIGN(auto file, file_system_.open(path_, {.writable = true, .create = true}));
    ASSERT_OK(file->preallocate(0, kRegionBytes));
  }

  Result<std::unique_ptr<Region>> map(DomainKind kind, std::size_t bytes = kRegionBytes) {
    domain_ = make_mapped_domain(info_of(kind));
    auto file = file_system_.open(path_, domain_->open_options());
    if (!file) return std::move(file).error();
    return domain_->map(*std::move(file), bytes, MapContent::kFresh);
  }

  test::TempDirectory directory_;
  const std::filesystem::path path_ = directory_.path() / "region";
  test::StubFileSystem file_system_;
  std::unique_ptr<Domain> domain_;
};

TEST_F(MappedRegionTest, IsSynchronousAndNamesItsCopyRoutine) {
  ASSERT_OK_AND_ASSIGN(const auto region, map(DomainKind::kEmulated));
  EXPECT_TRUE(region->synchronous());
  EXPECT_EQ(region->commit_granule(), kCacheLineBytes);
  EXPECT_EQ(domain_->info().copy_routine, best_copy_routines().name);
}

TEST_F(MappedRegionTest, AFileWithoutADescriptorIsUnsupported) {
  file_system_.faults().hide_descriptor = true;
  EXPECT_THAT(map(DomainKind::kEmulated), test::has_code(ErrorCode::kUnsupported));
}

TEST_F(MappedRegionTest, IsMadeOfWholeCacheLinesThatTheFileHas) {
  for (const std::size_t bytes : {std::size_t{0}, kCacheLineBytes + 8, kRegionBytes * 2}) {
    const auto region = map(DomainKind::kEmulated, bytes);
    EXPECT_THAT(region, test::has_code(ErrorCode::kInvalidArgument)) << bytes;
    EXPECT_EQ(region.error().path(), path_.string());
  }
}

TEST_F(MappedRegionTest, AnOrdinaryFileIsNotMappedAsPersistentMemory) {
  if (on_persistent_memory()) GTEST_SKIP() << "the temporary directory is persistent memory";
  EXPECT_THAT(map(DomainKind::kCacheLine), test::has_code(ErrorCode::kUnsupported));
  EXPECT_THAT(map(DomainKind::kDurableCache), test::has_code(ErrorCode::kUnsupported));
}

// libpmem2 maps any file as whatever this variable says, so it alone must never be believed.
TEST_F(MappedRegionTest, AnOrdinaryFileIsNotMappedAsPersistentMemoryWhateverTheEnvironmentSays) {
  if (on_persistent_memory()) GTEST_SKIP() << "the temporary directory is persistent memory";
  ASSERT_EQ(setenv("PMEM2_FORCE_GRANULARITY", "BYTE", 1), 0);
  EXPECT_THAT(map(DomainKind::kDurableCache), test::has_code(ErrorCode::kUnsupported));
  ASSERT_EQ(unsetenv("PMEM2_FORCE_GRANULARITY"), 0);
}

TEST_F(MappedRegionTest, AnotherMappingSeesTheWords) {
  ASSERT_OK_AND_ASSIGN(const auto writer, map(DomainKind::kEmulated));
  ASSERT_OK_AND_ASSIGN(const auto reader, map(DomainKind::kEmulated));
  writer->store_u64(128, 7);
  EXPECT_EQ(reader->data()[128], std::byte{7});
}

using MappedRegionDeathTest = MappedRegionTest;

TEST_F(MappedRegionDeathTest, AWriteOutsideTheRegionStopsTheProcess) {
  ASSERT_OK_AND_ASSIGN(const auto region, map(DomainKind::kEmulated));
  const std::byte bytes[65]{};
  EXPECT_DEATH(region->stream(kRegionBytes - 64, {}, bytes), "");
  EXPECT_DEATH(region->copy(kRegionBytes - 64, bytes), "");
  EXPECT_DEATH(region->stream(32, {}, bytes), "");
}

}  // namespace
}  // namespace nacre::pmem
