#include "pmem/probe.h"

#include <cerrno>

#include "pmem/copy_routines.h"
#include "tests/pmem/stub_file_system.h"
#include "tests/support/result_matchers.h"
#include "tests/support/temp_directory.h"

namespace nacre::pmem {
namespace {

TEST(ProbeDirectory, TellsTmpfsByItsType) {
  PosixFileSystem file_system;
  const auto directory = test::TempDirectory::on_tmpfs();
  ASSERT_OK_AND_ASSIGN(const DirectoryProbe probe, probe_directory(file_system, directory.path()));
  EXPECT_EQ(probe.file_system.name, "tmpfs");
  EXPECT_TRUE(probe.file_system.in_memory);
  EXPECT_TRUE(probe.mappable);
  EXPECT_EQ(probe.persistence.map_sync_errno, EOPNOTSUPP);
  EXPECT_EQ(probe.unsafe_shutdowns, std::nullopt);
}

TEST(ProbeDirectory, KeepsTheErrorOfTheDirectWrite) {
  test::StubFileSystem file_system;
  file_system.faults().open_direct = Error(ErrorCode::kUnsupported, "refused");
  const test::TempDirectory directory;
  ASSERT_OK_AND_ASSIGN(const DirectoryProbe probe, probe_directory(file_system, directory.path()));
  ASSERT_TRUE(probe.direct_write_error.has_value());
  EXPECT_EQ(probe.direct_write_error->message(), "refused");
}

TEST(ProbeDirectory, AFileSystemThatIsNotTheKernelsIsNotMappable) {
  test::StubFileSystem file_system;
  file_system.faults().hide_descriptor = true;
  const test::TempDirectory directory;
  ASSERT_OK_AND_ASSIGN(const DirectoryProbe probe, probe_directory(file_system, directory.path()));
  EXPECT_FALSE(probe.mappable);
  EXPECT_FALSE(probe.file_system.in_memory);
}

TEST(ProbeCpu, NamesWhatTheRegionsUse) {
  const CpuProbe cpu = probe_cpu();
  EXPECT_EQ(cpu.copy_routine, best_copy_routines().name);
  EXPECT_EQ(cpu.flush_routine, native_flush().name);
  EXPECT_EQ(cpu.clwb, cpu.flush_routine == "clwb");
  EXPECT_EQ(cpu.avx512, cpu.copy_routine == "avx512-nt");
}

TEST(FileSystemType, KnowsTheCommonOnesAndShowsTheNumberOfOthers) {
  EXPECT_EQ(file_system_type(0xef53).name, "ext4");
  EXPECT_FALSE(file_system_type(0xef53).in_memory);
  EXPECT_EQ(file_system_type(0x858458f6).name, "ramfs");
  EXPECT_TRUE(file_system_type(0x858458f6).in_memory);
  EXPECT_EQ(file_system_type(0x1234).name, "unknown (0x1234)");
  EXPECT_EQ(file_system_type_of(-1).name, "unknown");
}

}  // namespace
}  // namespace nacre::pmem
