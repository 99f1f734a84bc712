#include "pmem/mapped_region.h"

#include <sys/resource.h>

#include <csetjmp>
#include <csignal>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <future>
#include <thread>

#include "pmem/mapping.h"
#include "pmem/store_key.h"
#include "tests/pmem/region_contract.h"
#include "tests/pmem/stub_file_system.h"
#include "tests/support/stray_store.h"

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

/// With overwrite protection; none where there are no protection keys.
std::vector<RegionSource> every_protected_source() {
  std::vector<RegionSource> sources;
  if (!test::has_protection_keys()) return sources;
  std::vector<DomainKind> kinds = {DomainKind::kEmulated};
  if (on_persistent_memory()) kinds = {DomainKind::kCacheLine, DomainKind::kDurableCache};
  for (const DomainKind kind : kinds) {
    const auto make = [kind] {
      return make_mapped_domain(info_of(kind), best_copy_routines(), *StoreKey::of_process());
    };
    const auto posix = [] { return std::make_unique<PosixFileSystem>(); };
    sources.push_back({std::string(domain_name(kind)), make, posix, /*on_tmpfs=*/false});
  }
  return sources;
}

INSTANTIATE_TEST_SUITE_P(Protected, RegionContract, testing::ValuesIn(every_protected_source()),
                         source_name);
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

/// Each test's last part runs in a process of its own, which has taken no key before.
class ProtectedRegionDeathTest : public testing::Test {
 protected:
  static constexpr std::size_t kRegionBytes = 256 * 1024;
  static constexpr std::byte kStored{7};

  void SetUp() override {
    if (!test::has_protection_keys()) GTEST_SKIP() << "no protection keys";
    GTEST_FLAG_SET(death_test_style, "threadsafe");
  }

  /// A region that holds `kStored` throughout its first page, and the file it maps.
  struct Made {
    std::filesystem::path path;
    std::unique_ptr<Domain> domain;
    std::unique_ptr<Region> region;
  };
  Made make_region() const {
    Made made{.path = directory_.path() / "region", .domain = {}, .region = {}};
    PosixFileSystem files;
    auto file = files.open(made.path, {.writable = true, .create = true}).value();
    file->preallocate(0, kRegionBytes).value();
    made.domain = make_mapped_domain(info_of(DomainKind::kEmulated), best_copy_routines(),
                                     StoreKey::of_process().value());
    made.region = made.domain->map(std::move(file), kRegionBytes, MapContent::kFresh).value();
    made.region->copy(0, std::vector<std::byte>(4096, kStored));
    made.region->fence();
    return made;
  }

  /// Minor faults of this thread so far.
  static long faults() {
    rusage usage{};
    getrusage(RUSAGE_THREAD, &usage);
    return usage.ru_minflt;
  }

  // In memory no page is written back, and then faults again.
  test::TempDirectory directory_ = test::TempDirectory::on_tmpfs();
};

TEST_F(ProtectedRegionDeathTest, AStrayStoreIntoWhatIsShownFaultsAndChangesNothing) {
  const auto stray = [&] {
    const Made made = make_region();
    if (made.region->takes_plain_stores() || !made.domain->info().overwrite_protection) return;
    test::exit_with_fault([&] { test::store_at(made.region->data() + 100); });
  };
  // In a fork, which has this directory.
  GTEST_FLAG_SET(death_test_style, "fast");
  EXPECT_EXIT(stray(), testing::ExitedWithCode(SEGV_ACCERR), "");
  std::ifstream file(directory_.path() / "region", std::ios::binary);
  EXPECT_EQ(file.seekg(100).get(), static_cast<int>(kStored));
}

TEST_F(ProtectedRegionDeathTest, AStrayStoreToWhereTheRegionStoresFaults) {
  const auto stray = [&] {
    const Made made = make_region();
    const auto views = test::mapped_for_stores(made.path);
    if (views.size() != 1 || views.front().size() != kRegionBytes) return;
    test::exit_with_fault([&] {
      made.region->store_u64(0, 1);
      made.region->stream(64, {}, Bytes(views.front()).first(0));
      made.region->flush(0, 64);
      test::store_at(views.front().data() + 100);
    });
  };
  EXPECT_EXIT(stray(), testing::ExitedWithCode(SEGV_PKUERR), "");
}

/// Whether this thread reads and writes `region`.
bool works(Region& region) {
  region.store_u64(8192, region.data()[0] == std::byte{7} ? 21 : 0);
  region.fence();
  return region.data()[8192] == std::byte{21};
}

// The kernel gives a thread that was there before the key no right to read what lies under it.
TEST_F(ProtectedRegionDeathTest, AThreadFromBeforeTheKeyReadsAndWrites) {
  const auto work = [&] {
    std::promise<Region*> given;
    bool worked = false;
    std::thread early([&] { worked = works(*given.get_future().get()); });
    const Made made = make_region();
    test::exit_with_fault([&] {
      given.set_value(made.region.get());
      early.join();
      if (!worked) std::_Exit(1);
      std::thread late([&] { worked = works(*made.region); });
      late.join();
      if (!worked) std::_Exit(1);
    });
  };
  EXPECT_EXIT(work(), testing::ExitedWithCode(0), "");
}

Region* in_handler = nullptr;
bool handler_works = false;
sigjmp_buf behind_handler;

// Nor does it give one to a signal handler, nor to a thread that jumped out of one.
TEST_F(ProtectedRegionDeathTest, ASignalHandlerReadsAndWritesAndSoDoesWhoJumpsOutOfIt) {
  const auto work = [&] {
    const Made made = make_region();
    in_handler = made.region.get();
    test::exit_with_fault([&] {
      std::signal(SIGUSR1, [](int) {
        handler_works = works(*in_handler);
        siglongjmp(behind_handler, 1);
      });
      if (sigsetjmp(behind_handler, 1) == 0) raise(SIGUSR1);
      if (!handler_works || !works(*in_handler)) std::_Exit(1);
    });
  };
  EXPECT_EXIT(work(), testing::ExitedWithCode(0), "");
}

// The kernel populates a mapping for a thread that may store there, and for others says EINVAL, as
// it did before it knew the call.
TEST_F(ProtectedRegionDeathTest, AFreshRegionTakesNoFaultsWhenItIsWrittenAndRead) {
  const auto work = [&] {
    const Made made = make_region();
    const std::vector<std::byte> bytes(kRegionBytes, kStored);
    const long before = faults();
    made.region->copy(0, bytes);
    made.region->fence();
    const bool same = std::memcmp(made.region->data(), bytes.data(), bytes.size()) == 0;
    const auto taken = static_cast<std::size_t>(faults() - before);
    std::_Exit(same && taken < kRegionBytes / 4096 / 4 ? 0 : 1);
  };
  EXPECT_EXIT(work(), testing::ExitedWithCode(0), "");
}

}  // namespace
}  // namespace nacre::pmem
