#pragma once

// One operation on its way through the ring: how it becomes an entry of the submission queue, and
// what the result in its completion means.
//
// A transfer that was cut short goes on from where it stopped; with O_DIRECT from the last aligned
// place before. A sync is never tried twice.
//
// Thread safety: none.

#include <liburing.h>
#include <sys/uio.h>

#include <cstddef>
#include <vector>

#include "lib/io/uring_tables.h"
#include "nacre/io.h"

namespace nacre {

struct UringStep final : IoOperation::Scratch {
  explicit UringStep(IoOperation& of) : Scratch(&kKind), operation(of) {}
  UringStep(const UringStep&) = delete;
  UringStep& operator=(const UringStep&) = delete;

  /// The step of `of`. It is made when what `of` carries comes from another kind of backend.
  static UringStep& of(IoOperation& of);

  IoOperation& operation;
  UringStep* next = nullptr;  ///< In its chain.

  // Of the first step of a chain, for all of it.
  UringStep* first = nullptr;
  UringStep* run_first = nullptr;  ///< The steps the kernel has now, linked: from here ...
  UringStep* run_last = nullptr;   ///< ... to here. Null when it has none.
  bool cancel_asked = false;
  UringStep* cancel_next = nullptr;  ///< The run is yet to be called back from here on.
  bool ended = true;
  bool unlinked = false;  ///< A link broke for no reason of a step's own.

  // Of each step, while it is under way.
  std::size_t done = 0;   ///< Transferred so far.
  std::size_t asked = 0;  ///< Of the transfer the kernel has now.
  unsigned tries = 0;     ///< Without progress.
  bool direct = false;
  bool sync_follows = false;  ///< A durable write, in a ring without a flag for it.
  bool syncing = false;       ///< It has written, and now syncs.
  bool on_host = false;       ///< The ring cannot do it after all.
  bool lent = false;          ///< Its buffer is one of its group's.
  bool fetching = false;      ///< The kernel gets it a buffer, and does no more of it.
  int directory = -1;         ///< Descriptor, while a directory is synced.
  std::vector<iovec> parts;
  /// Where the kernel's command goes, when it has one (lib/io/uring_command.h).
  const NvmeFile* commanded = nullptr;
  bool from_registered = false;  ///< That command names registered memory.
  bool plain_memory = false;     ///< It may not: the kernel has refused it.

  /// Before it begins, or begins anew from the start.
  void reset();
  void close_directory();

 private:
  static constexpr char kKind = 0;  // Its address.
};

/// Whether the ring takes `step`; if not, it is a matter of the File and FileSystem seams. May open
/// a directory.
bool fits_uring(UringStep& step, const UringAbilities& can, const UringTables& tables);

/// Turns `step`, which `fits_uring`, into `sqe`. True when the next step of the chain may be linked
/// to it, because anything but its full success breaks the link. That holds for transfers alone: a
/// sync, an allocation, a truncation, a rename or a removal that fails lets the linked step begin
/// all the same, and its error is kept quiet (measured on Linux 6.18: none of them marks its
/// request as failed).
bool prepare_sqe(UringStep& step, const UringAbilities& can, const UringTables& tables,
                 io_uring_sqe& sqe);

/// Turns `step`, which does not fit the ring but wants a buffer that the ring lends, into an `sqe`
/// that gets it one: a read of `empty_file`.
void prepare_fetch(UringStep& step, int empty_file, io_uring_sqe& sqe);

enum class UringVerdict {
  kEnded,   ///< The outcome stands.
  kAgain,   ///< To be prepared once more: there is a rest, or it was interrupted.
  kOnHost,  ///< The kernel cannot do it in a ring.
};

/// What `result`, of the completion of `step`, means for it.
UringVerdict judge(UringStep& step, int result);

/// As when its completion said that all of it was done.
void succeed(UringStep& step);

}  // namespace nacre
