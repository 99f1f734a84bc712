#pragma once

// Making a ring: which of the kernel's features it gets, and why not the others.
//
// Each feature is tried and falls away alone. What a ring cannot do without came with Linux 5.11
// (waiting with a time limit); older kernels count as having no io_uring.
//
// Thread safety: from any thread; a ring made for one thread belongs to the caller's.

#include <liburing.h>

#include <cstddef>
#include <vector>

#include "nacre/io.h"
#include "nacre/result.h"

namespace nacre {

struct UringWishes {
  std::size_t depth = 128;  ///< Operations in flight.
  bool single_thread = false;
  bool kernel_polls_submissions = false;
  bool poll_device = false;
  bool nvme_passthrough = false;
  /// Polls for commands also where the kernel may crash on it (lib/io/uring_setup.cc): for tests
  /// that know what they send.
  bool trusts_kernel = false;
  /// False leaves off all that a ring can do without: for tests of what then takes its place.
  bool optional_features = true;
};

/// What the ring can do, as the code asks for it.
struct UringAbilities {
  bool deferred = false;                  ///< SINGLE_ISSUER, DEFER_TASKRUN.
  bool kernel_polls_submissions = false;  ///< SQPOLL.
  bool polls_device = false;              ///< IOPOLL.
  bool passes_commands = false;           ///< To NVMe namespaces: SQE128, CQE32.
  bool commands_from_registered = false;  ///< Such commands take registered memory.
  bool registers_ring = false;
  bool registers_files = false;
  bool registers_buffers = false;
  bool lends_buffers = false;  ///< Rings of provided buffers.
  bool links = false;          ///< Chains as linked operations that report but the end.
  bool durable_flag = false;   ///< RWF_DSYNC.
  bool async_flag = false;     ///< IOSQE_ASYNC.
  bool allocates = false;      ///< FALLOCATE.
  bool advises = false;        ///< FADVISE.
  bool truncates = false;      ///< FTRUNCATE.
  bool renames = false;        ///< RENAMEAT.
  bool removes = false;        ///< UNLINKAT.
};

/// How many files, and how many areas of memory, a ring knows at a time.
inline constexpr unsigned kUringFileSlots = 1024;
inline constexpr unsigned kUringMemorySlots = 1024;
/// How many groups of buffers a ring lends itself at a time.
inline constexpr std::size_t kUringGroupSlots = 64;
/// The kernel's number of the group in `slot`. Linux 6.1 remembers of a number below 64 how far its
/// ring was used up when it was taken away, and begins there with the next one of that number, in
/// which it then finds buffers that it has lent already (io_uring/kbuf.c: BGID_ARRAY).
constexpr int uring_group_number(int slot) noexcept { return 64 + slot; }
/// How many requests to call an operation back are under way at a time; further ones wait.
inline constexpr std::size_t kUringCancels = 64;

/// FTRUNCATE, which the header of liburing 2.3 does not have yet (Linux 6.9, linux/io_uring.h).
inline constexpr int kUringOpFtruncate = 55;

struct UringSetup {
  io_uring ring = {};
  UringAbilities abilities;
  std::vector<IoFeature> features;
};

/// Errors: `unsupported`, with what stands in the way and what to do about it.
Result<UringSetup> set_up_uring(const UringWishes& wishes);

/// `unsupported` for an errno of io_uring_setup(2) or io_uring_enter(2).
Error uring_refusal(int sys_errno);

}  // namespace nacre
