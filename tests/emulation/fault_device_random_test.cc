// Random requests over a device on which everything goes wrong: each comes back once, with its own
// buffers, and says what is true; nothing hangs.

#include <gtest/gtest.h>

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <memory>
#include <mutex>
#include <random>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "tests/emulation/fault_rig.h"
#include "tests/emulation/slot_model.h"
#include "tests/support/aligned_bytes.h"
#include "tests/support/result_matchers.h"
#include "tests/support/seed.h"
#include "tests/support/temp_directory.h"

namespace nacre {
namespace {

using test::AlignedBytes;
using test::Ending;
using test::FaultRig;
using test::kSlotBytes;
using test::kSlots;
using test::RigEngine;
using test::SlotModel;

constexpr std::size_t kBlock = 4096;
constexpr int kSeedsPerShard = 100;
constexpr int kShards = 10;
constexpr std::uint64_t kMaxTimeoutNs = 1'000'000;

/// What has happened, so that a shard in which something never did is noticed.
struct Tally {
  int done = 0;
  int failed = 0;
  int cancelled = 0;
  int timed_out = 0;
  int writes_called_back = 0;  // After they had begun.
};

/// Mostly in memory. A ring ends what is in memory where it begins it, so some of its files lie on
/// a disk.
test::TempDirectory directory_for(RigEngine engine, std::uint64_t chance) {
  const bool ring = engine == RigEngine::kIoUring || engine == RigEngine::kIoUringOneThread;
  return ring && chance % 16 == 0 ? test::TempDirectory() : test::TempDirectory::on_tmpfs();
}

/// One world of files, plan, device and scheduler, all from one seed.
class World {
 public:
  World(std::uint64_t seed, RigEngine engine, Tally& tally);
  ~World() { io_file_.reset(); }

  void run();

 private:
  /// A request that is under way, and what it is about.
  struct Asked {
    std::vector<std::size_t> slots;  // Of its writes and reads, in order.
    std::vector<std::unique_ptr<AlignedBytes>> memory;
    std::vector<std::byte*> buffers;  // As they must come back.
    bool reads = false;
    std::size_t bytes = 0;  // Of a read.
    int syncs = 0;
    int calls = 0;
    bool timed = false;
    bool called_back = false;
    IoTicket ticket;
  };

  void plan_faults();
  void plan_fault(FileOperation operation, FaultEffect effect, double probability, int sys_errno);
  void client(std::uint64_t seed, std::size_t first_slot, std::size_t slots, int requests);
  void ask(std::mt19937_64& random, std::size_t first_slot, std::size_t slots);
  bool take_slot(std::mt19937_64& random, std::size_t first_slot, std::size_t slots, Asked& asked);
  IoRequest transfer(std::mt19937_64& random, IoKind kind, Asked& asked);
  IoRequest sync() const;
  void ended(Asked& asked, IoCompletion completion);
  void take_writes(const Asked& asked, Ending ending);
  Ending ending_of(const Asked& asked, const Status& status);
  void check_error(const Asked& asked, const Error& error);
  bool all_ended();
  void call_back_all();
  void drive();
  void quiescent_sync();
  void close_with_some_under_way();

  Tally& tally_;
  std::mt19937_64 random_;
  const bool loses_syncs_ = random_() % 4 == 0;
  const bool direct_ = random_() % 2 == 0;
  test::TempDirectory directory_;
  FaultRig rig_;
  std::unique_ptr<File> file_;
  std::unique_ptr<File> media_;  // The same one below the faults.
  std::unique_ptr<IoFile> io_file_;

