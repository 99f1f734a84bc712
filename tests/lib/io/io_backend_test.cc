// Which engine make_io_backend chooses, where the kernel allows io_uring, part of it, or nothing.

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <linux/capability.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstddef>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "nacre/io.h"
#include "nacre/io_buffer_group.h"
#include "tests/support/aligned_bytes.h"
#include "tests/support/child_process.h"
#include "tests/support/forbid_call.h"
#include "tests/support/forwarding_file_system.h"
#include "tests/support/result_matchers.h"
#include "tests/support/temp_directory.h"

namespace nacre {
namespace {

using test::exit_status;
using test::forbid;
using test::fork_child;

const IoFeature* find(const IoBackend& backend, std::string_view name) {
  const auto& features = backend.info().features;
  const auto at = std::ranges::find(features, name, &IoFeature::name);
  return at == features.end() ? nullptr : &*at;
}

class IoBackendChoice : public testing::Test {
 protected:
  void SetUp() override {
    auto made = make_io_backend(file_system_, {.engine = IoEngine::kIoUring});
    if (!made) GTEST_SKIP() << "no io_uring here: " << made.error().to_string();
  }

  /// A block written and read back, in a file known to `backend`.
  bool works(IoBackend& backend) {
    auto file = file_system_.open(directory_.path() / "a", {.writable = true, .create = true});
    if (!file) return false;
    const IoFile known(backend, **file);
    const test::AlignedBytes source(4096, 1);
    const test::AlignedBytes into(4096);
    IoOperation put;
    put.request.kind = IoKind::kWrite;
    put.request.file = &known;
    put.request.buffers.push_back(IoBuffer::borrow(source.span()));
    IoOperation get;
    get.request.file = &known;
    get.request.buffers.push_back(IoBuffer::borrow(into.span()));
    put.next_in_chain = &get;
    IoOperation* const head = &put;
    backend.submit(std::span(&head, 1), /*reap_follows=*/true);
    std::array<IoOperation*, 2> ended{};
    for (std::size_t got = 0; got < 2;) got += backend.reap(ended, IoBackend::kForever);
    return put.outcome && get.outcome && into.text() == source.text();
  }

  /// A block of the file that `works` has written, read into a buffer of a group; `by_ring`: the
  /// kernel picks the buffer.
  bool lends(IoBackend& backend, bool by_ring) {
    auto file = file_system_.open(directory_.path() / "a", {});
    if (!file) return false;
    const IoFile known(backend, **file);
    const test::AlignedBytes memory(4096);
    std::vector<IoBuffer> buffers;
    buffers.push_back(IoBuffer::borrow(memory.span()));
    IoBufferGroup group(backend, std::move(buffers));
    IoOperation get;
    get.request.file = &known;
    get.request.bytes = 4096;
    get.request.group = &group;
    IoOperation* const head = &get;
    backend.submit(std::span(&head, 1), /*reap_follows=*/true);
    std::array<IoOperation*, 1> ended{};
    while (backend.reap(ended, IoBackend::kForever) == 0) {
    }
    const bool right = get.outcome && memory.text() == test::AlignedBytes(4096, 1).text();
    return right && (group.slot() >= 0) == by_ring;
  }

