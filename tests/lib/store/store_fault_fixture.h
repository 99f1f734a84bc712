#pragma once

// What tests of a store share whose files fail it: a store over a file system that fails as
// planned, and all that was acknowledged.

#include <gtest/gtest.h>

#include <cstdint>
#include <filesystem>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <utility>

#include "mmap/segment_format.h"
#include "nacre/emulation/fault_file_system.h"
#include "nacre/store.h"
#include "tests/support/result_matchers.h"
#include "tests/wal/wal_domain.h"

namespace nacre::test {

class StoreFaultFixture : public testing::TestWithParam<LogPlace> {
 protected:
  using Content = std::map<std::string, std::string>;

  std::filesystem::path path() const { return directory_->path() / "store"; }
  FaultPlan& plan() { return files_.plan(); }

  StoreOptions options() {
    return {
        .memtable_bytes = std::uint64_t{1} << 20,
        .write_lanes = 1,
        .segment_bytes = kMinSegmentBytes,
        .spare_segments = 0,
        .domain = GetParam() == LogPlace::kBlock ? DomainRequest::kBlock : DomainRequest::kEmulated,
        .environment = {.file_system = &files_, .executor = &executor_}};
  }
  void open() {
    ASSERT_OK_AND_ASSIGN(Store opened, Store::open(path(), options()));
    store_.emplace(std::move(opened));
  }
  void reopen() {
    ASSERT_OK(store_->close());
    store_.reset();
    open();
  }

  /// Notes what was acknowledged.
  Status put(const std::string& key, std::size_t bytes = 3000) {
    const std::string value = key + std::string(bytes, 'v');
    const Status done = store_->put(as_bytes(key), as_bytes(value));
    if (done) acknowledged_[key] = value;
    return done;
  }
  /// Keys with other numbers than before; stops at the first that is refused.
  Status put_some(int count) {
    for (int i = 0; i < count; ++i) {
      if (Status done = put("key " + std::to_string(100000 + puts_++)); !done) return done;
    }
    return {};
  }
  Content content(const ReadOptions& read = {}) const {
    Content all;
    StoreIterator at = store_->iterate(read);
    for (at.seek_first(); at.valid(); at.next()) {
      all.emplace(as_text(at.key()), as_text(at.value()));
    }
    EXPECT_OK(at.status());
    return all;
  }
  /// Walked over and looked up.
  void expect_all_there() const {
    // Values are too long to print.
    EXPECT_TRUE(content() == acknowledged_) << "other keys or values than were acknowledged";
    for (const auto& [key, value] : acknowledged_) {
      ASSERT_OK_AND_ASSIGN(const auto found, store_->get(as_bytes(key)));
      ASSERT_TRUE(found.has_value()) << key;
      EXPECT_TRUE(found->text() == value) << key;
    }
  }
  std::size_t table_files() const {
    std::size_t count = 0;
    for (const auto& entry : std::filesystem::directory_iterator(path() / "tables")) {
      count += static_cast<std::size_t>(entry.is_regular_file());
    }
    return count;
  }

  std::unique_ptr<TempDirectory> directory_ = directory_for(GetParam());
  PosixFileSystem posix_;
  FaultFileSystem files_{posix_};
  DeterministicExecutor executor_{3};
  Content acknowledged_;
  int puts_ = 0;
  std::optional<Store> store_;
};

}  // namespace nacre::test
