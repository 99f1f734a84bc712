// Files that are published while everything goes wrong: under its name stands the whole old content
// or the whole new one, and the temporary name is gone.

#include <gtest/gtest.h>

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <filesystem>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <random>
#include <set>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "lib/io/publish_file.h"
#include "tests/emulation/fault_rig.h"
#include "tests/emulation/publish_trace.h"
#include "tests/support/aligned_bytes.h"
#include "tests/support/file_bytes.h"
#include "tests/support/result_matchers.h"
#include "tests/support/seed.h"
#include "tests/support/temp_directory.h"

namespace nacre {
namespace {

using std::filesystem::exists;
using test::AlignedBytes;
using test::file_content;
using test::PublishTrace;
using test::RigEngine;

constexpr std::size_t kBlock = 4096;
constexpr std::size_t kMaxBytes = 10 * kBlock;
constexpr std::size_t kPlaces = 6;
constexpr int kRounds = 4;
constexpr int kSeedsPerShard = 100;
constexpr std::uint64_t kMaxTimeoutNs = 2'000'000;

/// What is wrong with a publication without anybody's plan.
enum class Mischief : std::uint8_t { kNone, kReadOnly, kNoTemporary, kTargetIsDirectory };

/// What has happened, so that a shard in which something never did is noticed.
struct Tally {
  int published = 0;
  int cancelled = 0;
  int timed_out = 0;
  int no_space = 0;
  int left_over = 0;  // The temporary could not be removed.
  int called_back_published = 0;
  std::array<int, test::kPublishOrder.size()> failed_at{};
};

class World {
 public:
  World(std::uint64_t seed, RigEngine engine, Tally& tally);
  ~World() { publications_.clear(); }

  void run();

 private:
  struct Place {
    std::filesystem::path directory;
    std::optional<std::string> content;  // Of the target; nothing while it is not there.
    std::set<std::string> left_over;     // Temporary names.
    std::mt19937_64 random;              // Of whoever publishes here; one at a time does.
    std::filesystem::path target() const { return directory / "table"; }
  };
  struct Publication {
    Place* place = nullptr;
    Mischief mischief = Mischief::kNone;
    std::filesystem::path temporary;
    std::unique_ptr<File> file;
    std::unique_ptr<IoFile> io_file;
    std::unique_ptr<AlignedBytes> content;
    std::vector<std::byte*> buffers;
    bool timed = false;
    bool called_back = false;
    int calls = 0;
    IoTicket ticket;
  };

  void plan_faults();
  void plan_fault(FileOperation operation, FaultEffect effect, double probability, int sys_errno);
  void check_before_rename(const FileEvent& event);
  void publish(Place& place);
  std::unique_ptr<Publication> prepare(Place& place);
  void make_file(Publication& made);
  FilePublication request_of(Publication& made) const;
  void ended(Publication& one, IoCompletion completion);
  void check_planned(const Publication& one, const Status& status);
  void check_bare(const Publication& one, const Status& status);
  void check_error(const Publication& one, const Error& error, const PublishTrace& seen);
  void check_place(const Publication& one, bool renamed, bool left_over);
  void client(std::size_t first, std::size_t places);
  void cancel_one();
  void call_back_all();
  bool all_ended();
  void check_quiet();
  void publish_when_closed();

  Tally& tally_;
  std::mt19937_64 random_;
  const bool direct_ = random_() % 2 == 0;
  const std::optional<std::uint64_t> space_;
  test::TempDirectory directory_;
  test::FaultRig rig_;
  std::array<Place, kPlaces> places_;

