#pragma once

// What a FaultFileSystem, its files and a FaultDevice share: the system below, the plan, and the
// way every operation takes through it.
//
// Thread safety: every member may be used from any thread.

#include <atomic>
#include <optional>
#include <type_traits>
#include <utility>

#include "emulation/media_rot.h"
#include "emulation/space_budget.h"
#include "emulation/unsynced_writes.h"
#include "nacre/emulation/fault_file_system.h"
#include "nacre/emulation/fault_plan.h"

namespace nacre {

struct FaultContext {
  FaultContext(FileSystem& the_inner, const FaultFileSystemOptions& options)
      : inner(the_inner), plan(options.seed), pass_native_handle(options.pass_native_handle) {}

  /// Takes one operation through the plan: fails it, skips it, or calls `body` with the fault that
  /// is left to `body` itself, if any.
  template <class Body>
  std::invoke_result_t<Body, const std::optional<Fault>&> perform(FileEvent event, Body body) {
    const std::optional<Fault> fault = plan.begin(event);
    auto result = decide(event, fault, body);
    if (!result) event.error = result.error().code();
    plan.end(std::move(event));
    return result;
  }

  /// The error the kernel's files would return had `event` met `sys_errno`.
  static Error error_of(const FileEvent& event, int sys_errno);

  /// The errno with which `event` fails before anything is done, or 0.
  int errno_instead(const FileEvent& event, const std::optional<Fault>& fault) const noexcept;

  /// Drops what was written to `file` since its last good sync, and says what `fault` has a sync
  /// say.
  Status lose_unsynced(File& file, const FileEvent& sync, const Fault& fault);

  FileSystem& inner;
  FaultPlan plan;
  SpaceBudget space;
  MediaRot rot;
  UnsyncedWrites unsynced;
  std::atomic<bool> read_only{false};
  const bool pass_native_handle;

 private:
  template <class Body>
  std::invoke_result_t<Body, const std::optional<Fault>&> decide(FileEvent& event,
                                                                 const std::optional<Fault>& fault,
                                                                 Body& body) {
    const int sys_errno = errno_instead(event, fault);
    event.injected = fault.has_value() || sys_errno != 0;
    if (sys_errno != 0) return error_of(event, sys_errno);
    if constexpr (std::is_same_v<std::invoke_result_t<Body, const std::optional<Fault>&>, Status>) {
      if (fault && fault->effect == FaultEffect::kSkip) return {};
    }
    return body(fault);
  }
};

}  // namespace nacre
