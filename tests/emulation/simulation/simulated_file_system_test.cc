#include "emulation/simulation/simulated_file_system.h"

#include <gtest/gtest.h>

#include <memory>
#include <utility>

#include "emulation/simulation/machine.h"
#include "nacre/emulation/simulated_machine.h"
#include "tests/lib/io/file_system_contract.h"
#include "tests/support/result_matchers.h"

namespace nacre {
namespace {

using test::content_of;
using test::FileSystemCase;
using test::FileSystemContract;
using test::FileSystemHarness;
using test::has_code;
using test::kCreate;
using test::kReadOnly;
using test::kWritable;

SimulatedMachine make_machine(const SimulatedMachineOptions& options = {}) {
  return SimulatedMachine::create(options).value();
}

class Harness final : public FileSystemHarness {
 public:
  Harness() { EXPECT_OK(file_system().create_directory(directory_)); }
  FileSystem& file_system() override { return machine_.file_system(); }
  const std::filesystem::path& directory() const override { return directory_; }

 private:
  std::filesystem::path directory_ = "/here";
  SimulatedMachine machine_ = make_machine();
};

INSTANTIATE_TEST_SUITE_P(Simulated, FileSystemContract,
                         testing::Values(FileSystemCase{
                             "Machine", [] { return std::make_unique<Harness>(); }}),
                         [](const auto& one) { return one.param.name; });

TEST(SimulatedFileSystem, AFileHasABound) {
  SimulatedMachine machine = make_machine({.max_file_bytes = 8192});
  ASSERT_OK_AND_ASSIGN(auto file, machine.file_system().open("/a", kCreate));
  ASSERT_OK(file->resize(8192));
  EXPECT_THAT(file->resize(8193), has_code(ErrorCode::kNoSpace));
  EXPECT_THAT(file->write_at(8192, as_bytes("x")), has_code(ErrorCode::kNoSpace));
  EXPECT_THAT(file->preallocate(8000, 193), has_code(ErrorCode::kNoSpace));
  EXPECT_EQ(file->size().value(), 8192U);
}

TEST(SimulatedFileSystem, SoHasTheirNumber) {
  SimulatedMachine machine = make_machine(
      {.max_file_bytes = std::size_t{1} << 20, .capacity_bytes = std::size_t{4} << 20});
  FileSystem& files = machine.file_system();
  // The region and the table of names take some of the four.
  for (const char* const path : {"/a", "/b", "/c"}) ASSERT_OK(files.open(path, kCreate));
  const auto refused = files.open("/d", kCreate);
  ASSERT_THAT(refused, has_code(ErrorCode::kNoSpace));
  EXPECT_EQ(refused.error().path(), "/d");
  EXPECT_OK(files.open("/a", kCreate));
}

TEST(SimulatedFileSystem, ACrashEndsHandlesAndLocks) {
  SimulatedMachine machine = make_machine();
  FileSystem& files = machine.file_system();
  ASSERT_OK_AND_ASSIGN(auto before, files.open("/a", kCreate));
  ASSERT_OK(before->lock_exclusive());
  machine.core().begin_recovery();
  EXPECT_THAT(before->size(), has_code(ErrorCode::kClosed));
  EXPECT_THAT(before->write_at(0, as_bytes("x")), has_code(ErrorCode::kClosed));
  EXPECT_THAT(before->sync(), has_code(ErrorCode::kClosed));
  ASSERT_OK_AND_ASSIGN(auto after, files.open("/a", kWritable));
  EXPECT_OK(after->lock_exclusive());
  before.reset();
  ASSERT_OK_AND_ASSIGN(auto third, files.open("/a", kWritable));
  EXPECT_THAT(third->lock_exclusive(), has_code(ErrorCode::kBusy));
}

TEST(SimulatedFileSystem, ReadsPathsFromTheRoot) {
  SimulatedMachine machine = make_machine();
  FileSystem& files = machine.file_system();
  ASSERT_OK(files.create_directory("/d"));
  ASSERT_OK_AND_ASSIGN(auto file, files.open("d/./x", kCreate));
  ASSERT_OK(file->write_at(0, as_bytes("text")));
  EXPECT_EQ(files.stat("/d/../d/x")->bytes, 4U);
  EXPECT_THAT(files.remove("/"), has_code(ErrorCode::kBusy));
  EXPECT_THAT(files.rename("/d", "/d/e"), has_code(ErrorCode::kInvalidArgument));
  ASSERT_OK(files.rename("/d", "/e"));
  EXPECT_EQ(files.stat("/e/x")->bytes, 4U);
  EXPECT_THAT(files.stat("/d"), has_code(ErrorCode::kNotFound));
}

}  // namespace
}  // namespace nacre
