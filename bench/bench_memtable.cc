// bench memtable: the store's index in DRAM alone, random keys of 16 bytes. The choice in
// docs/architecture.md, "The memtable", rests on these figures.

#include <fmt/format.h>

#include <algorithm>
#include <atomic>
#include <cstdint>
#include <cstring>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "bench/stopwatch.h"
#include "bench/suite.h"
#include "lib/store/memtable.h"
#include "nacre/random.h"

namespace nacre::bench {
namespace {

using store::Arena;
using store::EntryKind;
using store::Memtable;
using store::Sequence;

constexpr std::size_t kKeyBytes = 16;

/// Keys of random bytes, one behind the other, so that fetching a key costs next to nothing.
class Keys {
 public:
  Keys(std::uint64_t count, std::uint64_t seed) : bytes_(count * kKeyBytes) {
    SeededRandom random(seed);
    for (std::size_t at = 0; at < bytes_.size(); at += sizeof(std::uint64_t)) {
      const std::uint64_t word = random.next_u64();
      std::memcpy(bytes_.data() + at, &word, sizeof word);
    }
  }
  Bytes at(std::uint64_t i) const noexcept {
    return Bytes(bytes_).subspan(i * kKeyBytes, kKeyBytes);
  }
  std::uint64_t count() const noexcept { return bytes_.size() / kKeyBytes; }

  /// The same keys in another order.
  void shuffle(std::uint64_t seed) {
    SeededRandom random(seed);
    for (std::uint64_t i = count(); i > 1; --i) {
      const std::uint64_t other = uniform_below(random, i);
      std::swap_ranges(place(i - 1), place(i), place(other));
    }
  }

 private:
  std::vector<std::byte>::iterator place(std::uint64_t i) {
    return bytes_.begin() + static_cast<std::ptrdiff_t>(i * kKeyBytes);
  }
  std::vector<std::byte> bytes_;
};

struct Filled {
  Arena arena;
  Memtable memtable{Comparator::bytewise(), arena};
};

void insert(Memtable& memtable, const Keys& keys, std::uint64_t begin, std::uint64_t end) {
  static constexpr std::byte kValue[100] = {};
  for (std::uint64_t i = begin; i < end; ++i) {
    memtable.insert(keys.at(i), Sequence{i + 1}, EntryKind::kPut, kValue);
  }
}

bool find(const Memtable& memtable, const Keys& keys, bool there, std::uint64_t begin,
          std::uint64_t end) {
  bool right = true;
  for (std::uint64_t i = begin; i < end; ++i) {
    right &= (memtable.find(keys.at(i), store::kNewest) != nullptr) == there;
  }
  return right;
}

/// `work(begin, end)` for shares of [0, count) on as many threads.
Sample measured(std::size_t threads, std::uint64_t count,
                const std::function<void(std::uint64_t, std::uint64_t)>& work) {
  const Stopwatch watch;
  if (threads == 1) {
    work(0, count);
  } else {
    std::vector<std::jthread> running;
    for (std::size_t t = 0; t < threads; ++t) {
      running.emplace_back(work, count * t / threads, count * (t + 1) / threads);
    }
  }
  return watch.ns_per_operation(count);
}

/// A pass over all keys is one sample, however long it takes: the cost depends on the size.
using Pass = std::function<Result<Sample>(Filled& filled, const Keys& keys)>;

Contender contender(std::string name, Role role, std::uint64_t count, bool refill, Pass pass) {
  return {std::move(name), role, fmt::format("{} keys", count), [=]() -> Result<Measure> {
            auto keys = std::make_shared<Keys>(count, 1);
            auto filled = std::make_shared<std::unique_ptr<Filled>>(std::make_unique<Filled>());
            if (!refill) {
              insert((*filled)->memtable, *keys, 0, count);
              keys->shuffle(2);
            }
            return Measure([=](Nanoseconds) -> Result<Sample> {
              if (refill) *filled = std::make_unique<Filled>();
              return pass(**filled, *keys);
            });
          }};
}

Pass insert_pass(std::size_t threads) {
  return [=](Filled& filled, const Keys& keys) -> Result<Sample> {
    return measured(threads, keys.count(), [&](std::uint64_t begin, std::uint64_t end) {
      insert(filled.memtable, keys, begin, end);
    });
  };
}

Pass find_pass(std::size_t threads) {
  return [=](Filled& filled, const Keys& keys) -> Result<Sample> {
    std::atomic<bool> right = true;
    const Sample sample =
        measured(threads, keys.count(), [&](std::uint64_t begin, std::uint64_t end) {
          if (!find(filled.memtable, keys, true, begin, end)) right = false;
        });
    if (!right) return Error(ErrorCode::kNotFound, "a key that was inserted is missing");
    return sample;
  };
}

Result<Sample> miss_pass(Filled& filled, const Keys& keys) {
  const Keys others(keys.count(), 3);
  bool right = true;
  const Sample sample = measured(1, keys.count(), [&](std::uint64_t begin, std::uint64_t end) {
    right = find(filled.memtable, others, false, begin, end);
  });
  if (!right) return Error(ErrorCode::kIo, "a key was found that was not inserted");
  return sample;
}

Result<Sample> next_pass(Filled& filled, const Keys& keys) {
  std::uint64_t seen = 0;
  const Sample sample = measured(1, keys.count(), [&](std::uint64_t, std::uint64_t) {
    Memtable::Cursor cursor(filled.memtable);
    for (cursor.seek_first(); cursor.valid(); cursor.next()) {
      seen += static_cast<std::uint64_t>(cursor.version() != nullptr);
    }
  });
  if (seen != keys.count()) return Error(ErrorCode::kIo, "the cursor missed keys");
  return sample;
}

std::vector<Benchmark> memtable_benchmarks(const Setting& setting) {
  const std::uint64_t count = setting.quick ? 100000 : 1000000;
  std::vector<Benchmark> rows;
  const auto add = [&](std::string name, bool refill, Pass pass, std::vector<Bar> bars) {
    Benchmark& row = rows.emplace_back();
    row.name = "memtable/" + std::move(name);
    row.unit = "ns/op";
    row.contenders.push_back(contender("nacre", Role::kNacre, count, refill, std::move(pass)));
    row.bars = std::move(bars);
  };
  add("insert", true, insert_pass(1), {{.versus = "", .factor = 350}});
  add("find", false, find_pass(1), {{.versus = "", .factor = 300}});
  add("find_miss", false, miss_pass, {});
  add("next", false, next_pass, {});
  add("insert_mt/2", true, insert_pass(2), {{.versus = "nacre_1_thread", .factor = 1 / 1.7}});
  rows.back().contenders.push_back(
      contender("nacre_1_thread", Role::kVariant, count, true, insert_pass(1)));
  add("find_mt/2", false, find_pass(2), {{.versus = "nacre_1_thread", .factor = 1 / 1.7}});
  rows.back().contenders.push_back(
      contender("nacre_1_thread", Role::kVariant, count, false, find_pass(1)));
  return rows;
}

}  // namespace
}  // namespace nacre::bench

int main(int argc, char** argv) {
  return nacre::bench::run_suite({.program = "bench_memtable",
                                  .about = "The store's memtable alone",
                                  .parts = {nacre::bench::memtable_benchmarks}},
                                 argc, argv);
}
