#pragma once

// An engine for file I/O over a simulated machine: writes are under way from their submission on,
// several at a time, and end in an order drawn from a seed when somebody reaps. All other requests
// are carried out when their turn comes.
//
// Thread safety: one thread. It never sleeps: a `reap` with nothing under way returns at once.

#include <deque>
#include <vector>

#include "lib/io/io_roster.h"
#include "nacre/file_system.h"
#include "nacre/io.h"
#include "nacre/random.h"

namespace nacre {

class SimulatedDevice final : public IoBackend {
 public:
  static constexpr std::size_t kDepth = 128;

  /// Lifetime: `file_system` outlives this.
  SimulatedDevice(FileSystem& file_system, std::uint64_t seed)
      : file_system_(file_system), random_(seed) {}
  ~SimulatedDevice() override;
  SimulatedDevice(const SimulatedDevice&) = delete;
  SimulatedDevice& operator=(const SimulatedDevice&) = delete;

  void submit(std::span<IoOperation* const> operations, bool reap_follows) override;
  std::size_t reap(std::span<IoOperation*> ended, std::uint64_t wait_ns) override;
  void wake() noexcept override {}
  void cancel(IoOperation& operation) override;
  std::size_t depth() const noexcept override { return kDepth; }
  const IoBackendInfo& info() const noexcept override { return info_; }
  /// What is under way ends with the program: a crash decides about it.
  bool holds(const IoFile&) override { return true; }

 private:
  struct UnderWay {
    IoOperation* first = nullptr;  // Of its chain.
    bool begun = false;            // A write that can be seen.
    std::size_t token = 0;         // Of such a write.
  };

  void begin(IoOperation& first);
  void end(const UnderWay& one);
  void give_back(IoOperation& first);

  FileSystem& file_system_;
  SeededRandom random_;
  const IoBackendInfo info_{
      .name = "simulated", .reason = "the machine is simulated", .features = {}};
  IoRoster roster_{*this, kDepth};
  std::vector<UnderWay> under_way_;
  std::deque<IoOperation*> ended_;
};

}  // namespace nacre
