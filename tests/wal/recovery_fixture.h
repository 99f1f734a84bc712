#pragma once

// Logs that are left as a crash leaves them, damaged by hand, and opened again.

#include <gtest/gtest.h>

#include <filesystem>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "nacre/executor.h"
#include "nacre/wal.h"
#include "tests/support/result_matchers.h"
#include "tests/wal/log_files.h"
#include "tests/wal/wal_domain.h"

namespace nacre::test {

/// A payload that says which one it is.
inline std::string text_of(std::uint64_t number, std::size_t bytes = 100) {
  std::string text = "record " + std::to_string(number) + " ";
  while (text.size() < bytes) text += static_cast<char>('a' + (number + text.size()) % 26);
  text.resize(bytes);
  return text;
}

inline std::vector<std::string> texts(std::uint64_t first, std::uint64_t last,
                                      std::size_t bytes = 100) {
  std::vector<std::string> all;
  for (std::uint64_t i = first; i <= last; ++i) all.push_back(text_of(i, bytes));
  return all;
}

class RecoveryFixture : public testing::TestWithParam<LogPlace> {
 protected:
  bool block() const { return GetParam() == LogPlace::kBlock; }
  const std::filesystem::path& log() const { return log_; }

  Result<Wal> try_open(std::uint32_t lanes = 1) {
    return Wal::open(log_, {.lanes = lanes,
                            .segment_bytes = kMinSegmentBytes,
                            .spare_segments = 0,
                            .domain = block() ? DomainRequest::kBlock : DomainRequest::kEmulated,
                            .environment = {.executor = &executor_}});
  }

  /// The log as a process killed at this moment leaves it; from now on `log()` is that.
  void crash(Wal wal) {
    const std::filesystem::path next = directory_->path() / ("log" + std::to_string(++crashes_));
    copy_log(log_, next);
    EXPECT_OK(wal.close());
    std::filesystem::remove_all(log_);
    log_ = next;
  }

  static std::vector<std::string> contents(const Wal& wal) {
    std::vector<std::string> all;
    EXPECT_OK(wal.replay([&](std::uint32_t, const RecordView& record) {
      all.emplace_back(as_text(record.payload));
      return Status();
    }));
    return all;
  }

  /// What a log holds that must open.
  std::vector<std::string> contents_after_opening() {
    auto wal = try_open();
    EXPECT_OK(wal);
    return wal ? contents(*wal) : std::vector<std::string>();
  }

  /// Appends records `first` to `last`, each on its own.
  static void append(Wal& wal, std::uint64_t first, std::uint64_t last, std::size_t bytes = 100) {
    for (std::uint64_t i = first; i <= last; ++i) {
      ASSERT_OK(wal.lane(0).append(as_bytes(text_of(i, bytes))));
    }
  }
  /// Appends them as what one device write carries.
  static void append_together(Wal& wal, std::uint64_t first, std::uint64_t last,
                              std::size_t bytes = 100) {
    Lsn newest;
    for (std::uint64_t i = first; i <= last; ++i) {
      ASSERT_OK_AND_ASSIGN(newest, wal.lane(0).submit(as_bytes(text_of(i, bytes))));
    }
    ASSERT_OK(wal.lane(0).wait(newest));
  }

  SegmentFile newest() const { return lane_files(log_).back(); }
  /// The frame that holds the record with `lsn`, in the newest segment.
  FrameOnMedia frame_of(std::uint64_t lsn) const {
    for (const FrameOnMedia& frame : record_frames_of(newest().path)) {
      if (frame.lsn == lsn) return frame;
    }
    ADD_FAILURE() << "no record " << lsn;
    return {};
  }
  /// Spoils the payload of a record in the newest segment.
  void damage(std::uint64_t lsn) {
    flip_bit(newest().path, frame_of(lsn).offset + sizeof(wal::FrameHeader), 3);
  }

  /// Opening fails with `code`, says where, and changes nothing.
  Error refused(ErrorCode code) {
    const DirectoryContent before = directory_content(log_);
    auto wal = try_open();
    EXPECT_THAT(wal, has_code(code));
    if (wal) return Error(ErrorCode::kIo, "it opened");
    EXPECT_THAT(changed_files(before, directory_content(log_)), testing::IsEmpty());
    EXPECT_FALSE(wal.error().path().empty()) << wal.error().to_string();
    return wal.error();
  }

  std::unique_ptr<TempDirectory> directory_ = directory_for(GetParam());
  std::filesystem::path log_ = directory_->path() / "log";
  int crashes_ = 0;
  DeterministicExecutor executor_{7};
};

}  // namespace nacre::test
