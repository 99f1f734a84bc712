#pragma once

// The simulated machine behind nacre/emulation/simulated_machine.h: media, the record of what was
// done to them, and who decides what a crash has left.

#include <functional>
#include <memory>
#include <span>
#include <utility>
#include <vector>

#include "emulation/simulation/granule.h"
#include "emulation/simulation/media.h"
#include "emulation/simulation/persistence_model.h"
#include "emulation/simulation/thread_schedule.h"
#include "emulation/simulation/trace.h"
#include "nacre/emulation/crash_report.h"
#include "nacre/emulation/simulated_machine.h"

namespace nacre {

class SimulatedFiles;
class SimulatedWorld;

/// Decides open contents at the first access to them.
class AccessResolver {
 public:
  virtual ~AccessResolver() = default;
  virtual void before_access(MediaAddress address, std::size_t bytes) = 0;
};

class Machine final : public MediaObserver {
 public:
  static Result<std::unique_ptr<Machine>> create(const SimulatedMachineOptions& options);
  ~Machine() override;

  const SimulatedMachineOptions& options() const noexcept { return options_; }
  Media& media() noexcept { return *media_; }
  const Media& media() const noexcept { return *media_; }
  const Trace& trace() const noexcept { return trace_; }
  pmem::Region& region() noexcept { return *region_; }
  SimulatedFiles& files() noexcept { return *files_; }
  SimulatedWorld& world() noexcept { return *world_; }

  /// Whether events are recorded.
  void set_recording(bool recording);
  void clear_trace() noexcept { trace_.clear(); }
  void set_captures_calls(bool captures) noexcept { trace_.set_captures_calls(captures); }
  /// All that was written is durable, and the record empty.
  void settle();
  /// Becomes what `other` was when it was last settled, with room for what it has allocated since.
  void adopt(const Machine& other);
  /// The program starts anew on what the media hold.
  void begin_recovery();
  /// In a child that goes on alone: what it does to the media is not seen by its parent.
  void detach() { media_->detach(); }
  /// What calls from there make durable is changed so; null: nothing is.
  void mutate(const void* site, CrashMutation mutation) noexcept {
    mutated_site_ = site;
    mutation_ = mutation;
  }
  /// Whether recovery has made any access that is told, since it began.
  bool was_accessed() const noexcept { return was_accessed_; }
  /// Null: nothing is open.
  void set_resolver(AccessResolver* resolver) noexcept { resolver_ = resolver; }

  /// For the parts of the machine, which pass the place they were called from as `site`.
  void before_access(MediaAddress address, std::size_t bytes) override {
    was_accessed_ = true;
    if (resolver_ != nullptr) resolver_->before_access(address, bytes);
  }
  /// Writes, word by word.
  void store(EventKind kind, MediaAddress address, Bytes bytes, const void* site);
  /// Returns the index of the event; anything when events are not recorded.
  std::size_t add(Event event, Bytes written = {});
  /// A small number for the calling thread.
  std::uint16_t thread() const noexcept;
  /// The order in which threads of the workload run.
  void set_schedule(const ThreadScheduleOptions& options) { schedule_ = ThreadSchedule(options); }
  const ThreadSchedule& schedule() const noexcept { return schedule_; }
  /// Runs each as a thread, of which one goes on at a time; numbers them from 1.
  void run_threads(std::span<const std::function<void()>> bodies);
  void on_store(MediaAddress address, std::size_t bytes, const void* instruction,
                bool streamed) override;

  /// Takes a page-aligned piece of the media; asserts that there is one.
  MediaAddress allocate(std::size_t bytes);
  std::size_t free_bytes() const noexcept { return media_->capacity() - allocated_; }
  void set_names(std::shared_ptr<NameTable> names) noexcept { trace_.set_names(std::move(names)); }

 private:
  struct MovedEvent {
    Event event;
    std::vector<std::byte> written;
  };

  explicit Machine(const SimulatedMachineOptions& options);
  std::size_t record(const Event& event, Bytes written);
  /// What was moved away comes to pass.
  void make_up();

  SimulatedMachineOptions options_;
  std::unique_ptr<Media> media_;
  std::unique_ptr<pmem::Region> region_;
  std::unique_ptr<SimulatedFiles> files_;
  std::unique_ptr<SimulatedWorld> world_;
  MediaAddress allocated_ = 0;
  Trace trace_;
  bool recording_ = true;
  bool was_accessed_ = false;
  AccessResolver* resolver_ = nullptr;
  const void* mutated_site_ = nullptr;
  CrashMutation mutation_ = CrashMutation::kDrop;
  std::vector<MovedEvent> moved_;
  ThreadSchedule schedule_;
};

/// The parts of `model`, over what is definite so far.
std::vector<std::unique_ptr<PersistenceModel>> make_persistence_models(const CrashModel& model,
                                                                       DefiniteBytes& definite);

}  // namespace nacre
