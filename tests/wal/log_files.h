#pragma once

// The segments of a log directory as a test looks at them: by file, past everything nacre keeps in
// memory.

#include <gtest/gtest.h>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <string_view>
#include <vector>

#include "mmap/segment_pool.h"
#include "mmap/superblock.h"
#include "nacre/file_system.h"
#include "tests/support/file_bytes.h"
#include "wal/inspect.h"
#include "wal/record_format.h"

namespace nacre::test {

struct SegmentFile {
  SegmentState state;
  std::size_t slot = 0;
  std::filesystem::path path;
};

/// All segment files with a valid header, by name.
inline std::vector<SegmentFile> segment_files(const std::filesystem::path& log) {
  PosixFileSystem files;
  std::vector<SegmentFile> all;
  for (const auto& entry : std::filesystem::directory_iterator(log / kSegmentDirectoryName)) {
    if (segment_id_of(entry.path().filename().string()) == SegmentId{}) continue;
    const auto header = read_segment_header(files, entry.path());
    if (header) all.push_back({header->state, header->slot, entry.path()});
  }
  std::ranges::sort(all, {}, [](const SegmentFile& file) { return file.path; });
  return all;
}

/// Those of one lane, oldest first.
inline std::vector<SegmentFile> lane_files(const std::filesystem::path& log,
                                           std::uint32_t lane = 0) {
  auto all = segment_files(log);
  std::erase_if(all, [lane](const SegmentFile& file) {
    return file.state.use == SegmentUse::kFree || file.state.lane != lane;
  });
  std::ranges::sort(all, {}, [](const SegmentFile& file) { return file.state.lane_sequence; });
  return all;
}

struct FrameOnMedia {
  wal::FrameKind kind = wal::FrameKind::kData;
  std::uint64_t lsn = 0;
  std::uint32_t records = 0;
  std::size_t offset = 0;
  std::size_t next = 0;
};

/// The frames of a segment file in order, pads and resumes included.
inline std::vector<FrameOnMedia> frames_of(const std::filesystem::path& segment) {
  PosixFileSystem files;
  std::vector<FrameOnMedia> frames;
  const auto inspected =
      wal::inspect_segment(files, segment, [&frames](const wal::FrameRead& frame) {
        frames.push_back({frame.kind, frame.first.value, frame.records, frame.offset, frame.next});
        return true;
      });
  EXPECT_TRUE(inspected.has_value());
  return frames;
}

/// Those with records.
inline std::vector<FrameOnMedia> record_frames_of(const std::filesystem::path& segment) {
  auto frames = frames_of(segment);
  std::erase_if(frames, [](const FrameOnMedia& frame) { return frame.records == 0; });
  return frames;
}

/// Writes `state` into slot `slot`, whatever stood there.
inline void write_slot(const std::filesystem::path& path, std::size_t slot,
                       const SegmentState& state) {
  const SegmentSlot bytes = encode_segment_slot(state);
  poke(path, slot * kSegmentSlotBytes, {reinterpret_cast<const char*>(&bytes), sizeof bytes});
}

}  // namespace nacre::test
