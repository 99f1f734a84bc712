#include "lib/io/io_queue.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cstdint>
#include <cstring>
#include <map>
#include <optional>
#include <random>
#include <string>
#include <utility>
#include <vector>

#include "tests/lib/io/fake_io_backend.h"
#include "tests/support/result_matchers.h"
#include "tests/support/seed.h"

namespace nacre {
namespace {

using test::FakeIoBackend;
using test::has_code;
using test::NoFile;

constexpr std::size_t kBlock = 4096;
constexpr std::uint64_t kMillisecondNs = 1'000'000;

/// An IoQueue, and a backend that holds what the queue has picked.
class IoQueueTest : public testing::Test {
 protected:
  void make(std::size_t depth, IoQueueOptions options = {}) {
    backend_.emplace(depth, clock_);
    queue_.emplace(depth, options, metrics_);
    file_.emplace(*backend_, no_file_);
  }
  static IoQueueOptions plain() {
    IoQueueOptions options;
    options.policy.log_slots = 0;
    options.policy.read_slots = 0;
    options.policy.adaptive = false;
    return options;
  }

  IoRequest request(IoKind kind, IoClass io_class, std::uint64_t offset,
                    std::size_t bytes = kBlock) {
    IoRequest made;
    made.kind = kind;
    made.io_class = io_class;
    made.file = &*file_;
    made.offset = offset;
    // Each request borrows memory of its own place, so that a test can see whose bytes are whose.
    made.buffers.push_back(IoBuffer::borrow(std::span(memory_).subspan(used_, bytes)));
    used_ += bytes;
    return made;
  }
  /// Returns a number by which `ended_` knows it.
  int add(IoRequest request) {
    const int number = next_++;
    tickets_[number] = queue_->add(
        std::span(&request, 1), nullptr,
        [this, number](IoCompletion completion) { ended_[number] = std::move(completion); },
        clock_.monotonic_ns());
    return number;
  }
  int add(IoKind kind, IoClass io_class, std::uint64_t offset, std::size_t bytes = kBlock) {
    return add(request(kind, io_class, offset, bytes));
  }
  int write(std::uint64_t offset, std::size_t bytes = kBlock) {
    return add(IoKind::kWrite, IoClass::kLog, offset, bytes);
  }

  void pick() {
    std::vector<IoOperation*> heads;
    queue_->pick(clock_.monotonic_ns(), heads);
    backend_->submit(heads, true);
    queue_->note_submitted();
  }
  /// Tells the queue what the backend has ended.
  void reap() {
    std::vector<IoOperation*> operations(64);
    const std::size_t count = backend_->reap(operations, 0);
    queue_->note_ended(std::span(operations).first(count), clock_.monotonic_ns());
    tell();
  }
  void tell() {
    std::vector<IoEnded> ended;
    queue_->take_ended(ended);
    for (IoEnded& one : ended) one.done(std::move(one.completion));
  }
  void run_all() {
    for (pick(); !backend_->in_flight.empty(); pick()) {
      backend_->end_all();
      reap();
    }
  }
  const IoRequest& in_flight(std::size_t at) { return backend_->in_flight.at(at)->request; }

