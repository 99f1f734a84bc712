#include "emulation/simulation/machine.h"

#include <fmt/format.h>

#include <algorithm>
#include <atomic>
#include <string>
#include <utility>

#include "emulation/simulation/device_model.h"
#include "emulation/simulation/durable_cache_model.h"
#include "emulation/simulation/line_model.h"
#include "emulation/simulation/name_model.h"
#include "emulation/simulation/page_model.h"
#include "emulation/simulation/simulated_files.h"
#include "emulation/simulation/simulated_region.h"
#include "emulation/simulation/simulated_world.h"
#include "emulation/simulation/turn_scheduler.h"
#include "emulation/simulation/visible_bytes.h"
#include "lib/base/assert.h"
#include "lib/base/try.h"

namespace nacre {
namespace {

constexpr std::size_t kWordBytes = 8;
constexpr std::size_t kSectorBytes = 512;

constexpr std::size_t whole_pages(std::size_t bytes) {
  return (bytes + kPageBytes - 1) / kPageBytes * kPageBytes;
}

constexpr std::uint16_t kNoNumber = 0xffff;
thread_local std::uint16_t given_number = kNoNumber;

/// A small number for the calling thread: given to it, or else in the order in which threads came.
std::uint16_t thread_number() {
  static std::atomic<std::uint16_t> next = 0;
  if (given_number == kNoNumber) {
    given_number = next.fetch_add(1, std::memory_order_relaxed);
    // The first one is most often the only one, and those between are given.
    if (given_number > 0) given_number += ThreadSchedule::kMaxThreads;
  }
  return given_number;
}

/// `event` as it is when the call that makes things durable is not made.
Event without_effect(Event event) {
  switch (event.kind) {
    case EventKind::kFlush:
    case EventKind::kFence:
    case EventKind::kMemorySync:
    case EventKind::kSyncEnd:
    case EventKind::kSyncNames:
      event.kind = EventKind::kLeftOut;
      break;
    case EventKind::kWriteEnd:
      event.flag = false;
      break;
    default:
      break;
  }
  return event;
}

Status check_options(const SimulatedMachineOptions& options) {
  constexpr std::size_t kLeastCapacity = std::size_t{1} << 20;
  // Far more than there is address space, and few enough to reckon with.
  constexpr std::size_t kMostCapacity = std::size_t{1} << 62;
  const auto refuse = [](std::string message) {
    return Error(ErrorCode::kInvalidArgument, std::move(message));
  };
  const std::size_t unit = options.model.device_unit_bytes;
  if (unit != 512 && unit != 4096) {
    return refuse(
        fmt::format("device_unit_bytes is {}; devices write 512 or 4096 as a whole", unit));
  }
  const std::size_t capacity = options.capacity_bytes;
  if (capacity < kLeastCapacity || capacity > kMostCapacity) {
    return refuse(fmt::format("capacity_bytes is {}; it has to be from {} to {}", capacity,
                              kLeastCapacity, kMostCapacity));
  }
  if (options.region_bytes > capacity - SimulatedFiles::kTableBytes) {
    return refuse(fmt::format(
        "region_bytes is {}, which does not fit into capacity_bytes, {}, beside {} for the table "
        "of files: raise capacity_bytes",
        options.region_bytes, capacity, SimulatedFiles::kTableBytes));
  }
  if (options.max_file_bytes == 0 || options.max_file_bytes > kMostCapacity) {
    return refuse(fmt::format("max_file_bytes is {}; it has to be from 1 to {}",
                              options.max_file_bytes, kMostCapacity));
  }
  return {};
}

}  // namespace

Result<std::unique_ptr<Machine>> Machine::create(const SimulatedMachineOptions& options) {
  NACRE_TRY(check_options(options));
  std::unique_ptr<Machine> machine(new Machine(options));
  machine->options_.region_bytes = whole_pages(options.region_bytes);
  machine->media_ = NACRE_TRY(Media::create(whole_pages(options.capacity_bytes), *machine));
  const MediaAddress region = machine->allocate(machine->options_.region_bytes);
  machine->region_ = make_simulated_region(*machine, region, machine->options_.region_bytes);
  machine->files_ = std::make_unique<SimulatedFiles>(*machine, options.max_file_bytes);
  machine->world_ = std::make_unique<SimulatedWorld>(*machine);
  return machine;
}

Machine::Machine(const SimulatedMachineOptions& options) : options_(options) {}

Machine::~Machine() = default;

void Machine::set_recording(bool recording) {
  if (recording_ && !recording) make_up();
  recording_ = recording;
  media_->set_stepping(recording);
}

std::uint16_t Machine::thread() const noexcept { return thread_number(); }

void Machine::run_threads(std::span<const std::function<void()>> bodies) {
  std::vector<std::function<void()>> numbered;
  for (const auto& body : bodies) {
    numbered.emplace_back([&body, number = static_cast<std::uint16_t>(numbered.size() + 1)] {
      given_number = number;
      body();
    });
  }
  TurnScheduler(schedule_).run(numbered);
}

void Machine::settle() {
  media_->save();
  trace_.clear();
}

void Machine::adopt(const Machine& other) {
  allocated_ = other.allocated_;
  media_->save_as(*other.media_);
  files_->adopt(*other.files_);
}

void Machine::begin_recovery() {
  moved_.clear();
  trace_.clear();
  was_accessed_ = false;
  world_->begin_recovery();
  files_->begin_recovery();
}

void Machine::store(EventKind kind, MediaAddress address, Bytes bytes, const void* site) {
  before_access(address, bytes.size());
  media_->place(address, bytes);
  if (!recording_) return;
  while (!bytes.empty()) {
    const std::size_t in_word = std::min(bytes.size(), kWordBytes - address % kWordBytes);
    trace_.add({.kind = kind, .thread = thread_number(), .address = address, .site = site},
               bytes.first(in_word));
    address += in_word;
    bytes = bytes.subspan(in_word);
  }
  make_up();
}

std::size_t Machine::add(Event event, Bytes written) {
  if (!recording_) return 0;
  event.thread = thread_number();
  // Here it could be told from outside that something is not durable.
  if (event.kind == EventKind::kEndOperation || event.kind == EventKind::kPromiseDurable ||
      event.kind == EventKind::kAnswered) {
    make_up();
  }
  if (mutated_site_ != nullptr && event.site == mutated_site_) {
    const Event without = without_effect(event);
    const bool has_effect = without.kind != event.kind || without.flag != event.flag;
    if (has_effect && mutation_ == CrashMutation::kMove) {
      moved_.push_back({event, {written.begin(), written.end()}});
    }
    event = without;
  }
  const std::size_t index = record(event, written);
  if (changes_what_is_visible(event)) make_up();
  return index;
}

std::size_t Machine::record(const Event& event, Bytes written) {
  return written.empty() ? trace_.add(event) : trace_.add(event, written);
}

void Machine::make_up() {
  for (const MovedEvent& moved : std::exchange(moved_, {})) record(moved.event, moved.written);
}

void Machine::on_store(MediaAddress address, std::size_t bytes, const void* instruction,
                       bool streamed) {
  if (!recording_) return;
  trace_.add({.kind = streamed ? EventKind::kStream : EventKind::kStore,
              .thread = thread_number(),
              .address = address,
              .site = static_cast<const std::byte*>(instruction) + 1},
             Bytes(media_->open(address), bytes));
  make_up();
}

MediaAddress Machine::allocate(std::size_t bytes) {
  const MediaAddress address = std::exchange(allocated_, allocated_ + whole_pages(bytes));
  NACRE_ASSERT(allocated_ <= media_->capacity());
  return address;
}

std::vector<std::unique_ptr<PersistenceModel>> make_persistence_models(const CrashModel& model,
                                                                       DefiniteBytes& definite) {
  std::vector<std::unique_ptr<PersistenceModel>> models;
  models.push_back(
      std::make_unique<DeviceModel>(definite, model.device_unit_bytes, model.paranoid));
  models.push_back(std::make_unique<NamesModel>(definite, model.names));
  switch (model.memory) {
    case MemoryModel::kCacheLine:
      models.push_back(std::make_unique<LineModel>(definite));
      break;
    case MemoryModel::kDurableCache:
      models.push_back(std::make_unique<DurableCacheModel>(definite));
      break;
    case MemoryModel::kMappedPages:
      models.push_back(
          std::make_unique<PageModel>(definite, model.strict ? kSectorBytes : kPageBytes));
      break;
  }
  return models;
}

std::string CrashModel::name() const {
  std::string_view memory_name = "cache_line";
  if (memory == MemoryModel::kDurableCache) memory_name = "durable_cache";
  if (memory == MemoryModel::kMappedPages) memory_name = "mapped_pages";
  return fmt::format("{},{},{}{}{}", memory_name,
                     names == NameModel::kPosixMinimum ? "posix_minimum" : "ordered_journal",
                     device_unit_bytes, strict ? ",strict" : "", paranoid ? ",paranoid" : "");
}

Result<SimulatedMachine> SimulatedMachine::create(const SimulatedMachineOptions& options) {
  return SimulatedMachine(NACRE_TRY(Machine::create(options)));
}

SimulatedMachine::SimulatedMachine(std::unique_ptr<Machine> machine)
    : machine_(std::move(machine)) {}
SimulatedMachine::SimulatedMachine(SimulatedMachine&&) noexcept = default;
SimulatedMachine& SimulatedMachine::operator=(SimulatedMachine&&) noexcept = default;
SimulatedMachine::~SimulatedMachine() = default;

const SimulatedMachineOptions& SimulatedMachine::options() const noexcept {
  return machine_->options();
}
pmem::Region& SimulatedMachine::region() noexcept { return machine_->region(); }
FileSystem& SimulatedMachine::file_system() noexcept { return machine_->world().file_system(); }
void SimulatedMachine::fail_syncs(std::size_t count) noexcept {
  machine_->files().fail_syncs(count);
}
void SimulatedMachine::fail_writes(std::size_t count) noexcept {
  machine_->files().fail_writes(count);
}
void SimulatedMachine::mark_answered() { machine_->add({.kind = EventKind::kAnswered}); }
pmem::Domain& SimulatedMachine::domain() noexcept { return machine_->world().domain(); }
Environment SimulatedMachine::environment() noexcept { return machine_->world().environment(); }
Environment SimulatedMachine::block_environment() { return machine_->world().block_environment(); }

}  // namespace nacre
