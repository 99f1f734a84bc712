#include "mmap/segment_pool.h"

#include <gtest/gtest.h>

#include <cerrno>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "nacre/emulation/fault_file_system.h"
#include "tests/support/file_bytes.h"
#include "tests/support/result_matchers.h"
#include "tests/support/temp_directory.h"

namespace nacre {
namespace {

using test::has_code;

constexpr std::uint64_t kBytes = kMinSegmentBytes;
const Uuid kLog{{0x11, 0x22}};

/// On the block domain, and on mapped memory.
class SegmentPoolTest : public testing::TestWithParam<DomainKind> {
 protected:
  void SetUp() override {
    const auto request =
        GetParam() == DomainKind::kBlock ? DomainRequest::kBlock : DomainRequest::kEmulated;
    auto chosen = pmem::choose_domain(posix_, path(), request);
    ASSERT_OK(chosen);
    domain_ = *std::move(chosen);
  }
  std::filesystem::path path() const { return directory_.path(); }
  FaultPlan& plan() { return files_.plan(); }

  std::unique_ptr<SegmentPool> make_pool(std::size_t spares = 0, const Uuid& log = kLog) {
    return std::make_unique<SegmentPool>(files_, domain_.get(), executor_,
                                         SegmentPool::Options{.directory = path(),
                                                              .log_uuid = log,
                                                              .segment_bytes = kBytes,
                                                              .spare_segments = spares});
  }
  /// A pool that has found and adopted what is there.
  std::unique_ptr<SegmentPool> open_pool(std::size_t spares = 0) {
    auto pool = make_pool(spares);
    std::vector<Error> problems;
    const auto found = pool->find_segments(problems);
    EXPECT_OK(found);
    EXPECT_TRUE(problems.empty());
    EXPECT_OK(pool->adopt(*found));
    return pool;
  }
  /// What a lane does with a segment it has taken.
  static Status activate(Segment& segment) {
    SegmentState state = segment.state();
    state.use = SegmentUse::kActive;
    state.generation += 1;
    return segment.write_state(state);
  }
  std::vector<std::string> names() {
    auto listed = files_.list_directory(path());
    EXPECT_OK(listed);
    return listed.value_or(std::vector<std::string>());
  }

