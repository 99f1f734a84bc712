#pragma once

// A message log with two topics, "t" of two partitions and "other" of one, in each kind of domain.

#include <gtest/gtest.h>

#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include "nacre/log.h"
#include "tests/support/result_matchers.h"
#include "tests/wal/wal_domain.h"

namespace nacre::test {

class PartitionFixture : public testing::TestWithParam<LogPlace> {
 protected:
  void SetUp() override {
    log_ = std::make_unique<Log>(
        Log::open(path(), {.segment_bytes = kSegmentBytes, .domain = domain_of(GetParam())})
            .value());
    ASSERT_OK(log_->create_topic("t", 2));
    ASSERT_OK(log_->create_topic("other"));
  }

  std::filesystem::path path() const { return directory_->path() / "log"; }
  Partition partition(std::uint32_t index = 0) { return log_->topic("t").value().partition(index); }
  Partition other_topic() { return log_->topic("other").value().partition(0); }

  /// Appends `count` messages of 2000 bytes, of which a segment takes about 30.
  static void append_large(Partition to, std::uint64_t count) {
    const std::string text(2000, '.');
    for (std::uint64_t i = 0; i < count; ++i) ASSERT_OK(to.append({.value = as_bytes(text)}));
  }
  static std::vector<std::string> values(Partition from) {
    std::vector<std::string> all;
    auto reader = from.reader();
    EXPECT_OK(reader);
    for (;;) {
      const auto more = reader->next();
      EXPECT_OK(more);
      if (!more || !*more) return all;
      all.emplace_back(as_text(reader->message().value));
    }
  }

  static constexpr std::uint64_t kSegmentBytes = std::uint64_t{64} << 10;
  std::unique_ptr<TempDirectory> directory_ = directory_for(GetParam());
  std::unique_ptr<Log> log_;
};

}  // namespace nacre::test