  NoFile no_file_;
  ManualClock clock_;
  IoMetrics metrics_;
  std::optional<FakeIoBackend> backend_;
  std::optional<IoFile> file_;
  std::optional<IoQueue> queue_;
  std::vector<std::byte> memory_ = std::vector<std::byte>(std::size_t{48} << 20);
  std::size_t used_ = 0;
  int next_ = 0;
  std::map<int, IoTicket> tickets_;
  std::map<int, IoCompletion> ended_;
};

TEST_F(IoQueueTest, AdjacentWritesGoOutAsOneAndComeBackEach) {
  make(8, plain());
  const int third = write(3 * kBlock, 2 * kBlock);
  const int first = write(kBlock);
  const int second = write(2 * kBlock);
  const int apart = write(6 * kBlock);
  pick();
  ASSERT_EQ(backend_->in_flight.size(), 2U);
  EXPECT_EQ(in_flight(0).offset, kBlock);
  EXPECT_EQ(in_flight(0).buffer_bytes(), 4 * kBlock);
  // Memory that lies together is one buffer: `first` and `second` were cut next to one another.
  EXPECT_EQ(in_flight(0).buffers.size(), 2U);
  EXPECT_EQ(in_flight(0).buffers[0].data(), memory_.data() + 2 * kBlock);
  EXPECT_EQ(in_flight(0).buffers[1].data(), memory_.data());
  backend_->end_all();
  reap();
  ASSERT_EQ(ended_.size(), 4U);
  EXPECT_OK(ended_[second].status);
  EXPECT_EQ(ended_[second].bytes, kBlock);
  EXPECT_EQ(ended_[third].bytes, 2 * kBlock);
  ASSERT_EQ(ended_[third].buffers.size(), 1U);
  EXPECT_EQ(ended_[third].buffers[0].data(), memory_.data());
  EXPECT_EQ(ended_[first].buffers[0].data(), memory_.data() + 2 * kBlock);
  EXPECT_EQ(ended_[apart].bytes, kBlock);
  EXPECT_EQ(metrics_.of(IoClass::kLog).merges.value(), 2U);
}

TEST_F(IoQueueTest, AFailedMergedWriteFailsEachAtItsOwnPlace) {
  make(8, plain());
  const int first = write(0);
  const int second = write(kBlock);
  pick();
  ASSERT_EQ(backend_->in_flight.size(), 1U);
  backend_->end(*backend_->in_flight[0],
                Error(ErrorCode::kNoSpace, "full").with_path("no_file").with_offset(0));
  reap();
  EXPECT_THAT(ended_[first].status, has_code(ErrorCode::kNoSpace));
  ASSERT_THAT(ended_[second].status, has_code(ErrorCode::kNoSpace));
  EXPECT_EQ(ended_[first].status.error().offset(), 0U);
  EXPECT_EQ(ended_[second].status.error().offset(), kBlock);
  EXPECT_EQ(ended_[second].bytes, 0U);
}

TEST_F(IoQueueTest, WhatIsNotAlikeIsNotMerged) {
  make(8, plain());
  NoFile other_file;
  IoFile other(*backend_, other_file);
  write(0);
  IoRequest durable = request(IoKind::kWrite, IoClass::kLog, kBlock);
  durable.durable = true;
  add(std::move(durable));
  add(IoKind::kWrite, IoClass::kFlush, 2 * kBlock);
  add(IoKind::kRead, IoClass::kLog, 3 * kBlock);
  IoRequest elsewhere = request(IoKind::kWrite, IoClass::kLog, kBlock);
  elsewhere.file = &other;
  add(std::move(elsewhere));
  pick();
  EXPECT_EQ(backend_->in_flight.size(), 5U);
  run_all();
}

TEST_F(IoQueueTest, MergesKeepToTheirBounds) {
  IoQueueOptions options = plain();
  options.max_merge_bytes = 4 * kBlock;
  options.max_merge_buffers = 3;
  make(8, options);
  for (std::uint64_t i = 0; i < 6; ++i) write(i * kBlock);
  write(100 * kBlock, 3 * kBlock);
  write(103 * kBlock, 2 * kBlock);
  pick();
  ASSERT_EQ(backend_->in_flight.size(), 4U);
  EXPECT_EQ(in_flight(0).buffer_bytes(), 3 * kBlock);
  EXPECT_EQ(in_flight(1).buffer_bytes(), 3 * kBlock);
  EXPECT_EQ(in_flight(2).buffer_bytes(), 3 * kBlock);
  run_all();
}

TEST_F(IoQueueTest, AnOverlappingWriteWaitsForTheEarlier) {
  make(8, plain());
  const int first = write(0, 4 * kBlock);
  const int second = write(kBlock);
  const int third = write(2 * kBlock);
  const int fourth = write(kBlock, 2 * kBlock);
  const int apart = write(8 * kBlock);
  pick();
  EXPECT_EQ(queue_->queued(IoClass::kLog), 3U);
  ASSERT_EQ(backend_->in_flight.size(), 2U);
  backend_->end_all();
  reap();
  EXPECT_TRUE(ended_.contains(first) && ended_.contains(apart));
  pick();
  ASSERT_EQ(backend_->in_flight.size(), 1U);
  EXPECT_EQ(in_flight(0).offset, kBlock);  // The second and the third, merged.
  EXPECT_EQ(in_flight(0).buffer_bytes(), 2 * kBlock);
  backend_->end_all();
  reap();
  EXPECT_TRUE(ended_.contains(second) && ended_.contains(third));
  EXPECT_FALSE(ended_.contains(fourth));
  run_all();
  EXPECT_TRUE(ended_.contains(fourth));
}

TEST_F(IoQueueTest, OverlappingWritesOfAllClassesEndAsIfInOrder) {
  IoQueueOptions options;
  options.policy.piece_bytes = 2 * kBlock;
  make(4, options);
  std::mt19937_64 random(test::seed());
  std::vector<int> media(64, -1);
  std::vector<int> model(64, -1);
  const auto carry_out = [&](const IoOperation& operation) {
    std::uint64_t block = operation.request.offset / kBlock;
    for (const IoBuffer& buffer : operation.request.buffers) {
      for (std::size_t at = 0; at < buffer.size(); at += kBlock) {
        int number = 0;
        std::memcpy(&number, buffer.data() + at, sizeof(number));
        media.at(block++) = number;
      }
    }
  };
  for (int number = 0; number < 3000; ++number) {
    const std::uint64_t block = random() % 60;
    const std::size_t blocks = 1 + random() % 4;
    IoRequest made = request(IoKind::kWrite, static_cast<IoClass>(random() % kIoClasses),
                             block * kBlock, blocks * kBlock);
    for (std::size_t i = 0; i < blocks; ++i) {
      std::memcpy(made.buffers[0].data() + i * kBlock, &number, sizeof(number));
      model[block + i] = number;
    }
    add(std::move(made));
    clock_.advance_ns(random() % kMillisecondNs);
    pick();
    while (!backend_->in_flight.empty() && random() % 2 == 0) {
      IoOperation& operation = *backend_->in_flight[random() % backend_->in_flight.size()];
      carry_out(operation);
      backend_->end(operation);
      reap();
      pick();
    }
  }
  for (int turn = 0; turn < 10'000 && ended_.size() < 3000; ++turn) {
    clock_.advance_ns(BackgroundWindow::kMaxPauseNs);
    pick();
    if (backend_->in_flight.empty()) continue;
    carry_out(*backend_->in_flight.back());
    backend_->end(*backend_->in_flight.back());
    reap();
  }
  EXPECT_EQ(ended_.size(), 3000U);
  EXPECT_EQ(media, model);
}

TEST_F(IoQueueTest, AMistakenWriteIsRefusedBeforeItIsOrdered) {
  make(4, plain());
  const int lost = write(std::uint64_t(0) - kBlock, 2 * kBlock);
  IoRequest nowhere = request(IoKind::kWrite, IoClass::kLog, 0);
  nowhere.file = nullptr;
  const int no_file = add(std::move(nowhere));
  tell();
  EXPECT_THAT(ended_[lost].status, has_code(ErrorCode::kInvalidArgument));
  EXPECT_EQ(ended_[lost].buffers.size(), 1U);
  EXPECT_THAT(ended_[no_file].status, has_code(ErrorCode::kInvalidArgument));
}

TEST_F(IoQueueTest, TheLogGoesFirstAndHasSlotsOfItsOwn) {
  make(8);  // One slot for the log, and one that the background leaves to reads.
  for (std::uint64_t i = 0; i < 10; ++i) {
    add(IoKind::kRead, IoClass::kCompaction, 2 * i * kBlock);
  }
  pick();
  EXPECT_EQ(backend_->in_flight.size(), 6U);
  for (std::uint64_t i = 0; i < 3; ++i) add(IoKind::kRead, IoClass::kForegroundRead, i * kBlock);
  pick();
  EXPECT_EQ(queue_->in_flight(IoClass::kForegroundRead), 1U);
  for (std::uint64_t i = 0; i < 3; ++i) write(2 * i * kBlock);
  pick();
  EXPECT_EQ(queue_->in_flight(IoClass::kLog), 1U);
  backend_->end(*backend_->in_flight[0]);
  reap();
  pick();
  EXPECT_EQ(queue_->in_flight(IoClass::kLog), 2U);
  EXPECT_EQ(queue_->in_flight(IoClass::kForegroundRead), 1U);
  while (!backend_->in_flight.empty()) {
    backend_->end_all();
    reap();
    clock_.advance_ns(BackgroundWindow::kMaxPauseNs);
    pick();
  }
}

TEST_F(IoQueueTest, TheReadWithTheEarliestDeadlineGoesFirst) {
  make(1, plain());
  const auto read = [&](std::uint64_t offset, std::uint64_t deadline_ns) {
    IoRequest made = request(IoKind::kRead, IoClass::kForegroundRead, offset);
    made.deadline_ns = deadline_ns;
    add(std::move(made));
  };
  read(0, 0);
  read(1, 0);
  read(2, 30 * kMillisecondNs);
  read(3, 20 * kMillisecondNs);
  std::vector<std::uint64_t> order;
  for (pick(); !backend_->in_flight.empty(); pick()) {
    order.push_back(in_flight(0).offset);
    backend_->end_all();
    reap();
  }
  EXPECT_EQ(order, (std::vector<std::uint64_t>{3, 2, 0, 1}));
}

TEST_F(IoQueueTest, BackgroundThatHasWaitedLongGoesBeforeReadsButUrgentOnes) {
  make(1, plain());
  add(IoKind::kRead, IoClass::kCompaction, 100);
  clock_.advance_ns(60 * kMillisecondNs);
  add(IoKind::kRead, IoClass::kForegroundRead, 1);
  IoRequest urgent = request(IoKind::kRead, IoClass::kForegroundRead, 2);
  urgent.deadline_ns = kMillisecondNs / 2;
  add(std::move(urgent));
  write(3);
  std::vector<std::uint64_t> order;
  for (pick(); !backend_->in_flight.empty(); pick()) {
    order.push_back(in_flight(0).offset);
    backend_->end_all();
    reap();
  }
  EXPECT_EQ(order, (std::vector<std::uint64_t>{3, 2, 100, 1}));
}

TEST_F(IoQueueTest, CreditsHoldBackTheirClassAlone) {
  IoQueueOptions options = plain();
  options.policy.compaction.operations_per_s = 100;  // Five at once, then one every 10 ms.
  make(32, options);
  for (std::uint64_t i = 0; i < 8; ++i) add(IoKind::kRead, IoClass::kCompaction, i * kBlock);
  add(IoKind::kRead, IoClass::kFlush, 0);
  pick();
  EXPECT_EQ(queue_->in_flight(IoClass::kCompaction), 5U);
  EXPECT_EQ(queue_->in_flight(IoClass::kFlush), 1U);
  const std::uint64_t opens_ns = queue_->next_ns();
  ASSERT_NE(opens_ns, IoBackend::kForever);
  clock_.advance_ns(opens_ns - clock_.monotonic_ns());
  pick();
  EXPECT_EQ(queue_->in_flight(IoClass::kCompaction), 6U);
  for (int i = 0; i < 2; ++i) {
    clock_.advance_ns(queue_->next_ns() - clock_.monotonic_ns());
    pick();
  }
  EXPECT_EQ(queue_->in_flight(IoClass::kCompaction), 8U);
  run_all();
}

TEST_F(IoQueueTest, LargeBackgroundTransfersGoOutInPiecesWhileSomebodyReads) {
  IoQueueOptions options = plain();
  options.policy.piece_bytes = 2 * kBlock;
  make(8, options);
  const int whole = add(IoKind::kRead, IoClass::kCompaction, 0, 5 * kBlock);
  pick();
  EXPECT_EQ(backend_->in_flight.size(), 1U);  // Nobody reads.
  run_all();
  EXPECT_EQ(ended_[whole].bytes, 5 * kBlock);
  add(IoKind::kRead, IoClass::kForegroundRead, 0);
  pick();
  const int cut = add(IoKind::kRead, IoClass::kCompaction, 0, 5 * kBlock);
  pick();
  ASSERT_EQ(backend_->in_flight.size(), 4U);
  EXPECT_EQ(in_flight(3).offset, 4 * kBlock);
  EXPECT_EQ(in_flight(3).buffer_bytes(), kBlock);
  run_all();
  EXPECT_OK(ended_[cut].status);
  EXPECT_EQ(ended_[cut].bytes, 5 * kBlock);
  ASSERT_EQ(ended_[cut].buffers.size(), 1U);
  EXPECT_EQ(ended_[cut].buffers[0].size(), 5 * kBlock);
}

TEST_F(IoQueueTest, APieceThatEndsShortOrFailsDecidesForTheWhole) {
  IoQueueOptions options = plain();
  options.policy.piece_bytes = 2 * kBlock;
  make(8, options);
  add(IoKind::kRead, IoClass::kForegroundRead, 0);
  run_all();
  const int at_end = add(IoKind::kRead, IoClass::kCompaction, 0, 6 * kBlock);
  pick();
  backend_->end_short(*backend_->in_flight[2], 0);
  backend_->end_short(*backend_->in_flight[1], kBlock);
  backend_->end_all();
  reap();
  EXPECT_OK(ended_[at_end].status);
  EXPECT_EQ(ended_[at_end].bytes, 3 * kBlock);
  const int failing = add(IoKind::kWrite, IoClass::kCompaction, 0, 6 * kBlock);
  pick();
  backend_->end(*backend_->in_flight[2], Error(ErrorCode::kNoSpace, "the later"));
  backend_->end(*backend_->in_flight[1], Error(ErrorCode::kIo, "the earlier"));
  backend_->end_all();
  reap();
  EXPECT_THAT(ended_[failing].status, has_code(ErrorCode::kIo));
}

TEST_F(IoQueueTest, CancelsWhatWaitsAtOnceAndTheRestThroughTheBackend) {
  make(2, plain());
  const int first = write(0);
  const int second = write(2 * kBlock);
  pick();
  const int waits = write(4 * kBlock);
  const int held = write(0);
  queue_->cancel(tickets_[waits], 1);
  queue_->cancel(tickets_[held], 1);
  tell();
  EXPECT_THAT(ended_[waits].status, has_code(ErrorCode::kCancelled));
  EXPECT_THAT(ended_[held].status, has_code(ErrorCode::kCancelled));
  EXPECT_EQ(ended_[held].buffers.size(), 1U);
  EXPECT_EQ(queue_->queued(IoClass::kLog), 0U);
  queue_->cancel(tickets_[first], 1);
  queue_->cancel(tickets_[first], 1);
  std::vector<IoOperation*> cancels;
  queue_->take_cancels(cancels);
  ASSERT_EQ(cancels.size(), 1U);
  backend_->cancel(*cancels[0]);
  reap();
  EXPECT_THAT(ended_[first].status, has_code(ErrorCode::kCancelled));
  run_all();
  EXPECT_OK(ended_[second].status);
  queue_->cancel(tickets_[second], 1);  // Long gone.
  EXPECT_FALSE(queue_->has_cancels());
}

TEST_F(IoQueueTest, CancelsAPartOfAMergedWriteOnlyWhileItWaits) {
  make(1, plain());
  const int blocker = add(IoKind::kRead, IoClass::kLog, 0);
  pick();
  const int first = write(0);
  const int second = write(kBlock);
  const int third = write(2 * kBlock);
  queue_->cancel(tickets_[third], 1);
  backend_->end_all();
  reap();
  pick();
  ASSERT_EQ(in_flight(0).buffer_bytes(), 2 * kBlock);
  queue_->cancel(tickets_[first], 1);
  EXPECT_FALSE(queue_->has_cancels());
  run_all();
  EXPECT_OK(ended_[blocker].status);
  EXPECT_OK(ended_[first].status);
  EXPECT_OK(ended_[second].status);
  EXPECT_THAT(ended_[third].status, has_code(ErrorCode::kCancelled));
}

TEST_F(IoQueueTest, ACancelledTransferIssuesNoMorePieces) {
  IoQueueOptions options = plain();
  options.policy.piece_bytes = kBlock;
  make(2, options);
  add(IoKind::kRead, IoClass::kForegroundRead, 0);
  run_all();
  const int cut = add(IoKind::kWrite, IoClass::kCompaction, 0, 8 * kBlock);
  pick();
  ASSERT_EQ(backend_->in_flight.size(), 2U);
  queue_->cancel(tickets_[cut], 1);
  std::vector<IoOperation*> cancels;
  queue_->take_cancels(cancels);
  EXPECT_EQ(cancels.size(), 2U);
  run_all();  // Both pieces succeed all the same.
  EXPECT_EQ(backend_->begun, 3U);
  EXPECT_THAT(ended_[cut].status, has_code(ErrorCode::kCancelled));
}

TEST_F(IoQueueTest, ARequestWhoseTimeIsUpEndsTimedOut) {
  make(1, plain());
  const auto timed = [&](std::uint64_t offset) {
    IoRequest made = request(IoKind::kRead, IoClass::kLog, offset);
    made.timeout_ns = 5 * kMillisecondNs;
    return add(std::move(made));
  };
  const int in_time = timed(0);
  run_all();
  const int in_flight = timed(0);
  pick();
  const int waits = timed(1);
  EXPECT_EQ(queue_->next_ns(), clock_.monotonic_ns() + 5 * kMillisecondNs);
  clock_.advance_ns(5 * kMillisecondNs - 1);
  queue_->expire(clock_.monotonic_ns());
  EXPECT_FALSE(queue_->has_ended());
  clock_.advance_ns(1);
  queue_->expire(clock_.monotonic_ns());
  tell();
  EXPECT_THAT(ended_[waits].status, has_code(ErrorCode::kTimedOut));
  EXPECT_FALSE(ended_.contains(in_flight));
  std::vector<IoOperation*> cancels;
  queue_->take_cancels(cancels);
  ASSERT_EQ(cancels.size(), 1U);
  backend_->cancel(*cancels[0]);
  reap();
  EXPECT_THAT(ended_[in_flight].status, has_code(ErrorCode::kTimedOut));
  EXPECT_OK(ended_[in_time].status);
  EXPECT_EQ(metrics_.of(IoClass::kLog).timeouts.value(), 2U);
  EXPECT_EQ(queue_->next_ns(), IoBackend::kForever);
}

TEST_F(IoQueueTest, ALateSuccessIsASuccess) {
  make(1, plain());
  IoRequest made = request(IoKind::kRead, IoClass::kLog, 0);
  made.timeout_ns = 1;
  const int late = add(std::move(made));
  pick();
  clock_.advance_ns(1);
  queue_->expire(clock_.monotonic_ns());
  run_all();
  EXPECT_OK(ended_[late].status);
  EXPECT_FALSE(queue_->has_cancels());
}

}  // namespace
}  // namespace nacre
