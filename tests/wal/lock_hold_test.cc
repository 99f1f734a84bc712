// The lock of a log must outlive what its writer has given the kernel (io_late_write_test shows
// why), so an engine that cannot see to that does not get to write one.

#include <gtest/gtest.h>
#include <sys/syscall.h>

#include <cerrno>
#include <span>

#include "nacre/io.h"
#include "nacre/wal.h"
#include "tests/support/child_process.h"
#include "tests/support/forbid_call.h"
#include "tests/support/result_matchers.h"
#include "tests/support/temp_directory.h"

namespace nacre {
namespace {

/// Lets files go when the process does, and is asked for nothing else.
class ForgetsFiles final : public IoBackend {
 public:
  void submit(std::span<IoOperation* const>, bool) override { ADD_FAILURE() << "wrote"; }
  std::size_t reap(std::span<IoOperation*>, std::uint64_t) override { return 0; }
  void wake() noexcept override {}
  void cancel(IoOperation&) override {}
  std::size_t depth() const noexcept override { return 1; }
  const IoBackendInfo& info() const noexcept override { return info_; }
  bool holds(const IoFile&) override { return false; }

 private:
  const IoBackendInfo info_{.name = "forgetful", .reason = "for tests", .features = {}};
};

class LockHoldTest : public testing::Test {
 protected:
  Result<Wal> open(IoEngine engine, IoBackend* io = nullptr) {
    return Wal::open(directory_.path() / "log", {.segment_bytes = std::uint64_t{64} << 10,
                                                 .domain = DomainRequest::kBlock,
                                                 .io_engine = engine,
                                                 .environment = {.io = io}});
  }

  test::TempDirectory directory_;
};

TEST_F(LockHoldTest, AnEngineThatForgetsTheLockIsRefused) {
  ForgetsFiles forgetful;
  EXPECT_THAT(open(IoEngine::kAuto, &forgetful), test::has_code(ErrorCode::kUnsupported));
  ASSERT_OK_AND_ASSIGN(Wal wal, open(IoEngine::kPosix));  // Nothing was left locked.
  EXPECT_OK(wal.lane(0).append(as_bytes("one")));
}

TEST_F(LockHoldTest, AnEngineOfOneThreadIsRefused) {
  PosixFileSystem files;
  const auto engine = make_io_backend(files, {.engine = IoEngine::kIoUring, .single_thread = true});
  if (!engine) GTEST_SKIP() << "no io_uring here";
  EXPECT_THAT(open(IoEngine::kAuto, engine->get()), test::has_code(ErrorCode::kInvalidArgument));
}

// Each of two logs filled it to its depth, which is more than it takes.
TEST_F(LockHoldTest, AnEngineServesOneLogAtATime) {
  PosixFileSystem files;
  const auto engine = make_io_backend(files, {.engine = IoEngine::kPosix});
  ASSERT_OK(engine);
  for (int round = 0; round < 2; ++round) {
    ASSERT_OK_AND_ASSIGN(Wal wal, open(IoEngine::kAuto, engine->get()));
    EXPECT_OK(wal.lane(0).append(as_bytes("one")));
    EXPECT_THAT(Wal::open(directory_.path() / "other",
                          {.domain = DomainRequest::kBlock, .environment = {.io = engine->get()}}),
                test::has_code(ErrorCode::kBusy));
  }
}

// A sandbox that allows rings, and forbids that they register anything.
TEST_F(LockHoldTest, WhereARingKeepsNoFilesPosixCallsWriteTheLog) {
  if (!open(IoEngine::kIoUring)) GTEST_SKIP() << "no io_uring here";
  const auto in_child = [&] {
    if (!test::forbid(SYS_io_uring_register, EPERM)) return 1;
    const auto asked = open(IoEngine::kIoUring);
    if (asked || asked.error().code() != ErrorCode::kUnsupported) return 2;
    auto wal = open(IoEngine::kAuto);
    if (!wal || wal->io() == nullptr || wal->io()->name != "posix") return 3;
    if (wal->io()->reason.find("io_uring_register") == std::string::npos) return 5;
    return wal->lane(0).append(as_bytes("one")) ? 0 : 4;
  };
  EXPECT_EQ(test::exit_status(test::fork_child(in_child)), 0);
}

}  // namespace
}  // namespace nacre
