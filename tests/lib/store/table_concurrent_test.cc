// Readers of one table at once: its blocks are verified by whoever comes first.

#include <gtest/gtest.h>

#include <atomic>
#include <thread>
#include <vector>

#include "lib/store/table.h"
#include "lib/store/table_cursor.h"
#include "tests/lib/store/table_files.h"
#include "tests/support/seed.h"

namespace nacre::store::test {
namespace {

TEST(TableConcurrent, ReadersVerifyBlocksSideBySide) {
  SeededRandom random(nacre::test::seed());
  TableFiles files;
  const std::vector<Row> rows = random_rows(random, Comparator::bytewise(), 3000);
  const auto table = files.built(rows);
  std::atomic<std::size_t> wrong = 0;
  std::vector<std::thread> threads;
  for (std::size_t thread = 0; thread < 4; ++thread) {
    threads.emplace_back([&, thread] {
      for (std::size_t i = thread; i < rows.size(); i += 2) {
        const auto found = table->find(as_bytes(rows[i].key), Sequence{rows[i].sequence});
        if (!found || !*found || row_of(**found) != rows[i]) ++wrong;
      }
      TableCursor cursor(*table);
      std::size_t seen = 0;
      for (Status moved = cursor.seek_first(); moved && cursor.valid(); moved = cursor.next()) {
        if (row_of(cursor.entry()) != rows[seen++]) ++wrong;
      }
      if (seen != rows.size()) ++wrong;
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(wrong, 0u);
}

}  // namespace
}  // namespace nacre::store::test