  test::TempDirectory directory_;
  PosixFileSystem posix_;
  FaultFileSystem files_{posix_};
  std::unique_ptr<pmem::Domain> domain_;
  DeterministicExecutor executor_{1};
};

INSTANTIATE_TEST_SUITE_P(Domain, SegmentPoolTest,
                         testing::Values(DomainKind::kBlock, DomainKind::kEmulated),
                         [](const auto& one) { return std::string(domain_name(one.param)); });

TEST(SegmentFileName, NamesAndIdsBelongTogether) {
  EXPECT_EQ(segment_file_name(SegmentId{0xabc}), "0000000000000abc.seg");
  for (const std::uint64_t id : {std::uint64_t{1}, std::uint64_t{0xabc}, ~std::uint64_t{0}}) {
    EXPECT_EQ(segment_id_of(segment_file_name(SegmentId{id})), SegmentId{id});
  }
  for (const std::string_view name :
       {"", "abc.seg", "0000000000000abc.seg.tmp", "0000000000000abc", "00000000000000xy.seg",
        "0000000000000abc.SEG", "+000000000000abc.seg", "0000000000000000.seg"}) {
    EXPECT_EQ(segment_id_of(name), SegmentId{}) << name;
  }
}

TEST_P(SegmentPoolTest, MakesASegmentThatIsWholeBeforeItHasItsName) {
  auto pool = open_pool();
  plan().clear_trace();
  ASSERT_OK_AND_ASSIGN(const auto segment, pool->take());
  std::uint64_t preallocated = 0;
  std::uint64_t written = 0;
  std::uint64_t synced = 0;
  std::uint64_t renamed = 0;
  std::uint64_t directory_synced = 0;
  std::uint64_t last_write = 0;
  for (const FileEvent& event : plan().trace()) {
    ASSERT_FALSE(event.error.has_value());
    switch (event.operation) {
      case FileOperation::kPreallocate:
        EXPECT_EQ(event.bytes, kBytes);
        preallocated = event.started;
        break;
      case FileOperation::kWrite:
        EXPECT_EQ(event.path.extension(), ".tmp") << "written before it has its name";
        written += event.bytes;
        last_write = event.started;
        break;
      case FileOperation::kSync:
        synced = event.started;
        break;
      case FileOperation::kRename:
        EXPECT_EQ(event.target, segment->path());
        renamed = event.started;
        break;
      case FileOperation::kSyncDirectory:
        EXPECT_EQ(event.path, path());
        directory_synced = event.started;
        break;
      default:
        break;
    }
  }
  // Nothing is committed to the blocks of the emulated domain.
  if (pool->survives_power_loss()) {
    EXPECT_GE(written, kBytes) << "every block is written, not only reserved";
  }
  EXPECT_GT(preallocated, 0U);
  EXPECT_GT(last_write, preallocated);
  EXPECT_GT(synced, last_write);
  EXPECT_GT(renamed, synced);
  EXPECT_GT(directory_synced, renamed);
}

TEST_P(SegmentPoolTest, ANewSegmentIsFreeAndReadsAsZeros) {
  auto pool = open_pool();
  ASSERT_OK_AND_ASSIGN(const auto segment, pool->take());
  EXPECT_EQ(segment->state().use, SegmentUse::kFree);
  EXPECT_EQ(segment->state().id, SegmentId{1});
  EXPECT_EQ(segment->state().log_uuid, kLog);
  const std::string content = test::file_content(segment->path());
  ASSERT_EQ(content.size(), kBytes);
  EXPECT_EQ(content.find_first_not_of('\0', sizeof(SegmentSlot)), std::string::npos);
}

TEST_P(SegmentPoolTest, EachStateGoesIntoTheOtherSlot) {
  auto pool = open_pool();
  ASSERT_OK_AND_ASSIGN(const auto segment, pool->take());
  std::string before = test::file_content(segment->path());
  for (std::uint32_t i = 0; i < 5; ++i) {
    SegmentState next = segment->state();
    next.use = SegmentUse::kActive;
    next.lane = i;
    ASSERT_OK(segment->write_state(next));
    const std::string after = test::file_content(segment->path());
    const std::size_t kept = i % 2 == 0 ? 0 : kSegmentSlotBytes;
    EXPECT_EQ(after.substr(kept, kSegmentSlotBytes), before.substr(kept, kSegmentSlotBytes));
    ASSERT_OK_AND_ASSIGN(const auto header, read_segment_header(posix_, segment->path()));
    EXPECT_EQ(header.state, segment->state());
    EXPECT_EQ(header.state.lane, i);
    EXPECT_EQ(header.state.sequence, i + 2);
    before = after;
  }
}

TEST_P(SegmentPoolTest, AHeaderThatCannotBeWrittenLeavesTheOldStateStanding) {
  if (GetParam() != DomainKind::kBlock) GTEST_SKIP() << "a store into a mapping cannot fail";
  auto pool = open_pool();
  ASSERT_OK_AND_ASSIGN(const auto segment, pool->take());
  ASSERT_OK(activate(*segment));
  const SegmentState before = segment->state();
  plan().add({.operation = FileOperation::kWrite, .sys_errno = EIO});
  SegmentState next = before;
  next.lane = 77;
  EXPECT_THAT(segment->write_state(next), has_code(ErrorCode::kIo));
  EXPECT_EQ(segment->state(), before);
  ASSERT_OK_AND_ASSIGN(const auto header, read_segment_header(posix_, segment->path()));
  EXPECT_EQ(header.state, before);
  // The first error stays: what the failed write left on the media is unknown.
  EXPECT_THAT(segment->write_state(next), has_code(ErrorCode::kIo));
}

TEST_P(SegmentPoolTest, ATornHeaderLeavesTheOldStateStanding) {
  if (GetParam() != DomainKind::kBlock) GTEST_SKIP() << "a store into a mapping cannot fail";
  auto pool = open_pool();
  ASSERT_OK_AND_ASSIGN(const auto segment, pool->take());
  ASSERT_OK(activate(*segment));
  const SegmentState before = segment->state();
  plan().add({.effect = FaultEffect::kTornWrite, .sys_errno = EIO, .torn_bytes = 30});
  SegmentState next = before;
  next.lane = 77;
  EXPECT_FALSE(segment->write_state(next).has_value());
  ASSERT_OK_AND_ASSIGN(const auto header, read_segment_header(posix_, segment->path()));
  EXPECT_EQ(header.state, before);
  EXPECT_TRUE(header.other_damaged);
}

TEST_P(SegmentPoolTest, AnInterruptedCreationIsCleanedUp) {
  test::write_content(path() / "0000000000000007.seg.tmp", "half a segment");
  auto pool = open_pool();
  EXPECT_EQ(names(), std::vector<std::string>{});
}

TEST_P(SegmentPoolTest, AFullDiskLeavesNoHalfMadeFileAndTakeWorksLater) {
  auto pool = open_pool();
  for (const std::uint64_t room : {std::uint64_t{0}, std::uint64_t{4096}, kBytes - 4096}) {
    files_.set_free_bytes(room);
    EXPECT_THAT(pool->take(), has_code(ErrorCode::kNoSpace)) << room;
    EXPECT_EQ(names(), std::vector<std::string>{}) << room;
    EXPECT_EQ(files_.free_bytes(), room);
  }
  files_.set_free_bytes(kBytes);
  EXPECT_OK(pool->take());
}

TEST_P(SegmentPoolTest, EachStepOfACreationMayFail) {
  auto pool = open_pool();
  for (const FileOperation step :
       {FileOperation::kCreate, FileOperation::kPreallocate, FileOperation::kWrite,
        FileOperation::kSync, FileOperation::kRename, FileOperation::kSyncDirectory}) {
    plan().add({.operation = step, .sys_errno = EIO});
    const auto taken = pool->take();
    ASSERT_THAT(taken, has_code(ErrorCode::kIo)) << file_operation_name(step);
    EXPECT_FALSE(taken.error().path().empty());
  }
  EXPECT_OK(pool->take());
  // Whatever the failures left behind, a later open sorts it out.
  pool = open_pool();
  for (const std::string& name : names()) EXPECT_NE(segment_id_of(name), SegmentId{}) << name;
}

TEST_P(SegmentPoolTest, ARetiredSegmentIsRecycledUnderAHigherGeneration) {
  auto pool = open_pool();
  std::uint32_t generation = 0;
  for (int use = 0; use < 4; ++use) {
    ASSERT_OK_AND_ASSIGN(auto segment, pool->take());
    EXPECT_EQ(segment->state().id, SegmentId{1});
    EXPECT_EQ(segment->state().generation, generation);
    ASSERT_OK(activate(*segment));
    EXPECT_EQ(segment->state().generation, ++generation);
    segment->retire();
    segment.reset();
    ASSERT_OK_AND_ASSIGN(const auto header,
                         read_segment_header(posix_, pool->segment_path(SegmentId{1})));
    EXPECT_EQ(header.state.use, SegmentUse::kFree);
  }
  EXPECT_EQ(names().size(), 1U);
}

TEST_P(SegmentPoolTest, ARetiredSegmentWhoseHeaderCannotBeWrittenIsNotReused) {
  if (GetParam() != DomainKind::kBlock) GTEST_SKIP() << "a store into a mapping cannot fail";
  auto pool = open_pool();
  ASSERT_OK_AND_ASSIGN(auto segment, pool->take());
  ASSERT_OK(activate(*segment));
  plan().add({.operation = FileOperation::kWrite, .sys_errno = EIO});
  segment->retire();
  segment.reset();
  ASSERT_OK_AND_ASSIGN(const auto next, pool->take());
  EXPECT_EQ(next->state().id, SegmentId{2});
}

TEST_P(SegmentPoolTest, APinnedSegmentIsNotRecycledUntilLetGo) {
  auto pool = open_pool();
  ASSERT_OK_AND_ASSIGN(auto segment, pool->take());
  ASSERT_OK(activate(*segment));
  const std::string text = "pinned bytes";
  segment->region()->copy(kSegmentDataOffset, as_bytes(text));
  ASSERT_OK_AND_ASSIGN(
      auto ticket, segment->region()->commit(kSegmentDataOffset, kSegmentDataOffset + text.size()));
  ASSERT_OK(segment->region()->wait(ticket));
  ASSERT_OK_AND_ASSIGN(auto pin, segment->pin());
  segment->retire();
  segment.reset();
  {
    ASSERT_OK_AND_ASSIGN(const auto other, pool->take());
    EXPECT_EQ(other->state().id, SegmentId{2}) << "the pinned file must not be used again";
    EXPECT_EQ(as_text(pin.bytes.subspan(kSegmentDataOffset, text.size())), text);
  }
  pin = {};
  ASSERT_OK_AND_ASSIGN(const auto again, pool->take());
  EXPECT_EQ(again->state().id, SegmentId{1});
}

TEST_P(SegmentPoolTest, PinsShowWhatWasWrittenAlsoAfterTheImageIsGone) {
  auto pool = open_pool();
  ASSERT_OK_AND_ASSIGN(auto segment, pool->take());
  segment->region()->copy(kSegmentDataOffset, as_bytes("before"));
  ASSERT_OK_AND_ASSIGN(auto ticket,
                       segment->region()->commit(kSegmentDataOffset, kSegmentDataOffset + 64));
  ASSERT_OK(segment->region()->wait(ticket));
  ASSERT_OK_AND_ASSIGN(const auto first, segment->pin());
  segment->unmap_image();
  EXPECT_EQ(segment->region() == nullptr, GetParam() == DomainKind::kBlock);
  ASSERT_OK_AND_ASSIGN(const auto second, segment->pin());
  for (const SegmentPin& pin : {first, second}) {
    EXPECT_EQ(as_text(pin.bytes.subspan(kSegmentDataOffset, 6)), "before");
    EXPECT_EQ(pin.bytes.size(), kBytes);
  }
}

TEST_P(SegmentPoolTest, AtMostSoManyFreeSegmentsAreKept) {
  auto pool = open_pool();
  std::vector<std::shared_ptr<Segment>> taken;
  for (std::size_t i = 0; i < kMaxFreeSegments + 3; ++i) {
    ASSERT_OK_AND_ASSIGN(auto segment, pool->take());
    ASSERT_OK(activate(*segment));
    taken.push_back(std::move(segment));
  }
  for (const auto& segment : taken) segment->retire();
  taken.clear();
  EXPECT_EQ(names().size(), kMaxFreeSegments);
}

TEST_P(SegmentPoolTest, SparesAreMadeInTheBackground) {
  auto pool = open_pool(2);
  for (int i = 0; i < 5; ++i) pool->prepare();
  EXPECT_EQ(names().size(), 0U) << "not on the caller's thread";
  executor_.run_all();
  EXPECT_EQ(names().size(), 2U) << "as many as asked for, however often";
  const auto creations = plan().count(FileOperation::kCreate);
  ASSERT_OK_AND_ASSIGN(const auto first, pool->take());
  ASSERT_OK_AND_ASSIGN(const auto second, pool->take());
  EXPECT_EQ(plan().count(FileOperation::kCreate), creations) << "both were ready";
}

TEST_P(SegmentPoolTest, ASpareThatCannotBeMadeShowsUpInTake) {
  auto pool = open_pool(1);
  files_.set_free_bytes(0);
  pool->prepare();
  executor_.run_all();
  EXPECT_THAT(pool->take(), has_code(ErrorCode::kNoSpace));
  files_.set_free_bytes(std::nullopt);
  pool->prepare();
  executor_.run_all();
  EXPECT_EQ(names().size(), 1U);
}

TEST_P(SegmentPoolTest, FreeSegmentsAreFoundAgain) {
  std::uint32_t generation = 0;
  {
    auto pool = open_pool();
    ASSERT_OK_AND_ASSIGN(auto segment, pool->take());
    ASSERT_OK(activate(*segment));
    generation = segment->state().generation;
    segment->retire();
  }
  auto pool = open_pool();
  ASSERT_OK_AND_ASSIGN(const auto segment, pool->take());
  EXPECT_EQ(segment->state().id, SegmentId{1});
  EXPECT_EQ(segment->state().generation, generation);
  ASSERT_OK_AND_ASSIGN(const auto next, pool->take());
  EXPECT_EQ(next->state().id, SegmentId{2});
}

TEST_P(SegmentPoolTest, NewIdsAreAboveThoseOfDamagedFiles) {
  test::write_content(path() / segment_file_name(SegmentId{9}), "damaged");
  auto pool = make_pool();
  std::vector<Error> problems;
  ASSERT_OK_AND_ASSIGN(const auto found, pool->find_segments(problems));
  EXPECT_TRUE(found.empty());
  EXPECT_EQ(problems.size(), 1U);
  ASSERT_OK_AND_ASSIGN(const auto segment, pool->take());
  EXPECT_EQ(segment->state().id, SegmentId{10});
}

TEST_P(SegmentPoolTest, EachWrongFileIsNamed) {
  {
    auto pool = open_pool();
    std::vector<std::shared_ptr<Segment>> taken;
    for (int i = 0; i < 6; ++i) {
      ASSERT_OK_AND_ASSIGN(auto segment, pool->take());
      taken.push_back(std::move(segment));
    }
  }
  const auto file = [this](std::uint64_t id) { return path() / segment_file_name(SegmentId{id}); };
  std::filesystem::resize_file(file(1), kBytes - 4096);
  std::filesystem::resize_file(file(2), kBytes + 4096);
  std::filesystem::resize_file(file(3), 100);
  std::filesystem::rename(file(4), file(0x44));
  test::flip_bit(file(5), 20);
  auto pool = make_pool();
  std::vector<Error> problems;
  ASSERT_OK_AND_ASSIGN(const auto found, pool->find_segments(problems));
  EXPECT_EQ(found.size(), 1U);
  std::vector<std::string> named;
  for (const Error& problem : problems) {
    EXPECT_EQ(problem.code(), ErrorCode::kCorruption) << problem.to_string();
    named.push_back(std::filesystem::path(problem.path()).filename().string());
  }
  EXPECT_THAT(named,
              testing::ElementsAre(segment_file_name(SegmentId{1}), segment_file_name(SegmentId{2}),
                                   segment_file_name(SegmentId{3}), segment_file_name(SegmentId{5}),
                                   segment_file_name(SegmentId{0x44})));
}

TEST_P(SegmentPoolTest, ASegmentOfAnotherLogIsNamed) {
  {
    auto pool = make_pool(0, Uuid{{0x99}});
    ASSERT_OK(pool->take());
  }
  auto pool = make_pool();
  std::vector<Error> problems;
  ASSERT_OK(pool->find_segments(problems));
  ASSERT_EQ(problems.size(), 1U);
  EXPECT_EQ(problems[0].code(), ErrorCode::kCorruption);
  EXPECT_THAT(problems[0].message(), testing::HasSubstr("another log"));
}

TEST_P(SegmentPoolTest, AFileThatCannotBeReadIsAnIoProblem) {
  {
    auto pool = open_pool();
    ASSERT_OK(pool->take());
  }
  plan().add({.operation = FileOperation::kRead, .sys_errno = EIO});
  auto pool = make_pool();
  std::vector<Error> problems;
  ASSERT_OK(pool->find_segments(problems));
  ASSERT_EQ(problems.size(), 1U);
  EXPECT_EQ(problems[0].code(), ErrorCode::kIo);
}

TEST_P(SegmentPoolTest, ADirectoryThatCannotBeListedIsAnError) {
  auto pool = make_pool();
  std::vector<Error> problems;
  plan().add({.operation = FileOperation::kListDirectory, .sys_errno = EIO});
  EXPECT_THAT(pool->find_segments(problems), has_code(ErrorCode::kIo));
  std::filesystem::remove_all(path());
  EXPECT_THAT(pool->find_segments(problems), has_code(ErrorCode::kNotFound));
}

TEST_P(SegmentPoolTest, WithoutADomainItOnlyLooks) {
  {
    auto pool = open_pool();
    ASSERT_OK(pool->take());
  }
  SegmentPool looking(files_, nullptr, executor_,
                      {.directory = path(), .log_uuid = kLog, .segment_bytes = kBytes});
  std::vector<Error> problems;
  ASSERT_OK_AND_ASSIGN(const auto found, looking.find_segments(problems));
  ASSERT_EQ(found.size(), 1U);
  const auto segment = looking.open(found[0]);
  EXPECT_OK(segment->pin());
  EXPECT_THAT(segment->map(pmem::MapContent::kKeep), has_code(ErrorCode::kUnsupported));
  SegmentState next = segment->state();
  EXPECT_THAT(segment->write_state(next), has_code(ErrorCode::kUnsupported));
}

TEST_P(SegmentPoolTest, AMappingThatFailsGivesTheSegmentBack) {
  {
    auto pool = open_pool();
    ASSERT_OK(pool->take());
  }
  auto pool = open_pool();
  plan().add({.operation = FileOperation::kOpen, .sys_errno = EMFILE});
  EXPECT_THAT(pool->take(), has_code(ErrorCode::kIo));
  ASSERT_OK_AND_ASSIGN(const auto segment, pool->take());
  EXPECT_EQ(segment->state().id, SegmentId{1});
}

}  // namespace
}  // namespace nacre
