// bench table: what a read of a hot table costs, and how fast one is built. 1 M keys of 16 bytes
// with values of 100 bytes, in memory, one thread, every block verified before.

#include <fmt/format.h>

#include <algorithm>
#include <cstdint>
#include <cstring>
#include <memory>
#include <string>
#include <vector>

#include "bench/scratch.h"
#include "bench/suite.h"
#include "lib/base/try.h"
#include "lib/store/table.h"
#include "lib/store/table_builder.h"
#include "lib/store/table_cursor.h"
#include "nacre/random.h"

namespace nacre::bench {
namespace {

using store::Table;
using store::TableBuilder;
using store::TableCursor;
using store::TableId;

constexpr std::size_t kKeyBytes = 16;
constexpr std::size_t kValueBytes = 100;
constexpr std::uint64_t kSeed = 7;

using Key = std::array<std::byte, kKeyBytes>;

/// `keys` random keys, and as many that are not among them.
struct Keys {
  std::vector<Key> sorted;
  std::vector<Key> shuffled;
  std::vector<Key> missing;

  explicit Keys(std::size_t count) {
    SeededRandom random(kSeed);
    const auto any = [&random] {
      Key key;
      for (std::size_t at = 0; at < kKeyBytes; at += 8) {
        const std::uint64_t word = random.next_u64();
        std::memcpy(key.data() + at, &word, sizeof word);
      }
      return key;
    };
    for (std::size_t i = 0; i < count; ++i) shuffled.push_back(any());
    for (std::size_t i = 0; i < count; ++i) missing.push_back(any());
    sorted = shuffled;
    std::ranges::sort(sorted);
  }
};

struct Place {
  PosixFileSystem file_system;
  ScratchDirectory directory;
  Keys keys;
  std::shared_ptr<const Table> table = nullptr;

  Place(ScratchDirectory scratch, std::size_t count) : directory(std::move(scratch)), keys(count) {}

  Status build(TableId id) {
    auto builder = NACRE_TRY(TableBuilder::create(
        file_system, {.directory = directory.path(), .id = id, .store_uuid = {}}));
    std::array<std::byte, kValueBytes> value{};
    std::uint64_t sequence = 0;
    for (const Key& key : keys.sorted) {
      std::memcpy(value.data(), key.data(), kKeyBytes);
      NACRE_TRY(builder->add({.key = key, .sequence = {++sequence}, .value = value}));
    }
    static_cast<void>(NACRE_TRY(builder->finish()));
    return {};
  }

