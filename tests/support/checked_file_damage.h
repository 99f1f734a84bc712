#pragma once

// What every small file of a log must survive or refuse: damage to a file that begins with a
// CheckedHeader, and how its reader is asked about it.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstddef>
#include <filesystem>
#include <functional>
#include <string>

#include "lib/base/endian.h"
#include "lib/codec/crc32c.h"
#include "nacre/result.h"
#include "nacre/types.h"
#include "tests/support/file_bytes.h"
#include "tests/support/result_matchers.h"

namespace nacre::test {

/// Reads the file as its owner does, and drops what it finds.
using ReadStatus = std::function<Status()>;

/// The reader of a file, as one that only says whether it was good.
template <class Read>
ReadStatus status_of(Read read) {
  return [read]() -> Status {
    auto found = read();
    if (!found) return found.error();
    return {};
  };
}

/// Writes `content` with a checksum that is right for it: damage that only its meaning betrays.
inline void write_checksummed(const std::filesystem::path& path, std::string content) {
  const le32 crc = ~crc32c(~0U, as_bytes(content).subspan(12));
  content.replace(8, 4, reinterpret_cast<const char*>(&crc), 4);
  write_content(path, content);
}

inline void expect_every_flipped_bit_is_found(const std::filesystem::path& path,
                                              const ReadStatus& read) {
  const std::size_t bytes = file_content(path).size();
  for (std::size_t offset = 0; offset < bytes; ++offset) {
    for (unsigned bit = 0; bit < 8; ++bit) {
      flip_bit(path, offset, bit);
      ASSERT_THAT(read(), has_code(ErrorCode::kCorruption)) << offset << "." << bit;
      flip_bit(path, offset, bit);
    }
  }
  EXPECT_OK(read());
}

inline void expect_every_cut_is_found(const std::filesystem::path& path, const ReadStatus& read) {
  const std::string whole = file_content(path);
  for (std::size_t bytes = 0; bytes < whole.size(); ++bytes) {
    write_content(path, whole.substr(0, bytes));
    const Status found = read();
    ASSERT_THAT(found, has_code(ErrorCode::kCorruption)) << bytes;
    ASSERT_EQ(found.error().path(), path.string());
  }
  write_content(path, whole);
}

inline void make_format_version(const std::filesystem::path& path, char version) {
  std::string content = file_content(path);
  content[12] = version;
  write_checksummed(path, content);
}

inline void expect_a_newer_format_is_unsupported(const std::filesystem::path& path,
                                                 const ReadStatus& read) {
  make_format_version(path, 9);
  const Status found = read();
  ASSERT_THAT(found, has_code(ErrorCode::kUnsupported));
  EXPECT_THAT(found.error().message(), testing::HasSubstr("version 9"));
}

}  // namespace nacre::test
