#include "tests/lib/io/file_system_contract.h"

#include <algorithm>
#include <array>
#include <thread>
#include <utility>

#include "nacre/random.h"
#include "tests/support/result_matchers.h"
#include "tests/support/seed.h"

namespace nacre::test {

std::string content_of(File& file) {
  const Result<std::uint64_t> bytes = file.size();
  EXPECT_OK(bytes);
  std::string text(bytes.value_or(0) + 1, '?');
  const Result<std::size_t> got = file.read_at(0, std::as_writable_bytes(std::span(text)));
  EXPECT_OK(got);
  text.resize(got.value_or(0));
  return text;
}

std::unique_ptr<File> FileSystemContract::create(std::string_view name, std::string_view text) {
  auto file = fs().open(in_directory(name), kCreateNew);
  EXPECT_OK(file);
  EXPECT_OK((*file)->write_at(0, as_bytes(text)));
  return *std::move(file);
}

namespace {

using testing::ElementsAre;
using testing::IsEmpty;

constexpr std::size_t kBlock = 4096;

struct alignas(kBlock) Block {
  std::array<std::byte, kBlock> bytes;
};

TEST_P(FileSystemContract, OpeningNothingIsNotFound) {
  const auto opened = fs().open(in_directory("missing"), kWritable);
  ASSERT_THAT(opened, has_code(ErrorCode::kNotFound));
  EXPECT_EQ(opened.error().path(), in_directory("missing").string());
  EXPECT_NE(opened.error().sys_errno(), 0);
}

TEST_P(FileSystemContract, CreateMakesAnEmptyFileAndKeepsOneThatIsThere) {
  ASSERT_OK_AND_ASSIGN(auto created, fs().open(in_directory("a"), kCreate));
  EXPECT_EQ(content_of(*created), "");
  ASSERT_OK(created->write_at(0, as_bytes("kept")));
  ASSERT_OK_AND_ASSIGN(auto again, fs().open(in_directory("a"), kCreate));
  EXPECT_EQ(content_of(*again), "kept");
  EXPECT_EQ(again->path(), in_directory("a"));
}

TEST_P(FileSystemContract, ExclusiveCreateOfWhatIsThereIsBusy) {
  create("a", "kept");
  EXPECT_THAT(fs().open(in_directory("a"), kCreateNew), has_code(ErrorCode::kBusy));
  ASSERT_OK_AND_ASSIGN(auto file, fs().open(in_directory("a"), kReadOnly));
  EXPECT_EQ(content_of(*file), "kept");
}

TEST_P(FileSystemContract, OptionsThatContradictEachOtherAreRefused) {
  EXPECT_THAT(fs().open(in_directory("a"), OpenOptions{.create = true}),
              has_code(ErrorCode::kInvalidArgument));
  EXPECT_THAT(fs().open(in_directory("a"), OpenOptions{.writable = true, .exclusive = true}),
              has_code(ErrorCode::kInvalidArgument));
  EXPECT_THAT(fs().stat(in_directory("a")), has_code(ErrorCode::kNotFound));
}

TEST_P(FileSystemContract, ADirectoryIsNotAFile) {
  ASSERT_OK(fs().create_directory(in_directory("d")));
  EXPECT_THAT(fs().open(in_directory("d"), kReadOnly), has_code(ErrorCode::kInvalidArgument));
  EXPECT_THAT(fs().open(in_directory("d"), kWritable), has_code(ErrorCode::kInvalidArgument));
}

TEST_P(FileSystemContract, ReadsEndWhereTheFileEnds) {
  const auto file = create("a", "0123456789");
  std::array<char, 8> buffer{};
  const auto bytes = std::as_writable_bytes(std::span(buffer));
  EXPECT_EQ(file->read_at(6, bytes).value(), 4U);
  EXPECT_EQ(std::string_view(buffer.data(), 4), "6789");
  EXPECT_EQ(file->read_at(10, bytes).value(), 0U);
  EXPECT_EQ(file->read_at(1000, bytes).value(), 0U);
  EXPECT_EQ(file->read_at(0, {}).value(), 0U);
}

// More pieces than the kernel takes in one call (IOV_MAX is 1024).
TEST_P(FileSystemContract, ReadsAndWritesManyPiecesAsOneRange) {
  const auto file = create("a");
  std::string text;
  for (int i = 0; text.size() < 10'000; ++i) text += std::to_string(i);
  std::vector<Bytes> pieces;
  for (std::size_t at = 0; at < text.size();) {
    const std::size_t bytes = std::min(at % 7, text.size() - at);  // Some of them are empty.
    pieces.push_back(as_bytes(text).subspan(at, bytes));
    at += std::max<std::size_t>(bytes, 1);
    if (bytes == 0) pieces.push_back(as_bytes(text).subspan(at - 1, 1));
  }
  ASSERT_GT(pieces.size(), 2048U);
  ASSERT_OK(file->write_vectored_at(5, pieces));
  EXPECT_EQ(content_of(*file), std::string(5, '\0') + text);

  std::string back(text.size() + 100, '.');
  std::vector<std::span<std::byte>> into;
  for (std::size_t at = 0; at < back.size(); at += 4) {
    const std::size_t bytes = std::min<std::size_t>(4, back.size() - at);
    into.push_back(std::as_writable_bytes(std::span(back).subspan(at, bytes)));
  }
  EXPECT_EQ(file->read_vectored_at(5, into).value(), text.size());
  EXPECT_EQ(back, text + std::string(100, '.'));
}

TEST_P(FileSystemContract, WritingBeyondTheEndLeavesZerosBetween) {
  const auto file = create("a", "ab");
  ASSERT_OK(file->write_at(4, as_bytes("ef")));
  EXPECT_EQ(content_of(*file), std::string_view("ab\0\0ef", 6));
  ASSERT_OK(file->write_at(1, as_bytes("XY")));
  EXPECT_EQ(content_of(*file), std::string_view("aXY\0ef", 6));
}

TEST_P(FileSystemContract, WritingAReadOnlyFileIsAnErrorThatNamesThePlace) {
  create("a", "kept");
  ASSERT_OK_AND_ASSIGN(auto file, fs().open(in_directory("a"), kReadOnly));
  const Status written = file->write_at(2, as_bytes("x"));
  ASSERT_THAT(written, has_code(ErrorCode::kInvalidArgument));
  EXPECT_EQ(written.error().path(), in_directory("a").string());
  EXPECT_EQ(written.error().offset(), 2U);
  EXPECT_NE(written.error().sys_errno(), 0);
  EXPECT_EQ(content_of(*file), "kept");
}

TEST_P(FileSystemContract, ARangeNoFileCanHaveIsRefused) {
  const auto file = create("a", "kept");
  constexpr std::uint64_t kHuge = std::uint64_t{1} << 63;
  std::array<std::byte, 1> byte{};
  EXPECT_THAT(file->read_at(kHuge, byte), has_code(ErrorCode::kInvalidArgument));
  EXPECT_THAT(file->write_at(kHuge, byte), has_code(ErrorCode::kInvalidArgument));
  EXPECT_THAT(file->write_at(kHuge - 1, byte), has_code(ErrorCode::kInvalidArgument));
  EXPECT_THAT(file->preallocate(1, kHuge - 1), has_code(ErrorCode::kInvalidArgument));
  EXPECT_THAT(file->resize(kHuge), has_code(ErrorCode::kInvalidArgument));
  EXPECT_EQ(content_of(*file), "kept");
}

TEST_P(FileSystemContract, PreallocationExtendsWithZerosAndKeepsWhatIsThere) {
  const auto file = create("a", "head");
  const Status reserved = file->preallocate(0, 100000);
  if (!reserved && reserved.error().code() == ErrorCode::kUnsupported) GTEST_SKIP();
  ASSERT_OK(reserved);
  EXPECT_EQ(content_of(*file), "head" + std::string(100000 - 4, '\0'));
  ASSERT_OK(file->preallocate(50000, 10));
  ASSERT_OK(file->preallocate(0, 0));
  EXPECT_EQ(file->size().value(), 100000U);
}

TEST_P(FileSystemContract, ResizeCutsAndGrowsWithZeros) {
  const auto file = create("a", "0123456789");
  ASSERT_OK(file->resize(4));
  EXPECT_EQ(content_of(*file), "0123");
  ASSERT_OK(file->resize(6));
  EXPECT_EQ(content_of(*file), std::string_view("0123\0\0", 6));
  ASSERT_OK(file->resize(0));
  EXPECT_EQ(file->size().value(), 0U);
}

TEST_P(FileSystemContract, AFileCanBeMadeDurable) {
  const auto file = create("a", "text");
  EXPECT_OK(file->sync_data());
  EXPECT_OK(file->sync());
  EXPECT_OK(fs().sync_directory(in_directory("")));
  ASSERT_OK_AND_ASSIGN(auto synced,
                       fs().open(in_directory("b"),
                                 OpenOptions{.writable = true, .create = true, .data_sync = true}));
  ASSERT_OK(synced->write_at(0, as_bytes("durable")));
  EXPECT_EQ(content_of(*synced), "durable");
}

TEST_P(FileSystemContract, TwoHandlesSeeOneFile) {
  const auto writer = create("a", "old");
  ASSERT_OK_AND_ASSIGN(auto reader, fs().open(in_directory("a"), kReadOnly));
  ASSERT_OK(writer->write_at(0, as_bytes("newer")));
  EXPECT_EQ(content_of(*reader), "newer");
}

TEST_P(FileSystemContract, AnOpenFileOutlivesItsName) {
  const auto file = create("a", "text");
  ASSERT_OK(fs().remove(in_directory("a")));
  EXPECT_EQ(content_of(*file), "text");
  EXPECT_THAT(fs().open(in_directory("a"), kReadOnly), has_code(ErrorCode::kNotFound));
}

// Two opens of one process conflict as two processes would, or a program could open a log twice.
TEST_P(FileSystemContract, TheLockIsForOneOpenFileOnly) {
  auto holder = create("lock");
  ASSERT_OK(holder->lock_exclusive());
  EXPECT_OK(holder->lock_exclusive());
  ASSERT_OK_AND_ASSIGN(auto second, fs().open(in_directory("lock"), kWritable));
  const Status refused = second->lock_exclusive();
  ASSERT_THAT(refused, has_code(ErrorCode::kBusy));
  EXPECT_EQ(refused.error().path(), in_directory("lock").string());
  const auto other = create("other");
  EXPECT_OK(other->lock_exclusive());
  holder.reset();
  EXPECT_OK(second->lock_exclusive());
}

// A file that is opened and closed in passing must not release the lock of the first.
TEST_P(FileSystemContract, ClosingAnotherHandleKeepsTheLock) {
  const auto holder = create("lock");
  ASSERT_OK(holder->lock_exclusive());
  ASSERT_OK_AND_ASSIGN(auto passing, fs().open(in_directory("lock"), kReadOnly));
  passing.reset();
  ASSERT_OK_AND_ASSIGN(auto second, fs().open(in_directory("lock"), kWritable));
  EXPECT_THAT(second->lock_exclusive(), has_code(ErrorCode::kBusy));
}

TEST_P(FileSystemContract, RenameReplaces) {
  create("a", "new");
  create("b", "old");
  ASSERT_OK(fs().rename(in_directory("a"), in_directory("b")));
  ASSERT_OK_AND_ASSIGN(auto file, fs().open(in_directory("b"), kReadOnly));
  EXPECT_EQ(content_of(*file), "new");
  EXPECT_THAT(fs().stat(in_directory("a")), has_code(ErrorCode::kNotFound));
  const Status again = fs().rename(in_directory("a"), in_directory("b"));
  ASSERT_THAT(again, has_code(ErrorCode::kNotFound));
  EXPECT_EQ(again.error().path(), in_directory("a").string());
}

TEST_P(FileSystemContract, RemoveTakesFilesAndEmptyDirectories) {
  create("a");
  ASSERT_OK(fs().create_directory(in_directory("d")));
  create("d/inside");
  EXPECT_THAT(fs().remove(in_directory("d")), has_code(ErrorCode::kBusy));
  EXPECT_OK(fs().remove(in_directory("d/inside")));
  EXPECT_OK(fs().remove(in_directory("d")));
  EXPECT_OK(fs().remove(in_directory("a")));
  EXPECT_THAT(fs().remove(in_directory("a")), has_code(ErrorCode::kNotFound));
}

TEST_P(FileSystemContract, CreatingADirectoryTwiceIsFine) {
  EXPECT_OK(fs().create_directory(in_directory("d")));
  create("d/file", "kept");
  EXPECT_OK(fs().create_directory(in_directory("d")));
  EXPECT_EQ(fs().stat(in_directory("d/file"))->bytes, 4U);
}

TEST_P(FileSystemContract, ADirectoryNeedsItsParentAndItsName) {
  EXPECT_THAT(fs().create_directory(in_directory("x/y")), has_code(ErrorCode::kNotFound));
  create("a");
  EXPECT_THAT(fs().create_directory(in_directory("a")), has_code(ErrorCode::kBusy));
  EXPECT_THAT(fs().create_directory(in_directory("a/b")), has_code(ErrorCode::kNotFound));
}

TEST_P(FileSystemContract, ListsNamesInOrder) {
  EXPECT_THAT(fs().list_directory(in_directory("")).value(), IsEmpty());
  create("b");
  create("c");
  create("a");
  ASSERT_OK(fs().create_directory(in_directory("d")));
  EXPECT_THAT(fs().list_directory(in_directory("")).value(), ElementsAre("a", "b", "c", "d"));
  EXPECT_THAT(fs().list_directory(in_directory("d")).value(), IsEmpty());
  EXPECT_THAT(fs().list_directory(in_directory("e")), has_code(ErrorCode::kNotFound));
  EXPECT_THAT(fs().list_directory(in_directory("a")), has_code(ErrorCode::kNotFound));
}

TEST_P(FileSystemContract, StatTellsFilesFromDirectories) {
  create("a", "12345");
  ASSERT_OK_AND_ASSIGN(const FileStat file, fs().stat(in_directory("a")));
  EXPECT_EQ(file.bytes, 5U);
  EXPECT_FALSE(file.is_directory);
  EXPECT_TRUE(fs().stat(in_directory(""))->is_directory);
  EXPECT_THAT(fs().stat(in_directory("b")), has_code(ErrorCode::kNotFound));
}

TEST_P(FileSystemContract, SyncingADirectoryThatIsNotThereIsNotFound) {
  EXPECT_THAT(fs().sync_directory(in_directory("d")), has_code(ErrorCode::kNotFound));
}

TEST_P(FileSystemContract, DisjointRangesMayBeWrittenAtOnce) {
  const auto file = create("a");
  constexpr std::size_t kThreads = 4;
  constexpr std::size_t kBytesEach = 3000;
  std::vector<std::thread> writers;
  for (std::size_t i = 0; i < kThreads; ++i) {
    writers.emplace_back([&file, i] {
      const std::string text(100, static_cast<char>('a' + i));
      for (std::size_t at = 0; at < kBytesEach; at += text.size()) {
        EXPECT_OK(file->write_at(i * kBytesEach + at, as_bytes(text)));
      }
    });
  }
  for (std::thread& writer : writers) writer.join();
  std::string expected;
  for (std::size_t i = 0; i < kThreads; ++i) {
    expected.append(kBytesEach, static_cast<char>('a' + i));
  }
  EXPECT_EQ(content_of(*file), expected);
}

TEST_P(FileSystemContract, DirectFilesTakeWholeBlocks) {
  create("a", std::string(kBlock + 100, 'x'));
  const auto opened = fs().open(in_directory("a"), OpenOptions{.writable = true, .direct = true});
  if (!opened) {
    // Refusing is fine; taking it and then doing something else is not.
    ASSERT_THAT(opened, has_code(ErrorCode::kUnsupported));
    GTEST_SKIP() << opened.error().to_string();
  }
  File& file = **opened;
  const auto blocks = std::make_unique<std::array<Block, 3>>();
  const auto bytes = std::as_writable_bytes(std::span(*blocks));
  EXPECT_EQ(file.read_at(0, bytes).value(), kBlock + 100);
  std::ranges::fill(bytes, std::byte{'y'});
  ASSERT_OK(file.write_at(kBlock, bytes.first(2 * kBlock)));
  EXPECT_EQ(file.read_at(0, bytes).value(), 3 * kBlock);
  EXPECT_EQ(bytes[kBlock - 1], std::byte{'x'});
  EXPECT_EQ(bytes[kBlock], std::byte{'y'});
  EXPECT_EQ(bytes[3 * kBlock - 1], std::byte{'y'});

  EXPECT_THAT(file.write_at(1, bytes.first(kBlock)), has_code(ErrorCode::kInvalidArgument));
  EXPECT_THAT(file.write_at(0, bytes.first(100)), has_code(ErrorCode::kInvalidArgument));
  EXPECT_THAT(file.write_at(0, bytes.subspan(1, kBlock)), has_code(ErrorCode::kInvalidArgument));
  EXPECT_THAT(file.read_at(0, bytes.first(100)), has_code(ErrorCode::kInvalidArgument));
}

// Any sequence of reads, writes and resizes gives what the same sequence gives on a string.
TEST_P(FileSystemContract, BehavesLikeAString) {
  SeededRandom random(seed());
  const auto file = create("a");
  std::string model;
  for (int step = 0; step < 500; ++step) {
    const std::uint64_t offset = uniform_below(random, 20000);
    const std::uint64_t bytes = uniform_below(random, 5000);
    switch (uniform_below(random, 4)) {
      case 0:
        ASSERT_OK(file->resize(offset));
        model.resize(offset, '\0');
        break;
      case 1:
      case 2: {
        const std::string text(bytes, static_cast<char>('a' + step % 26));
        ASSERT_OK(file->write_at(offset, as_bytes(text)));
        if (!text.empty() && model.size() < offset + bytes) model.resize(offset + bytes, '\0');
        if (!text.empty()) model.replace(offset, bytes, text);
        break;
      }
      default: {
        std::string got(bytes, '?');
        const auto count = file->read_at(offset, std::as_writable_bytes(std::span(got)));
        ASSERT_OK(count);
        got.resize(*count);
        ASSERT_EQ(got, offset < model.size() ? model.substr(offset, bytes) : "");
      }
    }
    ASSERT_EQ(file->size().value(), model.size());
  }
  EXPECT_EQ(content_of(*file), model);
}

}  // namespace
}  // namespace nacre::test