  Status open() {
    NACRE_TRY(build(TableId{1}));
    table = NACRE_TRY(Table::open(file_system, {.directory = directory.path(),
                                                .id = TableId{1},
                                                .store_uuid = {},
                                                .access = ViewAccess::kWhole}));
    return table->verify();
  }
};

using SharedPlace = std::shared_ptr<Place>;

/// A row of one contender: `chunk(place, n)` does n operations and says whether all went well.
template <class Chunk>
Benchmark row(std::string name, std::string tuning, double bar_us,
              const std::function<Result<SharedPlace>()>& place, Chunk chunk) {
  Benchmark benchmark{.name = std::move(name), .unit = "us/op", .contenders = {}, .bars = {}};
  benchmark.bars.push_back({.versus = "", .factor = bar_us});
  benchmark.contenders.push_back(
      {"nacre", Role::kNacre, std::move(tuning), [place, chunk]() -> Result<Measure> {
         SharedPlace held = NACRE_TRY(place());
         return Measure([held, chunk](Nanoseconds slice) mutable -> Result<Sample> {
           const auto ns =
               ns_per_operation(slice, [&](std::uint64_t n) { return chunk(*held, n); });
           if (!ns) return Error(ErrorCode::kCorruption, "an entry was not what it should be");
           return *ns / 1000;
         });
       }});
  return benchmark;
}

struct Find {
  bool read_value;
  std::size_t at = 0;
  bool operator()(const Place& place, std::uint64_t n) {
    const std::vector<Key>& keys = place.keys.shuffled;
    std::uint64_t sum = 0;
    for (; n > 0; --n) {
      const auto found = place.table->find(keys[at]);
      at = at + 1 == keys.size() ? 0 : at + 1;
      if (!found || !*found) return false;
      sum += read_value ? std::to_integer<std::uint64_t>((*found)->value.back())
                        : (*found)->value.size();
    }
    asm volatile("" : : "r"(sum));
    return true;
  }
};

struct Miss {
  std::size_t at = 0;
  bool operator()(const Place& place, std::uint64_t n) {
    const std::vector<Key>& keys = place.keys.missing;
    for (; n > 0; --n) {
      const auto found = place.table->find(keys[at]);
      at = at + 1 == keys.size() ? 0 : at + 1;
      if (!found || *found) return false;
    }
    return true;
  }
};

struct FindMany {
  static constexpr std::size_t kBatch = 64;
  std::size_t at = 0;
  bool operator()(const Place& place, std::uint64_t n) {
    const std::vector<Key>& keys = place.keys.shuffled;
    std::array<std::uint64_t, kBatch> hashes;
    for (std::uint64_t done = 0; done < n; done += kBatch) {
      if (at + kBatch > keys.size()) at = 0;
      const std::size_t count = std::min<std::uint64_t>(kBatch, n - done);
      for (std::size_t i = 0; i < count; ++i) {
        hashes[i] = store::table_hash(keys[at + i]);
        place.table->prefetch(hashes[i]);
      }
      place.table->prefetch_entries(std::span(hashes).first(count));
      for (std::size_t i = 0; i < count; ++i) {
        const auto found = place.table->find(keys[at + i], hashes[i], store::kNewest);
        if (!found || !*found) return false;
      }
      at += count;
    }
    return true;
  }
};

struct Seek {
  std::size_t at = 0;
  bool operator()(const Place& place, std::uint64_t n) {
    const std::vector<Key>& keys = place.keys.shuffled;
    TableCursor cursor(*place.table);
    for (; n > 0; --n) {
      if (!cursor.seek(keys[at]) || !cursor.valid()) return false;
      at = at + 1 == keys.size() ? 0 : at + 1;
    }
    return true;
  }
};

/// A walk that begins again at the end.
struct Walk {
  bool forward;
  bool read_value = false;
  std::shared_ptr<TableCursor> cursor = nullptr;
  bool operator()(const Place& place, std::uint64_t n) {
    if (cursor == nullptr) cursor = std::make_shared<TableCursor>(*place.table);
    std::uint64_t sum = 0;
    for (; n > 0; --n) {
      const Status moved = cursor->valid() ? (forward ? cursor->next() : cursor->prev())
                                           : (forward ? cursor->seek_first() : cursor->seek_last());
      if (!moved) return false;
      if (!cursor->valid()) continue;
      sum += read_value ? std::to_integer<std::uint64_t>(cursor->entry().value.back())
                        : cursor->entry().value.size();
    }
    asm volatile("" : : "r"(sum));
    return true;
  }
};

/// Whole tables; an operation is an entry.
Benchmark build_row(const std::function<Result<SharedPlace>()>& place) {
  Benchmark benchmark{.name = "build", .unit = "us/op", .contenders = {}, .bars = {}};
  benchmark.bars.push_back({.versus = "", .factor = 1.0});
  benchmark.contenders.push_back(
      {"nacre", Role::kNacre, "TableBuilder: add, finish", [place]() -> Result<Measure> {
         SharedPlace held = NACRE_TRY(place());
         return Measure([held](Nanoseconds) -> Result<Sample> {
           const auto begin = SteadyClock::now();
           NACRE_TRY(held->build(TableId{2}));
           const std::chrono::duration<double, std::micro> took = SteadyClock::now() - begin;
           NACRE_TRY(held->file_system.remove(held->directory.path() /
                                              store::table_file_name(TableId{2})));
           return took.count() / static_cast<double>(held->keys.sorted.size());
         });
       }});
  return benchmark;
}

std::vector<Benchmark> table_benchmarks(const Setting& setting) {
  const std::size_t count = setting.quick ? 100'000 : 1'000'000;
  // One table for all rows.
  const auto place = [shared = std::make_shared<SharedPlace>(), count,
                      parent = setting.memory_directory]() -> Result<SharedPlace> {
    if (*shared == nullptr) {
      auto directory = NACRE_TRY(ScratchDirectory::create(parent));
      auto made = std::make_shared<Place>(std::move(directory), count);
      NACRE_TRY(made->open());
      *shared = std::move(made);
    }
    return *shared;
  };
  std::vector<Benchmark> rows;
  rows.push_back(row("table_find", "Table::find", 0.30, place, Find{.read_value = false}));
  rows.push_back(row("table_find_read", "Table::find, and the last byte of the value", 0.40, place,
                     Find{.read_value = true}));
  rows.push_back(row("table_miss", "Table::find of keys that are not there", 0.12, place, Miss{}));
  rows.push_back(
      row("table_find/64", "64 keys: prefetch, prefetch_entries, find", 0.20, place, FindMany{}));
  rows.push_back(row("table_seek", "TableCursor::seek", 1.0, place, Seek{}));
  rows.push_back(row("table_next", "TableCursor::next", 0.02, place, Walk{.forward = true}));
  rows.push_back(row("table_next_read", "TableCursor::next, and the last byte of the value", 0.03,
                     place, Walk{.forward = true, .read_value = true}));
  rows.push_back(row("table_prev", "TableCursor::prev", 0.03, place, Walk{.forward = false}));
  rows.push_back(build_row(place));
  return rows;
}

}  // namespace
}  // namespace nacre::bench

int main(int argc, char** argv) {
  return nacre::bench::run_suite({.program = "bench_table",
                                  .about = "Reads of a hot table, and the building of one",
                                  .parts = {nacre::bench::table_benchmarks}},
                                 argc, argv);
}
