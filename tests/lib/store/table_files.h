#pragma once

// Tables as tests make them: from a model of what they hold, in a directory of their own.

#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "lib/store/table.h"
#include "lib/store/table_builder.h"
#include "nacre/random.h"
#include "tests/support/result_matchers.h"
#include "tests/support/temp_directory.h"
#include "tests/support/unsynced_file_system.h"

namespace nacre::store::test {

using nacre::test::has_code;

/// An entry that owns its bytes.
struct Row {
  std::string key;
  std::uint64_t sequence = 0;
  EntryKind kind = EntryKind::kPut;
  std::string value = {};

  friend bool operator==(const Row&, const Row&) = default;
};

inline Entry entry_of(const Row& row) {
  return {.key = as_bytes(row.key),
          .sequence = {row.sequence},
          .kind = row.kind,
          .value = as_bytes(row.value)};
}

inline Row row_of(const Entry& entry) {
  return {.key = std::string(as_text(entry.key)),
          .sequence = entry.sequence.value,
          .kind = entry.kind,
          .value = std::string(as_text(entry.value))};
}

inline void PrintTo(const Row& row, std::ostream* out) {
  *out << '"' << row.key.substr(0, 40) << "\"@" << row.sequence << " of " << row.value.size();
}

/// Shorter before longer; an order in which nothing is known of prefixes.
inline Comparator by_length() {
  return Comparator::custom("test.by_length", [](Bytes a, Bytes b) {
    if (a.size() != b.size()) return a.size() <=> b.size();
    return Comparator::bytewise()(a, b);
  });
}

inline std::vector<Comparator> all_comparators() {
  return {Comparator::bytewise(), Comparator::reverse_bytewise(), by_length()};
}

/// In the order of a table.
inline void sort_rows(std::vector<Row>& rows, const Comparator& comparator) {
  std::ranges::sort(rows, [&](const Row& a, const Row& b) {
    const auto order = comparator(as_bytes(a.key), as_bytes(b.key));
    return order == 0 ? a.sequence > b.sequence : order < 0;
  });
}

/// Rows in order, no two of one key and sequence: keys with common beginnings, keys that are
/// beginnings of others, the empty key, several versions.
inline std::vector<Row> random_rows(SeededRandom& random, const Comparator& comparator,
                                    std::size_t count) {
  const std::string common(random.next_u64() % 4 * 5, 'p');
  std::vector<Row> rows;
  for (std::uint64_t i = 0; i < count; ++i) {
    std::string key = common;
    for (std::uint64_t bytes = random.next_u64() % 14; bytes > 0; --bytes) {
      key.push_back(static_cast<char>(random.next_u64() % 3 == 0 ? random.next_u64() % 256 : 'a'));
    }
    const auto kind = static_cast<EntryKind>(1 + random.next_u64() % 4);
    const std::uint64_t bytes = random.next_u64() % 50 == 0 ? 9000 : random.next_u64() % 40;
    rows.push_back({key, random.next_u64() % 1000 * count + i, kind,
                    std::string(bytes, static_cast<char>('a' + i % 26))});
  }
  sort_rows(rows, comparator);
  return rows;
}

/// What `find` must say.
inline std::optional<Row> newest(const std::vector<Row>& rows, const std::string& key,
                                 std::uint64_t at) {
  for (const Row& row : rows) {
    if (row.key == key && row.sequence <= at) return row;
  }
  return std::nullopt;
}

/// A directory of tables of one store.
class TableFiles {
 public:
  explicit TableFiles(Comparator comparator = Comparator::bytewise())
      : comparator_(std::move(comparator)) {
    uuid_.bytes[0] = 17;
  }

  const std::filesystem::path& directory() const { return directory_.path(); }
  std::filesystem::path path() const { return directory() / table_file_name(kId); }
  FileSystem& file_system() { return file_system_; }

  TableBuilder::Options builder_options() const {
    return {.directory = directory(), .id = kId, .store_uuid = uuid_, .comparator = comparator_};
  }
  Table::Options options() const {
    return {.directory = directory(), .id = kId, .store_uuid = uuid_, .comparator = comparator_};
  }

  std::unique_ptr<TableBuilder> builder() {
    auto made = TableBuilder::create(file_system_, builder_options());
    EXPECT_OK(made);
    return *std::move(made);
  }
  TableInfo build(const std::vector<Row>& rows) {
    auto made = builder();
    for (const Row& row : rows) EXPECT_OK(made->add(entry_of(row)));
    const auto info = made->finish();
    EXPECT_OK(info);
    return *info;
  }
  Result<std::shared_ptr<const Table>> open() { return Table::open(file_system_, options()); }
  std::shared_ptr<const Table> built(const std::vector<Row>& rows) {
    build(rows);
    auto table = open();
    EXPECT_OK(table);
    return *std::move(table);
  }

  static constexpr TableId kId{0x2a};

 private:
  nacre::test::TempDirectory directory_ = nacre::test::TempDirectory::on_tmpfs();
  nacre::test::UnsyncedFileSystem file_system_;
  Comparator comparator_;
  Uuid uuid_;
};

inline std::optional<Row> found_row(const Result<std::optional<Entry>>& found) {
  EXPECT_OK(found);
  if (!found || !*found) return std::nullopt;
  return row_of(**found);
}

}  // namespace nacre::store::test
