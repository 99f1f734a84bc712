#include <unistd.h>

#include <cerrno>
#include <cstdlib>

#include "lib/base/assert.h"
#include "nacre/pmem.h"
#include "pmem/probe.h"
#include "tests/pmem/stub_file_system.h"
#include "tests/support/result_matchers.h"
#include "tests/support/temp_directory.h"

namespace nacre::pmem {
namespace {

using testing::HasSubstr;

/// What `probe_directory` finds on an ordinary disk.
DirectoryProbe ordinary_disk() {
  DirectoryProbe probe;
  probe.directory = "/data";
  probe.file_system = {.name = "ext4"};
  probe.mappable = true;
  probe.persistence.pmem2_granularity = StoreGranularity::kPage;
  probe.persistence.map_sync_errno = EOPNOTSUPP;
  return probe;
}

DirectoryProbe memory_file_system() {
  DirectoryProbe probe = ordinary_disk();
  probe.file_system = {.name = "tmpfs", .in_memory = true};
  return probe;
}

DirectoryProbe persistent_memory(StoreGranularity granularity) {
  DirectoryProbe probe = ordinary_disk();
  probe.persistence.pmem2_granularity = granularity;
  probe.persistence.map_sync_errno = 0;
  return probe;
}

TEST(DecideDomain, AnOrdinaryDiskIsBlock) {
  for (const DomainRequest request : {DomainRequest::kAuto, DomainRequest::kBlock}) {
    ASSERT_OK_AND_ASSIGN(const DomainInfo info, decide_domain(ordinary_disk(), request));
    EXPECT_EQ(info.kind, DomainKind::kBlock);
    EXPECT_TRUE(info.survives_power_loss);
    EXPECT_EQ(info.granularity_bytes, 4096u);
    EXPECT_THAT(info.reason, HasSubstr("ext4"));
  }
}

TEST(DecideDomain, PersistentMemoryIsWhatLibpmem2AndTheKernelAgreeOn) {
  ASSERT_OK_AND_ASSIGN(
      const DomainInfo adr,
      decide_domain(persistent_memory(StoreGranularity::kCacheLine), DomainRequest::kAuto));
  EXPECT_EQ(adr.kind, DomainKind::kCacheLine);
  EXPECT_TRUE(adr.survives_power_loss);
  EXPECT_EQ(adr.granularity_bytes, 64u);
  ASSERT_OK_AND_ASSIGN(
      const DomainInfo eadr,
      decide_domain(persistent_memory(StoreGranularity::kByte), DomainRequest::kAuto));
  EXPECT_EQ(eadr.kind, DomainKind::kDurableCache);
  EXPECT_EQ(eadr.granularity_bytes, 8u);
}

TEST(DecideDomain, BlockAskedForByNameWinsOverPersistentMemory) {
  ASSERT_OK_AND_ASSIGN(
      const DomainInfo info,
      decide_domain(persistent_memory(StoreGranularity::kByte), DomainRequest::kBlock));
  EXPECT_EQ(info.kind, DomainKind::kBlock);
}

TEST(DecideDomain, ForcedGranularityIsNotBelievedAndTheReasonSaysSo) {
  DirectoryProbe probe = ordinary_disk();
  probe.persistence.pmem2_granularity = StoreGranularity::kByte;
  ASSERT_OK_AND_ASSIGN(const DomainInfo info, decide_domain(probe, DomainRequest::kAuto));
  EXPECT_EQ(info.kind, DomainKind::kBlock);
  EXPECT_THAT(info.reason, HasSubstr("PMEM2_FORCE_GRANULARITY"));
}

TEST(DecideDomain, MemoryFileSystemNeedsEmulatedAskedForByName) {
  for (const DomainRequest request : {DomainRequest::kAuto, DomainRequest::kBlock}) {
    const auto decided = decide_domain(memory_file_system(), request);
    ASSERT_THAT(decided, test::has_code(ErrorCode::kUnsupported));
    EXPECT_THAT(decided.error().message(), HasSubstr("tmpfs"));
    EXPECT_THAT(decided.error().message(), HasSubstr("--durability process"));
    EXPECT_EQ(decided.error().path(), "/data");
  }
  ASSERT_OK_AND_ASSIGN(const DomainInfo info,
                       decide_domain(memory_file_system(), DomainRequest::kEmulated));
  EXPECT_EQ(info.kind, DomainKind::kEmulated);
  EXPECT_FALSE(info.survives_power_loss);
  EXPECT_THAT(info.reason, HasSubstr("not power loss"));
}

TEST(DecideDomain, RefusedDirectWritesAreUnsupported) {
  for (const Error& refusal : {Error(ErrorCode::kUnsupported, "no O_DIRECT here"),
                               Error(ErrorCode::kInvalidArgument, "refused").with_errno(EINVAL)}) {
    DirectoryProbe probe = ordinary_disk();
    probe.direct_write_error = refusal;
    const auto decided = decide_domain(probe, DomainRequest::kAuto);
    ASSERT_THAT(decided, test::has_code(ErrorCode::kUnsupported));
    EXPECT_THAT(decided.error().message(), HasSubstr("ext4"));
    EXPECT_THAT(decided.error().message(), HasSubstr("kEmulated"));
    EXPECT_OK(decide_domain(probe, DomainRequest::kEmulated));
  }
}

TEST(DecideDomain, OtherFailuresOfTheTrialWriteAreReportedAsWhatTheyAre) {
  DirectoryProbe probe = ordinary_disk();
  probe.direct_write_error = Error(ErrorCode::kNoSpace, "full").with_errno(ENOSPC);
  const auto decided = decide_domain(probe, DomainRequest::kAuto);
  ASSERT_THAT(decided, test::has_code(ErrorCode::kNoSpace));
  EXPECT_EQ(decided.error().sys_errno(), ENOSPC);
  EXPECT_THAT(decided.error().message(), HasSubstr("full"));
}

TEST(DecideDomain, FilesWithoutDescriptorsAreBlockAndNeverEmulated) {
  DirectoryProbe probe = ordinary_disk();
  probe.mappable = false;
  ASSERT_OK_AND_ASSIGN(const DomainInfo info, decide_domain(probe, DomainRequest::kAuto));
  EXPECT_EQ(info.kind, DomainKind::kBlock);
  EXPECT_THAT(decide_domain(probe, DomainRequest::kEmulated),
              test::has_code(ErrorCode::kUnsupported));
}

class ChooseDomain : public testing::Test {
 protected:
  std::vector<std::string> left_behind(const std::filesystem::path& directory) {
    return *PosixFileSystem().list_directory(directory);
  }

