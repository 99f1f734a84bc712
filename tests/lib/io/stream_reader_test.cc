#include "lib/io/stream_reader.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <condition_variable>
#include <cstring>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "lib/io/posix_backend.h"
#include "nacre/clock.h"
#include "nacre/random.h"
#include "tests/support/aligned_bytes.h"
#include "tests/support/forwarding_file_system.h"
#include "tests/support/result_matchers.h"
#include "tests/support/seed.h"
#include "tests/support/temp_directory.h"

namespace nacre {
namespace {

using test::AlignedBytes;
using test::has_code;

constexpr std::size_t kPage = 4096;
constexpr std::uint64_t kFar = ~std::uint64_t{0};
constexpr std::size_t kMiB = std::size_t{1} << 20;

/// Counts what comes to the device, fails some of it, and can hold it up.
class DeviceFile final : public test::ForwardingFile {
 public:
  using ForwardingFile::ForwardingFile;

  Result<std::size_t> read_at(std::uint64_t offset, std::span<std::byte> buffer) override {
    {
      std::unique_lock lock(mutex_);
      ++reads_;
      passing_.wait(lock, [&] { return offset < shut_from_; });
    }
    if (offset < bad_end && offset + buffer.size() > bad_begin && failures.fetch_sub(1) > 0) {
      return Error(ErrorCode::kIo, "as told").with_path(path().string()).with_offset(offset);
    }
    return ForwardingFile::read_at(offset, buffer);
  }

  int reads() const {
    std::scoped_lock lock(mutex_);
    return reads_;
  }
  /// Reads from `offset` on are held up until it lies further.
  void shut_from(std::uint64_t offset) {
    std::scoped_lock lock(mutex_);
    shut_from_ = offset;
    passing_.notify_all();
  }

  std::uint64_t bad_begin = 0;
  std::uint64_t bad_end = 0;
  std::atomic<int> failures{0};

 private:
  mutable std::mutex mutex_;
  std::condition_variable passing_;
  int reads_ = 0;
  std::uint64_t shut_from_ = kFar;
};

struct ReaderCase {
  std::string name;
  bool own_thread;
  std::size_t threads;
  bool direct;
};

class StreamReaderTest : public testing::TestWithParam<ReaderCase> {
 protected:
  static constexpr std::size_t kFileBytes = 16 * kMiB + 1234;

  void SetUp() override {
    const auto path = directory_.path() / "a";
    ASSERT_OK(files_.open(path, {.writable = true, .create = true})
                  .value()
                  ->write_at(0, content_.span()));
    auto opened = files_.open(path, {.direct = options().direct});
    if (!opened && options().direct) GTEST_SKIP() << opened.error().to_string();
    ASSERT_OK(opened);
    device_ = std::make_unique<DeviceFile>(*std::move(opened));
    make(64 * kMiB);
  }

  /// The parameter, or for tests of one kind the most ordinary.
  static ReaderCase options() {
    return testing::UnitTest::GetInstance()->current_test_info()->value_param() == nullptr
               ? ReaderCase{"", true, 2, false}
               : GetParam();
  }

  void make(std::size_t pool_bytes, StreamReader::Options reader = {}) {
    reader_.reset();
    reader.direct = options().direct;
    pool_ = BufferPool::create(&scheduler_.backend(), {.bytes = pool_bytes}).value();
    reader_ = std::make_unique<StreamReader>(scheduler_, *pool_, io_file(), kFileBytes, reader);
  }

  IoFile& io_file() {
    if (io_file_ == nullptr) io_file_ = std::make_unique<IoFile>(scheduler_.backend(), *device_);
    return *io_file_;
  }

  /// Reads, and compares with what was written.
  void expect_read(std::uint64_t offset, std::size_t bytes) {
    std::vector<std::byte> into(bytes);
    const auto got = reader_->read(offset, into);
    ASSERT_OK(got);
    const std::size_t there = offset >= kFileBytes ? 0 : std::min(bytes, kFileBytes - offset);
    ASSERT_EQ(*got, there) << offset << " " << bytes;
    ASSERT_EQ(std::memcmp(into.data(), content_.span().data() + offset, there), 0)
        << offset << " " << bytes;
  }
  void expect_scan(std::uint64_t from, std::uint64_t to, std::size_t bytes) {
    for (std::uint64_t at = from; at < to; at += bytes) expect_read(at, bytes);
  }

