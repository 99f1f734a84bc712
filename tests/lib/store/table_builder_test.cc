#include "lib/store/table_builder.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cerrno>

#include "nacre/emulation/fault_file_system.h"
#include "tests/lib/store/table_files.h"
#include "tests/support/file_bytes.h"
#include "tests/support/seed.h"

namespace nacre::store::test {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

std::vector<std::string> names_in(TableFiles& files) {
  auto names = files.file_system().list_directory(files.directory());
  EXPECT_OK(names);
  return *names;
}

TEST(TableBuilder, RefusesWhatIsOutOfOrderAndGoesOn) {
  for (const Comparator& comparator : all_comparators()) {
    TableFiles files(comparator);
    std::vector<Row> rows = {{"aa", 5}, {"ab", 9}, {"ab", 5}, {"bb", 1}};
    sort_rows(rows, comparator);
    const auto builder = files.builder();
    for (std::size_t i = 0; i < rows.size(); ++i) {
      ASSERT_OK(builder->add(entry_of(rows[i])));
      for (std::size_t before = 0; before <= i; ++before) {
        EXPECT_THAT(builder->add(entry_of(rows[before])), has_code(ErrorCode::kInvalidArgument))
            << comparator.name() << " " << before << " behind " << i;
      }
    }
    ASSERT_OK_AND_ASSIGN(const TableInfo info, builder->finish());
    EXPECT_EQ(info.entries, rows.size());
    ASSERT_OK_AND_ASSIGN(const auto table, files.open());
    for (const Row& row : rows) {
      EXPECT_EQ(found_row(table->find(as_bytes(row.key), Sequence{row.sequence})), row);
    }
  }
}

TEST(TableBuilder, RefusesWhatIsTooLongOrOfNoKind) {
  TableFiles files;
  const auto builder = files.builder();
  const std::string key(kMaxKeyBytes + 1, 'k');
  const std::string value(kMaxValueBytes + 1, 'v');
  EXPECT_THAT(builder->add(entry_of({key, 1})), has_code(ErrorCode::kInvalidArgument));
  EXPECT_THAT(builder->add(entry_of({"k", 1, EntryKind::kPut, value})),
              has_code(ErrorCode::kInvalidArgument));
  for (const int kind : {0, 5, 255}) {
    EXPECT_THAT(builder->add(entry_of({"k", 1, static_cast<EntryKind>(kind)})),
                has_code(ErrorCode::kInvalidArgument));
  }
  EXPECT_THAT(builder->add_range_removal(as_bytes("a"), as_bytes(key), Sequence{1}),
              has_code(ErrorCode::kInvalidArgument));
  EXPECT_EQ(builder->bytes(), 0u);
  ASSERT_OK(builder->add(entry_of({"k", 1})));
  ASSERT_OK_AND_ASSIGN(const TableInfo info, builder->finish());
  EXPECT_EQ(info.entries, 1u);
}

TEST(TableBuilder, RefusesARangeThatEndsWhereItBegins) {
  TableFiles files;
  const auto builder = files.builder();
  EXPECT_THAT(builder->add_range_removal(as_bytes("b"), as_bytes("b"), Sequence{1}),
              has_code(ErrorCode::kInvalidArgument));
  EXPECT_THAT(builder->add_range_removal(as_bytes("b"), as_bytes("a"), Sequence{1}),
              has_code(ErrorCode::kInvalidArgument));
}

TEST(TableBuilder, RefusesATableOfNothingAndLeavesNoFile) {
  TableFiles files;
  EXPECT_THAT(files.builder()->finish(), has_code(ErrorCode::kInvalidArgument));
  EXPECT_THAT(names_in(files), IsEmpty());
}

TEST(TableBuilder, HasATemporaryNameUntilItIsFinished) {
  TableFiles files;
  {
    const auto builder = files.builder();
    ASSERT_OK(builder->add(entry_of({"k", 1})));
    EXPECT_THAT(names_in(files), ElementsAre(unfinished_table_file_name(TableFiles::kId)));
    EXPECT_EQ(unfinished_table_id_of(names_in(files).front()), TableFiles::kId);
  }
  EXPECT_THAT(names_in(files), IsEmpty());
  files.build({{"k", 1}});
  EXPECT_THAT(names_in(files), ElementsAre(table_file_name(TableFiles::kId)));
}

TEST(TableBuilder, WritesOverWhatACrashLeft) {
  TableFiles files;
  nacre::test::write_content(files.directory() / unfinished_table_file_name(TableFiles::kId),
                             std::string(100'000, '\xff'));
  const auto table = files.built({{"k", 1}});
  EXPECT_OK(table->verify());
}

TEST(TableBuilder, SyncsTheContentBeforeTheNameAndWritesInLargePieces) {
  TableFiles files;
  FaultFileSystem traced(files.file_system());
  ASSERT_OK_AND_ASSIGN(const auto builder, TableBuilder::create(traced, files.builder_options()));
  const std::string value(100'000, 'v');
  for (int i = 100; i < 140; ++i) {
    ASSERT_OK(builder->add(entry_of({std::to_string(i), 1, EntryKind::kPut, value})));
  }
  ASSERT_OK(builder->finish());
  std::vector<FileOperation> ends;
  for (const FileEvent& event : traced.plan().trace()) {
    if (event.operation == FileOperation::kWrite) {
      EXPECT_EQ(event.offset % 4096, 0u);
    }
    ends.push_back(event.operation);
  }
  ASSERT_GE(ends.size(), 3u);
  EXPECT_THAT(std::vector(ends.end() - 3, ends.end()),
              ElementsAre(FileOperation::kWrite, FileOperation::kSync, FileOperation::kRename));
  EXPECT_LE(traced.plan().count(FileOperation::kWrite), 6u);
}

/// Builds a table of about 3 MiB. The first error counts, as for a caller who stops at it.
Status build_some(FileSystem& file_system, const TableBuilder::Options& options) {
  auto builder = TableBuilder::create(file_system, options);
  if (!builder) return builder.error();
  const std::string value(100'000, 'v');
  for (int i = 100; i < 130; ++i) {
    const std::string key = std::to_string(i);
    if (Status added = (*builder)->add(entry_of({key, 1, EntryKind::kPut, value})); !added) {
      EXPECT_THAT((*builder)->add(entry_of({"zz", 1})), has_code(added.error().code()));
      EXPECT_THAT((*builder)->finish(), has_code(added.error().code()));
      return added;
    }
  }
  auto info = (*builder)->finish();
  return info ? Status() : Status(info.error());
}

TEST(TableBuilder, LeavesNoFileWhereAnyOperationFails) {
  for (const FileOperation operation :
       {FileOperation::kCreate, FileOperation::kResize, FileOperation::kWrite, FileOperation::kSync,
        FileOperation::kRename}) {
    for (const int sys_errno : {EIO, ENOSPC}) {
      int failures = 0;
      for (std::uint64_t nth = 1;; ++nth) {
        TableFiles files;
        FaultFileSystem faulty(files.file_system());
        faulty.plan().add({.operation = operation, .sys_errno = sys_errno, .nth = nth});
        const Status built = build_some(faulty, files.builder_options());
        if (built) break;
        ++failures;
        EXPECT_THAT(built, has_code(sys_errno == EIO ? ErrorCode::kIo : ErrorCode::kNoSpace));
        EXPECT_THAT(names_in(files), IsEmpty()) << file_operation_name(operation) << " " << nth;
      }
      EXPECT_GE(failures, 1) << file_operation_name(operation);
    }
  }
}

TEST(TableBuilder, SaysThatThereIsNoSpace) {
  for (const std::uint64_t free_bytes : {0U, 4096U, 1'000'000U, 3'000'000U}) {
    TableFiles files;
    FaultFileSystem full(files.file_system());
    full.set_free_bytes(free_bytes);
    EXPECT_THAT(build_some(full, files.builder_options()), has_code(ErrorCode::kNoSpace));
    EXPECT_THAT(names_in(files), IsEmpty());
    full.set_free_bytes({});
    EXPECT_OK(build_some(full, files.builder_options()));
  }
}

}  // namespace
}  // namespace nacre::store::test