  test::TempDirectory disk_;
  test::TempDirectory memory_ = test::TempDirectory::on_tmpfs();
  test::StubFileSystem file_system_;
};

TEST_F(ChooseDomain, TakesTheBlockDomainOnAnOrdinaryDirectory) {
  ASSERT_OK_AND_ASSIGN(const DirectoryProbe probe, probe_directory(file_system_, disk_.path()));
  if (probe.file_system.in_memory || probe.persistence.proven_domain()) {
    GTEST_SKIP() << "the temporary directory is no ordinary disk";
  }
  ASSERT_OK_AND_ASSIGN(const auto domain,
                       choose_domain(file_system_, disk_.path(), DomainRequest::kAuto));
  EXPECT_EQ(domain->info().kind, DomainKind::kBlock);
  EXPECT_TRUE(domain->open_options().direct);
  EXPECT_TRUE(domain->open_options().data_sync);
  EXPECT_TRUE(left_behind(disk_.path()).empty());
}

// On persistent memory whose caches are not flushed at a power cut the variable made libpmem2 say
// that they are, and nothing would have been flushed.
TEST_F(ChooseDomain, IsNotFooledByTheEnvironment) {
  ASSERT_OK_AND_ASSIGN(const DirectoryProbe probe, probe_directory(file_system_, disk_.path()));
  const bool persistent = probe.persistence.proven_domain().has_value();
  ASSERT_EQ(setenv("PMEM2_FORCE_GRANULARITY", "BYTE", 1), 0);
  const auto domain = choose_domain(file_system_, disk_.path(), DomainRequest::kAuto);
  const auto in_memory = choose_domain(file_system_, memory_.path(), DomainRequest::kAuto);
  ASSERT_EQ(unsetenv("PMEM2_FORCE_GRANULARITY"), 0);
  if (domain.has_value()) {
    EXPECT_EQ((*domain)->info().kind, persistent ? DomainKind::kCacheLine : DomainKind::kBlock);
  }
  EXPECT_THAT(in_memory, test::has_code(ErrorCode::kUnsupported));
}

TEST_F(ChooseDomain, RefusesTmpfsUnlessEmulatedIsAskedFor) {
  EXPECT_THAT(choose_domain(file_system_, memory_.path(), DomainRequest::kAuto),
              test::has_code(ErrorCode::kUnsupported));
  EXPECT_THAT(choose_domain(file_system_, memory_.path(), DomainRequest::kBlock),
              test::has_code(ErrorCode::kUnsupported));
  ASSERT_OK_AND_ASSIGN(const auto domain,
                       choose_domain(file_system_, memory_.path(), DomainRequest::kEmulated));
  EXPECT_EQ(domain->info().kind, DomainKind::kEmulated);
  EXPECT_FALSE(domain->info().survives_power_loss);
  EXPECT_FALSE(domain->open_options().direct);
  EXPECT_TRUE(left_behind(memory_.path()).empty());
}

TEST_F(ChooseDomain, NamesADirectoryThatIsNotThere) {
  const auto missing = disk_.path() / "missing";
  const auto chosen = choose_domain(file_system_, missing, DomainRequest::kAuto);
  ASSERT_THAT(chosen, test::has_code(ErrorCode::kNotFound));
  EXPECT_EQ(chosen.error().path(), missing.string());
}

/// Root may write everywhere: for such a test it becomes nobody for a while.
class AsOrdinaryUser {
 public:
  AsOrdinaryUser() {
    if (was_root_) NACRE_ASSERT(seteuid(65534) == 0);
  }
  AsOrdinaryUser(const AsOrdinaryUser&) = delete;
  AsOrdinaryUser& operator=(const AsOrdinaryUser&) = delete;
  ~AsOrdinaryUser() {
    if (was_root_) NACRE_ASSERT(seteuid(0) == 0);
  }