  PosixFileSystem files_;
  SystemClock clock_;
  test::TempDirectory directory_;
  inline static const AlignedBytes content_{kFileBytes, 7};
  std::unique_ptr<DeviceFile> device_;
  IoScheduler scheduler_{
      std::make_unique<PosixBackend>(
          files_, PosixBackend::Options{.depth = 16, .threads = options().threads}),
      clock_, IoScheduler::Options{.own_thread = options().own_thread}};
  std::unique_ptr<IoFile> io_file_;
  std::unique_ptr<BufferPool> pool_;
  std::unique_ptr<StreamReader> reader_;
};

INSTANTIATE_TEST_SUITE_P(All, StreamReaderTest,
                         testing::Values(ReaderCase{"own_thread", true, 2, false},
                                         ReaderCase{"direct", true, 2, true},
                                         ReaderCase{"callers_alone", false, 2, false},
                                         ReaderCase{"simulated", false, 0, false}),
                         [](const auto& reader) { return reader.param.name; });

TEST_P(StreamReaderTest, ReadsWhatPlainReadsDo) {
  SeededRandom random(test::seed());
  for (int scan = 0; scan < 60; ++scan) {
    const std::uint64_t pattern = uniform_below(random, 4);
    std::uint64_t at = uniform_below(random, kFileBytes);
    const std::size_t most = std::size_t{1} << (1 + uniform_below(random, 18));
    const std::size_t regular = 1 + uniform_below(random, most);
    const std::uint64_t stride = regular + uniform_below(random, 200'000);
    for (std::uint64_t i = uniform_below(random, 100); i > 0 && at < kFileBytes + most; --i) {
      const std::size_t bytes = pattern == 3 ? regular : 1 + uniform_below(random, most);
      expect_read(at, bytes);
      if (pattern == 0) at = uniform_below(random, kFileBytes);
      if (pattern == 1) at += bytes;
      if (pattern == 2) at -= std::min<std::uint64_t>(at, bytes);
      if (pattern == 3) at += stride;
    }
  }
  const StreamReader::Counters counters = reader_->counters();
  EXPECT_GT(counters.fetches, 0U);
  EXPECT_LE(counters.held_bytes, 16 * kMiB);
}

TEST_P(StreamReaderTest, AScanTakesFewRequests) {
  expect_scan(0, kFileBytes, kPage);
  // 4097 reads. 64 KiB, then windows that double, then about a MiB each.
  EXPECT_LE(device_->reads(), 45);
  EXPECT_EQ(reader_->counters().foreground_reads, 3U);
  EXPECT_EQ(reader_->counters().held_bytes, 0U);
  EXPECT_EQ(pool_->usage().bytes_in_use, 0U);
}

TEST_P(StreamReaderTest, RandomReadsTakeOneRequestEach) {
  SeededRandom random(test::seed());
  constexpr int kReads = 1000;
  const AlignedBytes into(kPage);
  for (int i = 0; i < kReads; ++i) {
    const std::uint64_t at = uniform_below(random, kFileBytes / kPage) * kPage;
    ASSERT_OK(reader_->read(at, into.span()));
  }
  const StreamReader::Counters counters = reader_->counters();
  // Four of them in a row, by chance, may have looked like a scan.
  EXPECT_LE(counters.fetches, 8U);
  EXPECT_LE(counters.foreground_reads, static_cast<std::uint64_t>(kReads));
  EXPECT_GE(counters.foreground_reads, kReads - 8U);
}

TEST_P(StreamReaderTest, ReadsEndWithTheFile) {
  expect_read(kFileBytes - 10, 100);
  expect_read(kFileBytes, 100);
  expect_read(kFileBytes + 10'000, 100);
  expect_scan(kFileBytes - kMiB, kFileBytes + 10'000, 10'000);
}

// A file that is shorter than its reader was told ends where it ends.
TEST_P(StreamReaderTest, AFileThatWasCutShortEndsEarlier) {
  expect_scan(0, 4 * kPage, kPage);
  ASSERT_OK(files_.open(directory_.path() / "a", {.writable = true}).value()->resize(kMiB));
  std::size_t total = 4 * kPage;
  std::vector<std::byte> into(kPage);
  for (;;) {
    ASSERT_OK_AND_ASSIGN(const std::size_t got, reader_->read(total, into));
    total += got;
    if (got < into.size()) break;
  }
  EXPECT_EQ(total, kMiB);
}

TEST_P(StreamReaderTest, AnErrorAheadIsForgottenWhenTheRangeCanBeReadLater) {
  device_->bad_begin = 2 * kMiB;
  device_->bad_end = 2 * kMiB + 1;
  device_->failures = 1;
  expect_scan(0, 4 * kMiB, kPage);
  EXPECT_LE(device_->failures.load(), 0);
  EXPECT_EQ(reader_->counters().failed_fetches, 1U);
}

TEST_P(StreamReaderTest, AnErrorAheadIsReportedWhenItsRangeIsReadAndNoSooner) {
  device_->bad_begin = 2 * kMiB;
  device_->bad_end = 2 * kMiB + 1;
  device_->failures = 1'000'000;
  expect_scan(0, 2 * kMiB, kPage);
  EXPECT_EQ(reader_->counters().failed_fetches, 1U);
  const AlignedBytes into(kPage);
  const auto failed = reader_->read(2 * kMiB, into.span());
  ASSERT_THAT(failed, has_code(ErrorCode::kIo));
  EXPECT_EQ(failed.error().offset(), 2 * kMiB);
  expect_scan(2 * kMiB + kPage, 4 * kMiB, kPage);
}

TEST_P(StreamReaderTest, ReadsAfterTheSchedulersCloseAreRefused) {
  expect_scan(0, kMiB, kPage);
  scheduler_.close();
  const AlignedBytes into(kPage);
  EXPECT_THAT(reader_->read(8 * kMiB, into.span()), has_code(ErrorCode::kClosed));
}

// A pool that others have nearly emptied slows the reader down, and never stops it.
TEST_P(StreamReaderTest, WithoutBuffersItReadsWithoutFetching) {
  make(2 * kMiB);
  std::vector<IoBuffer> others;
  for (auto buffer = pool_->try_take(kPage); buffer; buffer = pool_->try_take(kPage)) {
    others.push_back(*std::move(buffer));
  }
  others.pop_back();
  expect_scan(100, kMiB, 10'000);
  EXPECT_EQ(reader_->counters().fetches, 0U);
  EXPECT_GT(reader_->counters().skipped_fetches, 0U);
}

TEST_P(StreamReaderTest, WhatIsHeldStaysWithinItsBound) {
  make(64 * kMiB, {.held_bytes = kMiB});
  for (std::uint64_t i = 0; i < 512; ++i) {
    for (std::uint64_t scan = 0; scan < 6; ++scan) {
      expect_read(scan * 2 * kMiB + i * kPage, kPage);
      ASSERT_LE(reader_->counters().held_bytes, kMiB);
    }
  }
  EXPECT_GT(reader_->counters().fetches, 0U);
}

// A quarter of the pool stays for reads that somebody waits for.
TEST_P(StreamReaderTest, WhatIsHeldLeavesRoomInThePool) {
  make(2 * kMiB);
  for (std::uint64_t i = 0; i < 500; ++i) {
    for (std::uint64_t scan = 0; scan < 8; ++scan) {
      expect_read(scan * 2 * kMiB + i * kPage, kPage);
      ASSERT_LE(pool_->usage().bytes_in_use, 2 * kMiB / 4 * 3);
    }
  }
  EXPECT_GT(reader_->counters().skipped_fetches, 0U);
}

TEST_P(StreamReaderTest, ScansThatEndGiveTheirBuffersBack) {
  SeededRandom random(test::seed());
  expect_scan(0, 4 * kMiB, kPage);
  EXPECT_GT(reader_->counters().held_bytes, 0U);
  for (int i = 0; i < 1100; ++i) {
    expect_read((2048 + uniform_below(random, 2048)) * kPage, kPage);
  }
  EXPECT_LE(reader_->counters().held_bytes, 64U * 1024);
}

class StreamReaderThreads : public StreamReaderTest {};

TEST_F(StreamReaderThreads, SeveralMayScanThroughOneReader) {
  std::vector<std::thread> threads;
  for (std::uint64_t number = 0; number < 4; ++number) {
    threads.emplace_back([&, number] {
      // Two of them the same stretch, so that they meet in its buffers.
      const std::uint64_t from = number / 2 * 6 * kMiB;
      expect_scan(from, from + 4 * kMiB, kPage + number * 100);
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_GT(reader_->counters().fetches, 0U);
}

TEST_F(StreamReaderThreads, DestroyingItWaitsForWhatIsBeingFetched) {
  device_->shut_from(3 * kPage);
  // The third read shows the scan; what is fetched behind it is held up.
  expect_scan(0, 3 * kPage, kPage);
  EXPECT_EQ(reader_->counters().fetches, 1U);
  std::atomic<bool> begun{false};
  std::size_t left_behind = 1;
  std::thread destroying([&] {
    begun.store(true);
    reader_.reset();
    left_behind = pool_->usage().bytes_in_use;
  });
  while (!begun.load()) std::this_thread::yield();
  for (int i = 0; i < 1000; ++i) std::this_thread::yield();
  device_->shut_from(kFar);
  destroying.join();
  EXPECT_EQ(left_behind, 0U);
}

// Two scans of one stretch: the second reader of a range waits for the fetch of the first.
TEST_F(StreamReaderThreads, AReadWaitsForTheFetchThatIsUnderWay) {
  device_->shut_from(3 * kPage);
  expect_scan(0, 3 * kPage, kPage);
  std::thread waiting([&] { expect_read(3 * kPage, kPage); });
  for (int i = 0; i < 1000; ++i) std::this_thread::yield();
  device_->shut_from(kFar);
  waiting.join();
  EXPECT_EQ(reader_->counters().foreground_reads, 3U);
}

}  // namespace
}  // namespace nacre