  std::mutex mutex_;  // Over all that follows, and what a place and a publication have become.
  std::vector<std::unique_ptr<Publication>> publications_;
  std::map<std::string, Publication*> by_temporary_;
  std::size_t under_way_ = 0;
  std::size_t clients_ = 0;
  int numbers_ = 0;
  bool closing_ = false;
};

bool is_ring(RigEngine engine) {
  return engine == RigEngine::kIoUring || engine == RigEngine::kIoUringOneThread ||
         engine == RigEngine::kIoUringBare;
}

/// Mostly in memory. A ring ends what is in memory where it begins it.
test::TempDirectory directory_for(RigEngine engine, std::uint64_t chance) {
  return is_ring(engine) && chance % 16 == 0 ? test::TempDirectory()
                                             : test::TempDirectory::on_tmpfs();
}

/// Of a device that is full now and then; nothing for one that never is.
std::optional<std::uint64_t> space_for(RigEngine engine, std::uint64_t chance) {
  if (engine == RigEngine::kIoUringBare || chance % 2 == 0) return std::nullopt;
  return 2 * kMaxBytes + chance % (kPlaces * kMaxBytes);
}

World::World(std::uint64_t seed, RigEngine engine, Tally& tally)
    : tally_(tally),
      random_(seed),
      space_(space_for(engine, random_())),
      directory_(directory_for(engine, random_())),
      rig_(engine, seed) {
  for (std::size_t i = 0; i < kPlaces; ++i) {
    Place& place = places_[i];
    place.directory = directory_.path() / fmt::format("place{}", i);
    place.random.seed(random_());
    std::filesystem::create_directories(place.directory / "folder" / "not-empty");
  }
  rig_.files().set_free_bytes(space_);
  rig_.plan().before_each([this](const FileEvent& event) {
    if (event.operation == FileOperation::kRename) check_before_rename(event);
  });
  plan_faults();
}

void World::plan_fault(FileOperation operation, FaultEffect effect, double probability,
                       int sys_errno) {
  Fault fault{.operation = operation,
              .effect = effect,
              .sys_errno = sys_errno,
              .times = Fault::kAlways,
              .probability = probability};
  fault.torn_bytes = random_() % kMaxBytes;
  fault.slow_completions = random_() % 6;
  fault.slow_ns = random_() % 2 == 0 ? 20'000 : 0;
  rig_.plan().add(fault);
}

void World::plan_faults() {
  if (random_() % 2 == 0) plan_fault(FileOperation::kSync, FaultEffect::kLostUnsynced, 0.1, EIO);
  for (const FileOperation operation : test::kPublishOrder) {
    plan_fault(operation, FaultEffect::kError, 0.05, EIO);
    plan_fault(operation, FaultEffect::kStuck, 0.05, 0);
    plan_fault(operation, FaultEffect::kSlow, 0.1, 0);
  }
  // An allocation that only says that there is room has the device full in the middle of a write.
  plan_fault(FileOperation::kPreallocate, FaultEffect::kSkip, 0.2, 0);
  plan_fault(FileOperation::kPreallocate, FaultEffect::kError, 0.03, ENOSPC);
  plan_fault(FileOperation::kWrite, FaultEffect::kError, 0.03, EDQUOT);
  // A torn write is not held to what is left, and what it takes beyond that is not counted. A
  // device without a byte left tears writes as well.
  if (!space_) {
    plan_fault(FileOperation::kWrite, FaultEffect::kTornWrite, 0.05, ENOSPC);
    plan_fault(FileOperation::kWrite, FaultEffect::kTornWrite, 0.05, EIO);
  }
  plan_fault(FileOperation::kRename, FaultEffect::kError, 0.03, ENOSPC);
  plan_fault(FileOperation::kRemove, FaultEffect::kError, 0.1, EIO);
  plan_fault(FileOperation::kRemove, FaultEffect::kSkip, 0.1, 0);
  plan_fault(FileOperation::kRemove, FaultEffect::kStuck, 0.1, 0);
  plan_fault(FileOperation::kRemove, FaultEffect::kSlow, 0.1, 0);
}

/// What gets its name is whole.
void World::check_before_rename(const FileEvent& event) {
  const std::lock_guard lock(mutex_);
  const auto found = by_temporary_.find(event.path.string());
  ASSERT_NE(found, by_temporary_.end());
  const Publication& one = *found->second;
  if (one.mischief == Mischief::kNoTemporary) return;
  EXPECT_EQ(file_content(event.path) == one.content->text(), true)
      << event.path << " gets its name before its content is there";
}

std::unique_ptr<World::Publication> World::prepare(Place& place) {
  auto made = std::make_unique<Publication>();
  made->place = &place;
  std::mt19937_64& random = place.random;
  const std::size_t bytes = random() % 10 == 0 ? 0
                            : direct_          ? (1 + random() % (kMaxBytes / kBlock)) * kBlock
                                               : 1 + random() % kMaxBytes;
  made->content = std::make_unique<AlignedBytes>(bytes, random() | 1);
  const auto mischief = random() % 24;
  // What is written to a file without a name is never given back to the space that is counted.
  if (mischief == 1 && bytes > 0) made->mischief = Mischief::kReadOnly;
  if (mischief == 2 && !space_) made->mischief = Mischief::kNoTemporary;
  if (mischief == 3) made->mischief = Mischief::kTargetIsDirectory;
  made->timed = random() % 4 == 0;
  const std::lock_guard lock(mutex_);
  made->temporary = place.directory / fmt::format("table.tmp{}", ++numbers_);
  return made;
}

void World::make_file(Publication& made) {
  FileSystem& files = rig_.files();
  made.file =
      files.open(made.temporary, {.writable = true, .create = true, .direct = direct_}).value();
  if (made.mischief == Mischief::kReadOnly) {
    made.file = files.open(made.temporary, {.direct = direct_}).value();
  }
  if (made.mischief == Mischief::kNoTemporary) std::filesystem::remove(made.temporary);
  made.io_file = std::make_unique<IoFile>(rig_.scheduler().backend(), *made.file);
}

FilePublication World::request_of(Publication& made) const {
  const bool astray = made.mischief == Mischief::kTargetIsDirectory;
  FilePublication request{
      .file = made.io_file.get(),
      .temporary = made.temporary,
      .target = astray ? made.place->directory / "folder" : made.place->target()};
  std::mt19937_64& random = made.place->random;
  request.io_class = static_cast<IoClass>(random() % kIoClasses);
  if (made.timed) request.timeout_ns = 1 + random() % kMaxTimeoutNs;
  const std::span<std::byte> all = made.content->span();
  const std::size_t head = random() % 2 == 0 && all.size() > kBlock ? kBlock : all.size();
  for (const std::span<std::byte> part : {all.first(head), all.subspan(head)}) {
    if (part.empty()) continue;
    made.buffers.push_back(part.data());
    request.content.push_back(IoBuffer::borrow(part));
  }
  return request;
}

/// Nobody else publishes at `place` meanwhile.
void World::publish(Place& place) {
  std::unique_ptr<Publication> made = prepare(place);
  make_file(*made);
  FilePublication request = request_of(*made);
  Publication& one = *made;
  {
    const std::lock_guard lock(mutex_);
    ++under_way_;
    by_temporary_[one.temporary.string()] = &one;
    publications_.push_back(std::move(made));
  }
  const IoTicket ticket =
      publish_file(rig_.scheduler(), std::move(request),
                   [this, &one](IoCompletion completion) { ended(one, std::move(completion)); });
  const std::lock_guard lock(mutex_);
  one.ticket = ticket;
}

void World::ended(Publication& one, IoCompletion completion) {
  bool another = false;
  {
    const std::lock_guard lock(mutex_);
    EXPECT_EQ(++one.calls, 1);
    std::vector<std::byte*> buffers;
    for (const IoBuffer& buffer : completion.buffers) buffers.push_back(buffer.data());
    EXPECT_EQ(buffers, one.buffers) << "its own, in order";
    if (rig_.planned()) {
      check_planned(one, completion.status);
    } else {
      check_bare(one, completion.status);
    }
    another = !closing_ && one.place->random() % 2 == 0;
  }
  if (another) publish(*one.place);
  const std::lock_guard lock(mutex_);
  --under_way_;
}

void World::check_planned(const Publication& one, const Status& status) {
  const PublishTrace seen =
      test::trace_publication(rig_.plan().trace(), one.temporary, one.content->span().size() > 0);
  EXPECT_EQ(status.has_value(), seen.durable()) << "says it is done when all of it is done";
  EXPECT_EQ(status.has_value(), !seen.undo) << "is undone when it has failed, and only then";
  if (!status) check_error(one, status.error(), seen);
  const bool left_over =
      seen.undo_struck() && !seen.renamed() && one.mischief != Mischief::kNoTemporary;
  check_place(one, seen.renamed(), left_over);
  const bool called_back = !status && status.error().code() != ErrorCode::kIo;
  tally_.called_back_published += called_back && seen.renamed() ? 1 : 0;
}

/// The error is that of the step that failed, or it was called back.
void World::check_error(const Publication& one, const Error& error, const PublishTrace& seen) {
  if (error.code() == ErrorCode::kCancelled) {
    EXPECT_TRUE(one.called_back) << "nobody has cancelled it";
    ++tally_.cancelled;
  } else if (error.code() == ErrorCode::kTimedOut) {
    EXPECT_TRUE(one.timed) << "it had all the time there is";
    ++tally_.timed_out;
  } else if (error.code() != ErrorCode::kClosed) {
    ASSERT_TRUE(seen.failed.has_value()) << "no step has failed: " << error.to_string();
    EXPECT_EQ(error.code(), *seen.failed->error);
    const bool struck = seen.failed->fault && seen.failed->fault->effect == FaultEffect::kError;
    if (struck) {
      EXPECT_EQ(error.sys_errno(), seen.failed->fault->sys_errno);
    }
    ++tally_.failed_at[seen.steps];
    tally_.no_space += error.code() == ErrorCode::kNoSpace && !seen.failed->fault ? 1 : 0;
  }
}

/// Nothing is known of the steps, so that what was called back may have come to either end.
void World::check_bare(const Publication& one, const Status& status) {
  EXPECT_TRUE(!status || one.mischief == Mischief::kNone) << "succeeded although it could not";
  if (!status && one.mischief == Mischief::kNone) check_error(one, status.error(), {});
  const bool may_be_renamed = one.mischief == Mischief::kNone && exists(one.place->target());
  const bool renamed =
      status || (may_be_renamed && file_content(one.place->target()) == one.content->text());
  check_place(one, renamed, /*left_over=*/false);
}

void World::check_place(const Publication& one, bool renamed, bool left_over) {
  Place& place = *one.place;
  if (renamed) {
    place.content = one.content->text();
    ++tally_.published;
  }
  ASSERT_EQ(exists(place.target()), place.content.has_value());
  if (place.content) {
    EXPECT_EQ(file_content(place.target()) == *place.content, true)
        << "neither all of the old nor all of the new stands at " << place.target();
  }
  EXPECT_EQ(exists(one.temporary), left_over) << one.temporary;
  if (left_over) place.left_over.insert(one.temporary.filename().string());
  tally_.left_over += left_over ? 1 : 0;
}

void World::client(std::size_t first, std::size_t places) {
  for (std::size_t i = first; i < first + places; ++i) publish(places_[i]);
  {
    const std::lock_guard lock(mutex_);
    --clients_;
  }
  rig_.wake();
}

void World::cancel_one() {
  IoTicket ticket;
  {
    const std::lock_guard lock(mutex_);
    Publication& one = *publications_[random_() % publications_.size()];
    one.called_back = true;
    ticket = one.ticket;
  }
  rig_.scheduler().cancel(ticket);
}

void World::call_back_all() {
  std::vector<IoTicket> tickets;
  {
    const std::lock_guard lock(mutex_);
    for (const auto& one : publications_) {
      one->called_back = true;
      tickets.push_back(one->ticket);
    }
  }
  for (const IoTicket ticket : tickets) rig_.scheduler().cancel(ticket);
}

bool World::all_ended() {
  {
    const std::lock_guard lock(mutex_);
    if (under_way_ == 0 && clients_ == 0) return true;
    if (publications_.empty() || random_() % 16 > 0) return false;
  }
  cancel_one();
  return false;
}

/// Between two rounds, when nothing is under way.
void World::check_quiet() {
  std::uint64_t used = 0;
  for (const Place& place : places_) {
    std::set<std::string> expected = place.left_over;
    expected.insert("folder");
    if (place.content) expected.insert("table");
    std::set<std::string> found;
    for (const auto& entry : std::filesystem::directory_iterator(place.directory)) {
      found.insert(entry.path().filename().string());
      if (entry.is_regular_file()) used += entry.file_size();
    }
    EXPECT_EQ(found, expected) << place.directory;
  }
  if (space_) {
    EXPECT_EQ(rig_.files().free_bytes(), *space_ - used);
  }
  for (const auto& one : publications_) EXPECT_EQ(one->calls, 1);
  by_temporary_.clear();
  publications_.clear();
  rig_.plan().clear_trace();
}

void World::publish_when_closed() {
  closing_ = true;
  rig_.plan().clear();
  publish(places_.front());
  rig_.scheduler().close();
  publish(places_.back());
  EXPECT_TRUE(under_way_ == 0);
  check_quiet();
}

void World::run() {
  for (int round = 0; round < kRounds; ++round) {
    std::vector<std::thread> threads;
    const std::size_t clients = clients_ = rig_.clients();
    const std::size_t share = kPlaces / clients;
    for (std::size_t i = 0; clients > 1 && i < clients; ++i) {
      threads.emplace_back([this, i, share] { client(i * share, share); });
    }
    if (clients == 1) client(0, share);
    rig_.drive([this] { return all_ended(); }, [this] { call_back_all(); });
    for (std::thread& thread : threads) thread.join();
    check_quiet();
  }
  publish_when_closed();
}

struct Shard {
  RigEngine engine;
  int number;
};

class FaultPublishRandom : public testing::TestWithParam<Shard> {};

TEST_P(FaultPublishRandom, NothingHalfNamedIsLeft) {
  const RigEngine engine = GetParam().engine;
  const Status there = test::probe(engine);
  if (!there) GTEST_SKIP() << "no such engine here: " << there.error().to_string();
  Tally tally;
  const auto first = static_cast<std::uint64_t>(GetParam().number * kSeedsPerShard);
  for (std::uint64_t i = 0; i < kSeedsPerShard; ++i) {
    // The first of a shard is the one that NACRE_TEST_SEED names.
    const std::uint64_t seed = test::seed() + first + i;
    SCOPED_TRACE(fmt::format("replay with NACRE_TEST_SEED={} --gtest_filter=*{}", seed - first,
                             testing::UnitTest::GetInstance()->current_test_info()->name()));
    World(seed, engine, tally).run();
    if (HasFailure()) return;
  }
  EXPECT_GT(tally.published, 0);
  EXPECT_GT(tally.cancelled, 0);
  EXPECT_GT(tally.timed_out, 0);
  if (engine == RigEngine::kIoUringBare) return;
  EXPECT_GT(tally.no_space, 0);
  EXPECT_GT(tally.left_over, 0);
  for (const int times : tally.failed_at) EXPECT_GT(times, 0);
  // Nothing calls a chain back that an engine without a device has begun.
  if (engine == RigEngine::kPosixFiles) return;
  EXPECT_GT(tally.called_back_published, 0);
}

std::vector<Shard> shards() {
  std::vector<Shard> all;
  for (const auto engine :
       {RigEngine::kPosixNoThreads, RigEngine::kPosix, RigEngine::kPosixFiles, RigEngine::kIoUring,
        RigEngine::kIoUringOneThread, RigEngine::kIoUringBare}) {
    for (int number = 0; number < 2; ++number) all.push_back({engine, number});
  }
  return all;
}

INSTANTIATE_TEST_SUITE_P(Seeds, FaultPublishRandom, testing::ValuesIn(shards()),
                         [](const auto& the) {
                           return fmt::format("{}Shard{}", test::rig_engine_name(the.param.engine),
                                              the.param.number);
                         });

}  // namespace
}  // namespace nacre
