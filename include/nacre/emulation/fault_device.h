#pragma once

// A device that fails when told to: an IoBackend over another one that does the work.
//
// It follows the FaultPlan of a FaultFileSystem, so that one seed and one trace cover both: what
// goes through the device and what goes through the files. Files opened by that FaultFileSystem are
// reached below it, and so meet each fault once. Beside the plan, it can carry transfers out in
// pieces, begin requests out of order, and give them back out of order.
//
// A chain is carried out step by step, so that a fault can strike each step. `kAdvise` is a hint,
// and meets no faults. A `durable` write is one write to the plan, and `data_sync` in its trace.
//
// Thread safety: as IoBackend, and as the backend below. Hooks of the plan run on the thread that
// submits, or, for later steps of a chain, on the one that reaps.

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>

#include "nacre/clock.h"
#include "nacre/emulation/fault_file_system.h"
#include "nacre/io.h"

namespace nacre {

struct FaultDeviceOptions {
  /// Whether reads and writes are carried out in pieces of random sizes, one after the other, as
  /// when the kernel cuts transfers short. What is a multiple of 4096 bytes is cut at such.
  bool split_transfers = false;
  /// Requests begin in random order, and are overtaken by up to so many others on their way back,
  /// as long as others are under way. 0 leaves the order to the backend below.
  std::size_t reorder_window = 0;
  /// What `slow_ns` of a fault is measured by; null for the machine's. While a request waits for
  /// its time, `reap` looks at the clock again and again.
  Clock* clock = nullptr;
};

class FaultDevice final : public IoBackend {
 public:
  /// `inner` works on the file system below `files`, not on `files`.
  /// Lifetime: `files` outlives this.
  FaultDevice(std::unique_ptr<IoBackend> inner, FaultFileSystem& files,
              const FaultDeviceOptions& options = {});
  ~FaultDevice() override;
  FaultDevice(const FaultDevice&) = delete;
  FaultDevice& operator=(const FaultDevice&) = delete;

  FaultPlan& plan() noexcept;

  /// How many requests are stuck. `reap` returns early when one gets stuck, so that whoever drives
  /// can look.
  std::size_t stuck() const;
  /// Lets those that are stuck begin; returns how many.
  std::size_t release_stuck();

  void submit(std::span<IoOperation* const> operations, bool reap_follows) override;
  std::size_t reap(std::span<IoOperation*> ended, std::uint64_t wait_ns) override;
  void wake() noexcept override;
  void cancel(IoOperation& operation) override;
  std::size_t depth() const noexcept override;
  /// That of the backend below.
  const IoBackendInfo& info() const noexcept override;
  int attach_file(File& file) override;
  bool holds(const IoFile& file) override;
  bool single_thread() const noexcept override;
  void detach_file(int slot) noexcept override;
  int attach_memory(std::span<std::byte> memory) override;
  void detach_memory(int slot) noexcept override;
  int attach_group(const IoBufferGroup& group) override;
  void detach_group(int slot) noexcept override;
  void offer_buffer(int slot, std::size_t index) noexcept override;

 private:
  class Engine;
  std::unique_ptr<Engine> engine_;
};

}  // namespace nacre