  PosixFileSystem file_system_;
  test::TempDirectory directory_;
};

TEST_F(IoBackendChoice, TakesIoUringWhereItIs) {
  const auto backend = make_io_backend(file_system_);
  ASSERT_OK(backend);
  EXPECT_EQ((*backend)->info().name, "io_uring");
  EXPECT_NE((*backend)->info().reason, "");
  for (const IoFeature& feature : (*backend)->info().features) {
    EXPECT_EQ(feature.on, feature.reason.empty()) << feature.name;
  }
  EXPECT_TRUE(works(**backend));
}

TEST_F(IoBackendChoice, TakesPosixCallsWhenAsked) {
  const auto backend = make_io_backend(file_system_, {.engine = IoEngine::kPosix});
  ASSERT_OK(backend);
  EXPECT_EQ((*backend)->info().name, "posix");
  EXPECT_TRUE(works(**backend));
}

// io_uring went past a fault injector that everybody had asked for by handing it in.
TEST_F(IoBackendChoice, TakesPosixCallsForAFileSystemThatIsNotTheKernels) {
  test::ForwardingFileSystem other;
  const auto chosen = make_io_backend(other);
  ASSERT_OK(chosen);
  EXPECT_EQ((*chosen)->info().name, "posix");
  EXPECT_THAT((*chosen)->info().reason, testing::HasSubstr("not the kernel's"));
  const auto asked = make_io_backend(other, {.engine = IoEngine::kIoUring});
  ASSERT_OK(asked);
  EXPECT_EQ((*asked)->info().name, "io_uring");
}

TEST_F(IoBackendChoice, TakesPosixCallsWhereNoDescriptorIsLeft) {
  const auto in_child = [&] {
    // As the kernel answers at the limit. Under a limit UBSan has no descriptor for its own checks.
    if (!forbid(SYS_io_uring_setup, EMFILE)) return 1;
    const auto chosen = make_io_backend(file_system_);
    if (!chosen || (*chosen)->info().name != "posix") return 2;
    if ((*chosen)->info().reason.find("ulimit -n") == std::string::npos) return 3;
    const auto asked = make_io_backend(file_system_, {.engine = IoEngine::kIoUring});
    return !asked && asked.error().code() == ErrorCode::kUnsupported ? 0 : 4;
  };
  EXPECT_EQ(exit_status(fork_child(in_child)), 0);
}

TEST_F(IoBackendChoice, RefusesOptionsOutOfRange) {
  EXPECT_THAT(make_io_backend(file_system_, {.depth = 0}),
              test::has_code(ErrorCode::kInvalidArgument));
  EXPECT_THAT(make_io_backend(file_system_, {.depth = 4097}),
              test::has_code(ErrorCode::kInvalidArgument));
  EXPECT_THAT(make_io_backend(file_system_, {.threads = 65}),
              test::has_code(ErrorCode::kInvalidArgument));
  const auto deepest = make_io_backend(file_system_, {.engine = IoEngine::kIoUring, .depth = 4096});
  ASSERT_OK(deepest);
  EXPECT_TRUE(works(**deepest));
}

TEST_F(IoBackendChoice, FallsBackWhenASandboxForbidsRings) {
  for (const int refusal : {EPERM, ENOSYS}) {
    for (const long system_call : {SYS_io_uring_setup, SYS_io_uring_enter}) {
      SCOPED_TRACE(testing::Message() << "errno " << refusal << ", call " << system_call);
      const auto in_child = [&] {
        if (!forbid(system_call, refusal)) return 1;
        const auto chosen = make_io_backend(file_system_);
        if (!chosen || (*chosen)->info().name != "posix") return 2;
        if ((*chosen)->info().reason.find("io_uring cannot be used") == std::string::npos) return 3;
        if (!works(**chosen)) return 4;
        const auto asked = make_io_backend(file_system_, {.engine = IoEngine::kIoUring});
        if (asked || asked.error().code() != ErrorCode::kUnsupported) return 5;
        return asked.error().sys_errno() == refusal ? 0 : 6;
      };
      EXPECT_EQ(exit_status(fork_child(in_child)), 0);
    }
  }
}

TEST_F(IoBackendChoice, DoesWithoutRegistrationsWhenASandboxForbidsThem) {
  for (const bool single_thread : {false, true}) {
    const auto in_child = [&] {
      if (!forbid(SYS_io_uring_register, EPERM)) return 1;
      const auto chosen = make_io_backend(file_system_, {.single_thread = single_thread});
      if (!chosen || (*chosen)->info().name != "io_uring") return 2;
      for (const std::string_view name :
           {"registered_files", "registered_buffers", "provided_buffers"}) {
        const IoFeature* const feature = find(**chosen, name);
        if (feature == nullptr || feature->on || feature->reason.empty()) return 3;
      }
      test::AlignedBytes memory(4096);
      if (IoMemory(**chosen, memory.span()).slot() != -1) return 4;
      if (!works(**chosen)) return 5;
      return lends(**chosen, /*by_ring=*/false) ? 0 : 6;
    };
    EXPECT_EQ(exit_status(fork_child(in_child)), 0);
  }
}

/// As a user without privileges, who may lock `bytes` of memory.
bool limit_locked_memory(std::size_t bytes) {
  const rlimit limit{.rlim_cur = bytes, .rlim_max = bytes};
  if (::setrlimit(RLIMIT_MEMLOCK, &limit) != 0) return false;
  __user_cap_header_struct header{.version = _LINUX_CAPABILITY_VERSION_3, .pid = 0};
  std::array<__user_cap_data_struct, _LINUX_CAPABILITY_U32S_3> sets{};
  if (::syscall(SYS_capget, &header, sets.data()) != 0) return false;
  sets[CAP_TO_INDEX(CAP_IPC_LOCK)].effective &= ~CAP_TO_MASK(CAP_IPC_LOCK);
  return ::syscall(SYS_capset, &header, sets.data()) == 0;
}

TEST_F(IoBackendChoice, TellsTheLimitWhenMemoryCannotBeLocked) {
  const auto in_child = [&] {
    if (!limit_locked_memory(std::size_t{64} << 10)) return 1;
    const auto backend = make_io_backend(file_system_, {.engine = IoEngine::kIoUring});
    if (!backend) return 2;
    test::AlignedBytes small(4096);
    test::AlignedBytes large(std::size_t{1} << 20);
    const IoMemory fits(**backend, small.span());
    if (fits.slot() < 0) return 3;
    if (!find(**backend, "registered_buffers")->reason.empty()) return 4;
    const IoMemory too_much(**backend, large.span());
    if (too_much.slot() != -1) return 5;
    const IoFeature& feature = *find(**backend, "registered_buffers");
    const std::string& reason = feature.reason;
    // The limit, the need (both areas), the line.
    for (const std::string_view part :
         {"64 KiB", "1028 KiB", "* - memlock 1028", "/etc/security/limits.conf"}) {
      if (reason.find(part) == std::string::npos) return 6;
    }
    if (!feature.on) return 7;
    return works(**backend) ? 0 : 8;
  };
  EXPECT_EQ(exit_status(fork_child(in_child)), 0);
}

// Reads of files that only the File seam can read take their buffer by way of an empty file.
TEST_F(IoBackendChoice, KeepsAListOfBuffersWhereNoFileInMemoryIsToBeHad) {
  const auto in_child = [&] {
    if (!forbid(SYS_memfd_create, EPERM)) return 1;
    const auto backend = make_io_backend(file_system_, {.engine = IoEngine::kIoUring});
    if (!backend || !find(**backend, "provided_buffers")->on) return 2;
    if (!works(**backend) || !lends(**backend, /*by_ring=*/false)) return 3;
    const IoFeature& feature = *find(**backend, "provided_buffers");
    if (feature.on || feature.reason.find("no file in memory") == std::string::npos) return 4;
    return 0;
  };
  EXPECT_EQ(exit_status(fork_child(in_child)), 0);
}

// It stayed off, with the reason of the first refusal, when smaller memory was registered later.
TEST_F(IoBackendChoice, MemoryThatFitsAfterARefusalCounts) {
  const auto in_child = [&] {
    if (!limit_locked_memory(std::size_t{64} << 10)) return 1;
    const auto backend = make_io_backend(file_system_, {.engine = IoEngine::kIoUring});
    if (!backend) return 2;
    test::AlignedBytes small(4096);
    test::AlignedBytes large(std::size_t{1} << 20);
    const IoMemory too_much(**backend, large.span());
    if (too_much.slot() != -1 || find(**backend, "registered_buffers")->on) return 3;
    const IoMemory fits(**backend, small.span());
    const IoFeature& feature = *find(**backend, "registered_buffers");
    if (fits.slot() < 0 || !feature.on) return 4;
    return feature.reason.starts_with("not all memory is registered") ? 0 : 5;
  };
  EXPECT_EQ(exit_status(fork_child(in_child)), 0);
}

TEST_F(IoBackendChoice, FeaturesFollowTheOptions) {
  const auto shared = make_io_backend(file_system_, {.engine = IoEngine::kIoUring});
  ASSERT_OK(shared);
  EXPECT_THAT(find(**shared, "single_issuer")->reason, testing::HasSubstr("single_thread"));
  EXPECT_THAT(find(**shared, "sqpoll")->reason, testing::HasSubstr("kernel_polls_submissions"));
  EXPECT_THAT(find(**shared, "iopoll")->reason, testing::HasSubstr("poll_device"));

  const auto polled = make_io_backend(
      file_system_, {.engine = IoEngine::kIoUring, .kernel_polls_submissions = true});
  ASSERT_OK(polled);
  const IoFeature& sqpoll = *find(**polled, "sqpoll");
  EXPECT_NE(sqpoll.on, !sqpoll.reason.empty());
}

}  // namespace
}  // namespace nacre
