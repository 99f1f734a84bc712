#pragma once

// A machine whose media are simulated: what a program stores, flushes and fences is recorded, so
// that every state a crash may leave can be tried (nacre/emulation/crash_test.h).
//
// Plain stores through `data()` of a region are seen one by one, with the instruction they come
// from, without any change to the code that stores. That costs some microseconds each.
//
// Thread safety: none; one thread at a time. x86-64 Linux.

#include <cstddef>
#include <cstdint>
#include <memory>

#include "nacre/emulation/crash_model.h"
#include "nacre/environment.h"
#include "nacre/file_system.h"
#include "nacre/pmem.h"
#include "nacre/result.h"

namespace nacre {

class Machine;

struct SimulatedMachineOptions {
  CrashModel model = {};
  /// The size of `region()`, rounded up to 4096.
  std::size_t region_bytes = 4096;
  /// The most a file may hold; each takes so much of the capacity, rounded up to 4096, also after
  /// it has been removed. At most 1024 files are ever made.
  std::size_t max_file_bytes = std::size_t{4} << 20;
  /// Bounds the region and all files together, from 1 MiB. Costs address space alone.
  std::size_t capacity_bytes = std::size_t{256} << 20;
};

class SimulatedMachine {
 public:
  /// Errors: `invalid_argument` (a unit that is neither 512 nor 4096, a capacity below 1 MiB or
  /// above 2^62, a region that does not fit into it, files of no bytes), `no_space` (address space;
  /// more than 64 machines in the process).
  static Result<SimulatedMachine> create(const SimulatedMachineOptions& options = {});
  SimulatedMachine(SimulatedMachine&&) noexcept;
  SimulatedMachine& operator=(SimulatedMachine&&) noexcept;
  ~SimulatedMachine();

  const SimulatedMachineOptions& options() const noexcept;

  /// Persistent memory of `region_bytes`, zeros at first. In the model of mapped pages, `commit` is
  /// its msync, and flushes and fences make nothing durable.
  pmem::Region& region() noexcept;

  /// Files on a device with a volatile cache, empty at first. Errors, beside those of every
  /// FileSystem: `no_space` when a file outgrows `max_file_bytes`, or when all are used up;
  /// `closed` for a file that was opened before a crash. Paths begin at the root; others are taken
  /// as if they did. Lifetime: as the machine.
  FileSystem& file_system() noexcept;
  /// The next `count` syncs of files fail with `io`: nobody knows what they have made durable, and
  /// no later sync of the same writes says it. Ends with a crash.
  void fail_syncs(std::size_t count) noexcept;
  /// The next `count` writes to files fail with `io`, and may be there all the same.
  void fail_writes(std::size_t count) noexcept;
  /// Maps files of `file_system()` as persistent memory of the machine's model. Lifetime: as the
  /// machine.
  pmem::Domain& domain() noexcept;

  /// In a recovery: it has found what it will return, and may go on to write, or to close what it
  /// has opened. From here on no crash may change what it has found. Without it that holds once
  /// recovery has returned.
  void mark_answered();

  /// All that nacre takes from the world: `file_system()`, `domain()`, and a clock that stands
  /// still, random numbers from one seed, and an executor without threads, which begin anew in each
  /// recovery. Lifetime: until a crash.
  Environment environment() noexcept;
  /// The same with the block domain over `file_system()`, whose writes, several at a time, end in
  /// an order that is always the same. Lifetime: until a crash.
  Environment block_environment();

  /// For the explorer.
  Machine& core() noexcept { return *machine_; }
  const Machine& core() const noexcept { return *machine_; }

 private:
  explicit SimulatedMachine(std::unique_ptr<Machine> machine);
  std::unique_ptr<Machine> machine_;
};

}  // namespace nacre