 private:
  const bool was_root_ = geteuid() == 0;
};

TEST_F(ChooseDomain, NamesADirectoryItMayNotWriteIn) {
  using std::filesystem::perms;
  std::filesystem::permissions(disk_.path(), perms::owner_read | perms::owner_exec |
                                                 perms::others_read | perms::others_exec);
  const auto chosen = [this] {
    const AsOrdinaryUser user;
    return choose_domain(file_system_, disk_.path(), DomainRequest::kAuto);
  }();
  std::filesystem::permissions(disk_.path(), perms::owner_all);
  ASSERT_THAT(chosen, test::has_code(ErrorCode::kIo));
  EXPECT_EQ(chosen.error().sys_errno(), EACCES);
  EXPECT_EQ(chosen.error().path(), disk_.path().string());
  EXPECT_THAT(chosen.error().message(), HasSubstr("permission denied"));
}

TEST_F(ChooseDomain, NamesAReadOnlyFileSystem) {
  // sysfs refuses new files to everybody, as a file system mounted read-only does.
  const auto chosen = choose_domain(file_system_, "/sys/kernel", DomainRequest::kAuto);
  ASSERT_FALSE(chosen.has_value());
  EXPECT_EQ(chosen.error().path(), "/sys/kernel");
}

TEST_F(ChooseDomain, SaysWhatToAskForWhereDirectWritesAreRefused) {
  ASSERT_OK_AND_ASSIGN(const DirectoryProbe probe, probe_directory(file_system_, disk_.path()));
  if (probe.persistence.proven_domain()) GTEST_SKIP() << "persistent memory needs no such writes";
  file_system_.faults().open_direct = Error(ErrorCode::kUnsupported, "refused").with_errno(EINVAL);
  const auto chosen = choose_domain(file_system_, disk_.path(), DomainRequest::kAuto);
  ASSERT_THAT(chosen, test::has_code(ErrorCode::kUnsupported));
  EXPECT_THAT(chosen.error().message(), HasSubstr("emulated"));
  EXPECT_TRUE(left_behind(disk_.path()).empty());
}

TEST_F(ChooseDomain, AFullFileSystemIsNoSpaceAndLeavesNothingBehind) {
  file_system_.faults().resize = Error(ErrorCode::kNoSpace, "full").with_errno(ENOSPC);
  EXPECT_THAT(choose_domain(file_system_, disk_.path(), DomainRequest::kAuto),
              test::has_code(ErrorCode::kNoSpace));
  EXPECT_TRUE(left_behind(disk_.path()).empty());
}

TEST_F(ChooseDomain, AFailingDeviceIsAnIoError) {
  if (!choose_domain(file_system_, disk_.path(), DomainRequest::kBlock)) {
    GTEST_SKIP() << "no block domain in the temporary directory";
  }
  file_system_.faults().write = Error(ErrorCode::kIo, "the device failed").with_errno(EIO);
  EXPECT_THAT(choose_domain(file_system_, disk_.path(), DomainRequest::kBlock),
              test::has_code(ErrorCode::kIo));
  EXPECT_TRUE(left_behind(disk_.path()).empty());
}

TEST_F(ChooseDomain, FilesWithoutDescriptorsCannotBeEmulated) {
  file_system_.faults().hide_descriptor = true;
  EXPECT_THAT(choose_domain(file_system_, disk_.path(), DomainRequest::kEmulated),
              test::has_code(ErrorCode::kUnsupported));
}

// As on a FUSE file system whose server takes no mmap.
TEST(DecideDomain, WhereTheKernelMapsNoFileNothingIsEmulated) {
  DirectoryProbe probe = ordinary_disk();
  probe.file_system.name = "fuse";
  probe.persistence = {};
  probe.persistence.map_sync_errno = ENODEV;
  const auto refused = decide_domain(probe, DomainRequest::kEmulated);
  ASSERT_THAT(refused, test::has_code(ErrorCode::kUnsupported));
  EXPECT_THAT(refused.error().message(), HasSubstr("fuse cannot map files"));
  EXPECT_EQ(refused.error().path(), "/data");
}

TEST(DecideDomain, ARequestThatIsNoneIsRefused) {
  EXPECT_THAT(decide_domain(ordinary_disk(), static_cast<DomainRequest>(99)),
              test::has_code(ErrorCode::kInvalidArgument));
}

TEST(DomainName, EveryKindHasOne) {
  EXPECT_EQ(domain_name(DomainKind::kDurableCache), "durable_cache");
  EXPECT_EQ(domain_name(DomainKind::kCacheLine), "cache_line");
  EXPECT_EQ(domain_name(DomainKind::kBlock), "block");
  EXPECT_EQ(domain_name(DomainKind::kEmulated), "emulated");
  EXPECT_EQ(domain_name(DomainKind::kSimulated), "simulated");
  EXPECT_EQ(domain_name(static_cast<DomainKind>(99)), "unknown");
}

}  // namespace
}  // namespace nacre::pmem