  std::mutex mutex_;  // Over all that follows.
  std::vector<SlotModel> slots_;
  std::vector<bool> busy_ = std::vector<bool>(kSlots);
  std::vector<std::unique_ptr<Asked>> asked_;
  std::size_t under_way_ = 0;
  std::size_t clients_ = 0;
  std::size_t hooks_ = 0;
  std::uint64_t failed_syncs_ = 0;
  std::vector<std::size_t> sync_errors_;  // Numbers of the plan's faults.
};

World::World(std::uint64_t seed, RigEngine engine, Tally& tally)
    : tally_(tally),
      random_(seed),
      directory_(directory_for(engine, random_())),
      rig_(engine, seed) {
  for (std::size_t i = 0; i < kSlots; ++i) slots_.emplace_back(i * kSlotBytes, direct_);
  const auto path = directory_.path() / "file";
  file_ = rig_.files().open(path, {.writable = true, .create = true, .direct = direct_}).value();
  media_ = rig_.below().open(path, {.direct = direct_}).value();
  io_file_ = std::make_unique<IoFile>(rig_.scheduler().backend(), *file_);
  rig_.plan().clear_trace();
  rig_.plan().before_each([this](const FileEvent& event) {
    const std::lock_guard lock(mutex_);
    ++hooks_;
    if (event.operation != FileOperation::kRead && event.operation != FileOperation::kWrite) return;
    // The scheduler may have made one request of several.
    for (SlotModel& slot : slots_) {
      if (slot.offset() >= event.offset && slot.offset() < event.offset + event.bytes) {
        slot.begin(event);
      }
    }
  });
  plan_faults();
}

void World::plan_fault(FileOperation operation, FaultEffect effect, double probability,
                       int sys_errno) {
  Fault fault{.operation = operation,
              .effect = effect,
              .sys_errno = sys_errno,
              .nth = 1 + random_() % 3,
              .times = Fault::kAlways,
              .probability = probability};
  fault.torn_bytes = random_() % (kSlotBytes + 1000);
  fault.misdirect_bytes = test::kShadowBytes;
  fault.slow_completions = random_() % 6;
  fault.slow_ns = random_() % 4 == 0 ? 20'000 : 0;
  const std::size_t number = rig_.plan().add(fault);
  if (operation == FileOperation::kSyncData && effect == FaultEffect::kError) {
    sync_errors_.push_back(number);
  }
}

void World::plan_faults() {
  for (const FileOperation operation :
       {FileOperation::kRead, FileOperation::kWrite, FileOperation::kSyncData}) {
    plan_fault(operation, FaultEffect::kError, 0.06, EIO);
    plan_fault(operation, FaultEffect::kStuck, 0.05, 0);
    plan_fault(operation, FaultEffect::kSlow, 0.1, 0);
  }
  plan_fault(FileOperation::kWrite, FaultEffect::kError, 0.03, ENOSPC);
  plan_fault(FileOperation::kWrite, FaultEffect::kError, 0.03, EDQUOT);
  plan_fault(FileOperation::kWrite, FaultEffect::kTornWrite, 0.05, ENOSPC);
  plan_fault(FileOperation::kWrite, FaultEffect::kTornWrite, 0.05, 0);
  plan_fault(FileOperation::kWrite, FaultEffect::kSkip, 0.05, 0);
  plan_fault(FileOperation::kWrite, FaultEffect::kMisdirectedWrite, 0.05, 0);
  plan_fault(FileOperation::kSyncData, FaultEffect::kSkip, 0.1, 0);
  if (loses_syncs_) {
    plan_fault(FileOperation::kSync, FaultEffect::kLostUnsynced, 0.6, EIO);
  } else {
    plan_fault(FileOperation::kRead, FaultEffect::kFlippedBit, 0.1, 0);
  }
}

/// Reserves a slot that is free; false when there is none at hand.
bool World::take_slot(std::mt19937_64& random, std::size_t first_slot, std::size_t slots,
                      Asked& asked) {
  const std::size_t slot = first_slot + random() % slots;
  if (busy_[slot]) return false;
  busy_[slot] = true;
  slots_[slot].expect();
  asked.slots.push_back(slot);
  return true;
}

IoRequest World::sync() const {
  IoRequest request;
  request.kind = IoKind::kSyncData;
  request.file = io_file_.get();
  return request;
}

/// Of the slot reserved last.
IoRequest World::transfer(std::mt19937_64& random, IoKind kind, Asked& asked) {
  IoRequest request;
  request.kind = kind;
  request.io_class = static_cast<IoClass>(random() % kIoClasses);
  request.file = io_file_.get();
  request.offset = slots_[asked.slots.back()].offset();
  request.durable = kind == IoKind::kWrite && !loses_syncs_ && random() % 4 == 0;
  const std::size_t bytes =
      direct_ ? (1 + random() % (kSlotBytes / kBlock)) * kBlock : 1 + random() % kSlotBytes;
  const auto& memory = asked.memory.emplace_back(
      std::make_unique<AlignedBytes>(bytes, kind == IoKind::kWrite ? random() | 1 : 0));
  const std::size_t head = random() % 2 == 0 && bytes > kBlock ? kBlock : bytes;
  for (const std::span<std::byte> part :
       {memory->span().first(head), memory->span().subspan(head)}) {
    if (part.empty()) continue;
    asked.buffers.push_back(part.data());
    request.buffers.push_back(IoBuffer::borrow(part));
  }
  if (kind == IoKind::kRead) {
    asked.reads = true;
    asked.bytes = bytes;
  }
  return request;
}

/// Makes a random request, or calls one back.
void World::ask(std::mt19937_64& random, std::size_t first_slot, std::size_t slots) {
  std::vector<IoRequest> steps;
  Asked* asked = nullptr;
  IoTicket cancelled;
  {
    const std::lock_guard lock(mutex_);
    auto made = std::make_unique<Asked>();
    const auto what = random() % 10;
    if (what == 0 && !asked_.empty()) {
      Asked& one = *asked_[asked_.size() - 1 - random() % std::min<std::size_t>(8, asked_.size())];
      one.called_back = true;
      cancelled = one.ticket;
    } else if (what == 1 && !loses_syncs_) {
      steps.push_back(sync());
      made->syncs = 1;
    } else if (what <= 3) {
      // A chain: a write, a sync, and another write.
      if (take_slot(random, first_slot, slots, *made)) {
        steps.push_back(transfer(random, IoKind::kWrite, *made));
        if (!loses_syncs_) steps.push_back(sync());
        made->syncs = loses_syncs_ ? 0 : 1;
        if (take_slot(random, first_slot, slots, *made)) {
          steps.push_back(transfer(random, IoKind::kWrite, *made));
        }
      }
    } else if (take_slot(random, first_slot, slots, *made)) {
      steps.push_back(transfer(random, what <= 6 ? IoKind::kRead : IoKind::kWrite, *made));
    }
    if (!steps.empty()) {
      if (random() % 4 == 0) {
        made->timed = true;
        steps.front().timeout_ns = 1 + random() % kMaxTimeoutNs;
      }
      ++under_way_;
      asked = made.get();
      asked_.push_back(std::move(made));
    }
  }
  if (cancelled.value != 0) rig_.scheduler().cancel(cancelled);
  if (steps.empty()) return;
  const auto done = [this, asked](IoCompletion completion) {
    ended(*asked, std::move(completion));
  };
  const IoTicket ticket = steps.size() == 1
                              ? rig_.scheduler().submit(std::move(steps.front()), done)
                              : rig_.scheduler().submit_chain(std::move(steps), nullptr, done);
  const std::lock_guard lock(mutex_);
  asked->ticket = ticket;
}

void World::ended(Asked& asked, IoCompletion completion) {
  const std::lock_guard lock(mutex_);
  --under_way_;
  EXPECT_EQ(++asked.calls, 1);
  std::vector<std::byte*> buffers;
  for (const IoBuffer& buffer : completion.buffers) buffers.push_back(buffer.data());
  EXPECT_EQ(buffers, asked.buffers) << "its own, in order";
  const Ending ending = ending_of(asked, completion.status);
  if (ending == Ending::kFailed) check_error(asked, completion.status.error());
  if (!asked.reads) {
    take_writes(asked, ending);
  } else if (ending == Ending::kDone) {
    EXPECT_LE(completion.bytes, asked.bytes);
    slots_[asked.slots.front()].check_read(asked.memory.front()->span().first(completion.bytes));
  }
  for (const std::size_t slot : asked.slots) busy_[slot] = false;
}

Ending World::ending_of(const Asked& asked, const Status& status) {
  if (status) return ++tally_.done, Ending::kDone;
  switch (status.error().code()) {
    case ErrorCode::kCancelled:
      EXPECT_TRUE(asked.called_back) << "nobody has cancelled it";
      ++tally_.cancelled;
      return Ending::kCancelled;
    case ErrorCode::kTimedOut:
      EXPECT_TRUE(asked.timed) << "it had all the time there is";
      ++tally_.timed_out;
      return Ending::kCancelled;
    default:
      ++tally_.failed;
      return Ending::kFailed;
  }
}

/// A chain goes on until a step fails or is called back; what comes behind that one has not begun.
void World::take_writes(const Asked& asked, Ending ending) {
  bool stopped = false;
  for (std::size_t i = 0; i < asked.slots.size(); ++i) {
    SlotModel& slot = slots_[asked.slots[i]];
    Ending step = ending;
    const bool next_begun = i + 1 < asked.slots.size() && slots_[asked.slots[i + 1]].begun();
    if (ending == Ending::kFailed) {
      step = !slot.begun()      ? Ending::kCancelled
             : slot.must_fail() ? Ending::kFailed
                                : Ending::kDone;
    } else if (ending == Ending::kCancelled && next_begun) {
      step = Ending::kDone;
    }
    if (stopped) {
      EXPECT_FALSE(slot.begun()) << "begun although the step before it failed";
    }
    stopped = stopped || step == Ending::kFailed;
    AlignedBytes now(kSlotBytes);
    AlignedBytes astray(kSlotBytes);
    if (step == Ending::kCancelled) {
      tally_.writes_called_back += slot.begun() ? 1 : 0;
      EXPECT_OK(media_->read_at(slot.offset(), now.span()));
      EXPECT_OK(media_->read_at(test::kShadowBytes + slot.offset(), astray.span()));
    }
    slot.take_write(asked.memory[i]->span(), step, {.slot = now.span(), .shadow = astray.span()});
  }
  failed_syncs_ += ending == Ending::kFailed && !stopped && asked.syncs == 1 ? 1 : 0;
}

/// Errors come from the plan alone here, and say where.
void World::check_error(const Asked& asked, const Error& error) {
  EXPECT_EQ(error.path(), file_->path().string());
  for (const std::size_t number : asked.slots) {
    const SlotModel& slot = slots_[number];
    if (!slot.must_fail()) continue;
    EXPECT_EQ(error.sys_errno(), slot.fault()->sys_errno);
    EXPECT_TRUE(error.offset().has_value());
    return;
  }
  EXPECT_EQ(error.sys_errno(), EIO);
  EXPECT_EQ(asked.syncs, 1) << "what was not to fail failed: " << error.message();
}

void World::client(std::uint64_t seed, std::size_t first_slot, std::size_t slots, int requests) {
  std::mt19937_64 random(seed);
  for (int i = 0; i < requests; ++i) ask(random, first_slot, slots);
  {
    const std::lock_guard lock(mutex_);
    --clients_;
  }
  rig_.wake();
}

bool World::all_ended() {
  const std::lock_guard lock(mutex_);
  return under_way_ == 0 && clients_ == 0;
}

void World::call_back_all() {
  std::vector<IoTicket> tickets;
  {
    const std::lock_guard lock(mutex_);
    for (const auto& asked : asked_) {
      if (asked->ticket.value == 0) continue;
      asked->called_back = true;
      tickets.push_back(asked->ticket);
    }
  }
  for (const IoTicket ticket : tickets) rig_.scheduler().cancel(ticket);
}

void World::drive() {
  rig_.drive([this] { return all_ended(); }, [this] { call_back_all(); });
}

/// A sync while nothing else is under way, so that it is known what it may lose.
void World::quiescent_sync() {
  IoRequest request = sync();
  request.kind = IoKind::kSync;
  const IoCompletion completion = rig_.scheduler().run(std::move(request));
  for (SlotModel& slot : slots_)
    completion.status ? slot.take_good_sync() : slot.take_losing_sync();
  EXPECT_TRUE(completion.status || loses_syncs_);
}

void World::close_with_some_under_way() {
  rig_.plan().clear();
  for (int i = 0; i < 10; ++i) ask(random_, 0, kSlots);
  rig_.scheduler().close();
  EXPECT_TRUE(all_ended());
  for (const auto& asked : asked_) EXPECT_EQ(asked->calls, 1);
}

void World::run() {
  for (int round = 0; round < 4; ++round) {
    std::vector<std::thread> threads;
    clients_ = rig_.clients();
    const bool alone = clients_ == 1;
    const std::size_t share = kSlots / clients_;
    for (std::size_t i = 0; !alone && i < 2; ++i) {
      threads.emplace_back(
          [this, i, share, seed = random_()] { client(seed, i * share, share, 15); });
    }
    if (alone) client(random_(), 0, share, 25);
    drive();
    for (std::thread& thread : threads) thread.join();
    quiescent_sync();
  }
  close_with_some_under_way();
  std::uint64_t struck_syncs = 0;
  for (const std::size_t number : sync_errors_) struck_syncs += rig_.plan().hits(number);
  EXPECT_EQ(failed_syncs_, struck_syncs);
  EXPECT_EQ(rig_.plan().trace().size(), hooks_) << "each that begins ends once";
  std::string content(2 * test::kShadowBytes, '\0');
  const auto file = rig_.below().open(file_->path(), {}).value();
  content.resize(file->read_at(0, std::as_writable_bytes(std::span(content))).value());
  for (const SlotModel& slot : slots_) slot.check_media(content);
}

struct Shard {
  RigEngine engine;
  int number;
};

class FaultDeviceRandom : public testing::TestWithParam<Shard> {};

TEST_P(FaultDeviceRandom, EveryRequestComesBackOnceAndSaysWhatIsTrue) {
  const Status there = test::probe(GetParam().engine);
  if (!there) GTEST_SKIP() << "no such engine here: " << there.error().to_string();
  Tally tally;
  for (int i = 0; i < kSeedsPerShard; ++i) {
    // The first of a shard is the one that NACRE_TEST_SEED names.
    const std::uint64_t seed =
        test::seed() + static_cast<std::uint64_t>(GetParam().number * kSeedsPerShard + i);
    const std::uint64_t replay =
        seed - static_cast<std::uint64_t>(GetParam().number * kSeedsPerShard);
    SCOPED_TRACE(fmt::format("replay with NACRE_TEST_SEED={} --gtest_filter=*{}", replay,
                             testing::UnitTest::GetInstance()->current_test_info()->name()));
    World(seed, GetParam().engine, tally).run();
    if (HasFailure()) return;
  }
  for (const int times :
       {tally.done, tally.failed, tally.cancelled, tally.timed_out, tally.writes_called_back}) {
    EXPECT_GT(times, 0);
  }
}

std::vector<Shard> shards() {
  std::vector<Shard> all;
  for (const auto engine : {RigEngine::kPosixNoThreads, RigEngine::kPosix}) {
    for (int number = 0; number < kShards; ++number) all.push_back({engine, number});
  }
  for (int number = 0; number < kShards; ++number) {
    all.push_back({number % 2 == 0 ? RigEngine::kIoUring : RigEngine::kIoUringOneThread, number});
  }
  return all;
}

INSTANTIATE_TEST_SUITE_P(Seeds, FaultDeviceRandom, testing::ValuesIn(shards()),
                         [](const auto& the) {
                           return fmt::format("{}Shard{}", test::rig_engine_name(the.param.engine),
                                              the.param.number);
                         });

}  // namespace
}  // namespace nacre
