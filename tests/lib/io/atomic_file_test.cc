#include "lib/io/atomic_file.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "nacre/file_system.h"
#include "tests/support/file_bytes.h"
#include "tests/support/forwarding_file_system.h"
#include "tests/support/result_matchers.h"
#include "tests/support/temp_directory.h"

namespace nacre {
namespace {

using test::has_code;

/// Files that fail at a step, or note the order of what is done to them.
class StepFileSystem final : public test::ForwardingFileSystem {
 public:
  std::string fail_at;             ///< The step that fails.
  std::vector<std::string> steps;  ///< What was done.

  Status step(const std::string& name, const std::filesystem::path& path) {
    if (name == fail_at) return Error(ErrorCode::kNoSpace, "as told").with_path(path.string());
    steps.push_back(name);
    return {};
  }

  Result<std::unique_ptr<File>> open(const std::filesystem::path& path,
                                     const OpenOptions& options) override;
  Status rename(const std::filesystem::path& from, const std::filesystem::path& to) override {
    if (Status ready = step("rename", from); !ready) return ready;
    return ForwardingFileSystem::rename(from, to);
  }
  Status sync_directory(const std::filesystem::path& path) override {
    if (Status ready = step("sync_directory", path); !ready) return ready;
    return ForwardingFileSystem::sync_directory(path);
  }
};

class StepFile final : public test::ForwardingFile {
 public:
  StepFile(StepFileSystem& owner, std::unique_ptr<File> file)
      : ForwardingFile(std::move(file)), owner_(owner) {}

  Status write_at(std::uint64_t offset, Bytes bytes) override {
    if (Status ready = owner_.step("write", path()); !ready) {
      // As a full disk does it: a part arrives.
      static_cast<void>(ForwardingFile::write_at(offset, bytes.first(bytes.size() / 2)));
      return ready;
    }
    return ForwardingFile::write_at(offset, bytes);
  }
  Status sync() override {
    if (Status ready = owner_.step("sync", path()); !ready) return ready;
    return ForwardingFile::sync();
  }

 private:
  StepFileSystem& owner_;
};

Result<std::unique_ptr<File>> StepFileSystem::open(const std::filesystem::path& path,
                                                   const OpenOptions& options) {
  auto file = ForwardingFileSystem::open(path, options);
  if (!file) return file.error();
  return std::make_unique<StepFile>(*this, *std::move(file));
}

class AtomicFileTest : public testing::Test {
 protected:
  std::filesystem::path path() const { return directory_.path() / "file"; }
  Status write(std::string_view text) {
    return write_file_atomically(files_, path(), as_bytes(text));
  }

  test::TempDirectory directory_;
  StepFileSystem files_;
};

TEST_F(AtomicFileTest, ReplacesTheContentAsAWhole) {
  for (const std::string& text : {std::string("first"), std::string(100'000, 'x'),
                                  std::string("short again"), std::string()}) {
    ASSERT_OK(write(text));
    EXPECT_EQ(test::file_content(path()), text);
  }
  ASSERT_OK_AND_ASSIGN(const auto names, files_.list_directory(directory_.path()));
  EXPECT_EQ(names, std::vector<std::string>{"file"});
}

TEST_F(AtomicFileTest, TheContentIsDurableBeforeTheNameAndTheNameBeforeTheReturn) {
  ASSERT_OK(write("text"));
  EXPECT_EQ(files_.steps, (std::vector<std::string>{"write", "sync", "rename", "sync_directory"}));
}

TEST_F(AtomicFileTest, TheOldContentStandsWhenAStepFails) {
  ASSERT_OK(write("old"));
  for (const std::string step : {"write", "sync", "rename"}) {
    files_.fail_at = step;
    EXPECT_THAT(write("new content"), has_code(ErrorCode::kNoSpace)) << step;
    EXPECT_EQ(test::file_content(path()), "old") << step;
  }
  files_.fail_at.clear();
  ASSERT_OK(write("new"));
  EXPECT_EQ(test::file_content(path()), "new");
}

TEST_F(AtomicFileTest, AHalfWrittenTemporaryKeepsNoSpace) {
  files_.fail_at = "write";
  EXPECT_FALSE(write("new content").has_value());
  ASSERT_OK_AND_ASSIGN(const auto names, files_.list_directory(directory_.path()));
  EXPECT_EQ(names, std::vector<std::string>{});
}

TEST_F(AtomicFileTest, ANameThatMayNotBeDurableIsAnError) {
  files_.fail_at = "sync_directory";
  EXPECT_THAT(write("text"), has_code(ErrorCode::kNoSpace));
}

TEST_F(AtomicFileTest, WhatAnInterruptedWriteLeftIsOverwritten) {
  test::write_content(directory_.path() / "file.tmp", std::string(100, 'x'));
  ASSERT_OK(write("text"));
  EXPECT_EQ(test::file_content(path()), "text");
}

TEST(ReadWholeFile, ReadsUpToItsLimit) {
  const test::TempDirectory directory;
  PosixFileSystem files;
  const auto path = directory.path() / "file";
  EXPECT_THAT(read_whole_file(files, path, 10), has_code(ErrorCode::kNotFound));
  for (const std::size_t bytes : {0U, 1U, 10U}) {
    test::write_content(path, std::string(bytes, 'x'));
    ASSERT_OK_AND_ASSIGN(const auto content, read_whole_file(files, path, 10));
    EXPECT_EQ(as_text(content), std::string(bytes, 'x'));
  }
  test::write_content(path, std::string(11, 'x'));
  const auto too_long = read_whole_file(files, path, 10);
  ASSERT_THAT(too_long, has_code(ErrorCode::kCorruption));
  EXPECT_EQ(too_long.error().path(), path.string());
}

}  // namespace
}  // namespace nacre
