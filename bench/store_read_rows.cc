#include <fmt/format.h>

#include <atomic>
#include <memory>
#include <optional>
#include <thread>
#include <utility>

#include "bench/store_rows.h"
#include "bench/store_workload.h"
#include "lib/base/try.h"
#include "nacre/random.h"

namespace nacre::bench {
namespace {

using Stores = std::shared_ptr<FilledStores>;
constexpr std::uint64_t kSeed = 20060101;

/// `once(reader, random)` returns a sum to keep, or an error.
template <class Once>
Contender reading(const Stores& stores, const StoreKind& kind, Once once) {
  return {kind.name, kind.role(), kind.tuning, [=]() -> Result<Measure> {
            auto reader = NACRE_TRY(reader_of(stores, kind));
            auto random = std::make_shared<SeededRandom>(kSeed);
            return Measure([=](Nanoseconds slice) -> Result<Sample> {
              std::optional<Error> error;
              const auto ns = ns_per_operation(slice, [&](std::uint64_t n) {
                std::uint64_t sum = 0;
                for (; n > 0; --n) {
                  const Result<std::uint64_t> one = once(*reader, *random);
                  if (!one) {
                    error = one.error();
                    return false;
                  }
                  sum += *one;
                }
                keep(sum);
                return true;
              });
              if (!ns) return *error;
              return *ns;
            });
          }};
}

/// Reads a byte of the value, as whoever asks for a value does.
Result<std::uint64_t> get_present(StoreSession& session, std::uint64_t index) {
  const auto found = NACRE_TRY(session.get(store_key(index)));
  if (!found) return entry_error("a key is missing");
  return std::to_integer<std::uint64_t>(found->back());
}

Contender reading_many(const Stores& stores, const StoreKind& kind, std::size_t count) {
  return {kind.name, kind.role(), kind.tuning, [=]() -> Result<Measure> {
            auto reader = NACRE_TRY(reader_of(stores, kind));
            auto random = std::make_shared<SeededRandom>(kSeed);
            return Measure([=](Nanoseconds slice) -> Result<Sample> {
              std::optional<Error> error;
              std::vector<StoreKey> keys(count);
              std::vector<Bytes> wanted(keys.begin(), keys.end());
              const auto ns = ns_per_operation(slice, [&](std::uint64_t n) {
                for (; n > 0; --n) {
                  for (StoreKey& key : keys) {
                    key = store_key(uniform_below(*random, reader->store->filled.records));
                  }
                  const Result<Scanned> found = reader->session->multi_get(wanted);
                  if (!found || found->entries != count) {
                    error = found ? entry_error("a key is missing") : found.error();
                    return false;
                  }
                  keep(found->sum);
                }
                return true;
              });
              if (!ns) return *error;
              return *ns / static_cast<double>(count);
            });
          }};
}

Benchmark get_row(const Stores& stores, std::string name) {
  Benchmark row{.name = std::move(name), .unit = "ns/op"};
  row.bars = {{.versus = "rocksdb", .factor = 1 / 5.0}, {.versus = "lmdb", .factor = 1 / 2.0}};
  for (const StoreKind& kind : store_kinds()) {
    row.contenders.push_back(reading(stores, kind, [](Reader& reader, RandomSource& random) {
      return get_present(*reader.session, uniform_below(random, reader.store->filled.records));
    }));
  }
  return row;
}

Benchmark get_miss_row(const Stores& stores, std::string name) {
  Benchmark row{.name = std::move(name), .unit = "ns/op"};
  for (const StoreKind& kind : store_kinds()) {
    row.contenders.push_back(
        reading(stores, kind, [](Reader& reader, RandomSource& random) -> Result<std::uint64_t> {
          const std::uint64_t records = reader.store->filled.records;
          const std::uint64_t index = records + uniform_below(random, records);
          if (NACRE_TRY(reader.session->get(store_key(index)))) {
            return entry_error("a key that was never put");
          }
          return std::uint64_t{0};
        }));
  }
  return row;
}

/// So many at once; an operation is a key.
Benchmark multi_get_row(const Stores& stores, std::size_t keys) {
  Benchmark row{.name = fmt::format("multi_get/{}", keys), .unit = "ns/op"};
  for (const StoreKind& kind : store_kinds()) {
    row.contenders.push_back(reading_many(stores, kind, keys));
  }
  Contender one_by_one = reading(stores, nacre_store(), [](Reader& reader, RandomSource& random) {
    return get_present(*reader.session, uniform_below(random, reader.store->filled.records));
  });
  one_by_one.name = "nacre_get";
  one_by_one.role = Role::kVariant;
  row.contenders.push_back(std::move(one_by_one));
  row.bars.push_back({.versus = "nacre_get", .factor = 1 / 1.5});
  return row;
}

/// From end to end, again and again; an operation is an entry.
Contender scanning(const Stores& stores, const StoreKind& kind) {
  return {kind.name, kind.role(), kind.tuning, [=]() -> Result<Measure> {
            auto reader = NACRE_TRY(reader_of(stores, kind));
            return Measure([=](Nanoseconds slice) -> Result<Sample> {
              const std::uint64_t records = reader->store->filled.records;
              std::uint64_t scans = 0;
              const SteadyClock::time_point start = SteadyClock::now();
              SteadyClock::time_point now = start;
              for (; now - start < slice; now = SteadyClock::now()) {
                const Scanned scanned = NACRE_TRY(reader->session->scan({}, records + 1));
                if (scanned.entries != records) return entry_error("a scan of another length");
                keep(scanned.sum);
                scans += 1;
              }
              return std::chrono::duration<double, std::nano>(now - start).count() /
                     static_cast<double>(scans * records);
            });
          }};
}

Benchmark scan_row(const Stores& stores, std::string name) {
  Benchmark row{.name = std::move(name), .unit = "ns/op"};
  row.bars.push_back({.versus = "lmdb", .factor = 1});
  for (const StoreKind& kind : store_kinds()) row.contenders.push_back(scanning(stores, kind));
  return row;
}

Contender getting(const Stores& stores, const StoreKind& kind, std::size_t threads) {
  return {kind.name, kind.role(), kind.tuning, [=]() -> Result<Measure> {
            std::vector<std::shared_ptr<Reader>> readers;
            for (std::size_t i = 0; i < threads; ++i) {
              readers.push_back(NACRE_TRY(reader_of(stores, kind)));
            }
            return Measure([=, seed = kSeed](Nanoseconds slice) mutable -> Result<Sample> {
              seed += threads;
              const auto rate =
                  operations_per_second(threads, slice, [&](std::size_t thread, std::uint64_t n) {
                    SeededRandom random(seed + thread + n * 1000);
                    Reader& reader = *readers[thread];
                    std::uint64_t sum = 0;
                    for (; n > 0; --n) {
                      const auto one = get_present(
                          *reader.session, uniform_below(random, reader.store->filled.records));
                      if (!one) return false;
                      sum += *one;
                    }
                    keep(sum);
                    return true;
                  });
              if (!rate) return entry_error("a get failed");
              return *rate;
            });
          }};
}

Benchmark get_mt_row(const Stores& stores, std::size_t threads) {
  Benchmark row{
      .name = fmt::format("get_mt/{}", threads), .unit = "ops/s", .better = Better::kHigher};
  for (const StoreKind& kind : store_kinds()) {
    row.contenders.push_back(getting(stores, kind, threads));
  }
  if (threads > 1) {
    Contender one = getting(stores, nacre_store(), 1);
    one.name = "nacre_1_thread";
    one.role = Role::kVariant;
    row.contenders.push_back(std::move(one));
    row.bars.push_back({.versus = "nacre_1_thread", .factor = 1.7});
  }
  return row;
}

/// Overwrites random keys at a steady rate until told to stop; the bytes that were put a second.
class Overwriter {
 public:
  explicit Overwriter(OpenStore& store)
      : thread_([this, &store](const std::stop_token& stop) {
          if (Status done = write(store, stop); !done) error_ = done.error();
        }) {}

  Result<double> stop() {
    thread_.request_stop();
    thread_.join();
    if (error_) return *error_;
    const double seconds = std::chrono::duration<double>(end_ - start_).count();
    return static_cast<double>(puts_ * (kStoreKeyBytes + kStoreValueBytes)) / seconds;
  }

 private:
  static constexpr std::uint64_t kPutsATick = 20;
  static constexpr std::chrono::milliseconds kTick{1};

  Status write(OpenStore& store, const std::stop_token& stop) {
    const auto session = NACRE_TRY(store.engine->session());
    const Payloads values(kStoreValueBytes);
    SeededRandom random(kSeed);
    for (SteadyClock::time_point due = start_; !stop.stop_requested(); due += kTick) {
      std::this_thread::sleep_until(due);
      for (std::uint64_t i = 0; i < kPutsATick; ++i, ++puts_) {
        const std::uint64_t index = uniform_below(random, store.filled.records);
        NACRE_TRY(session->put(store_key(index), values.at(index)));
      }
      end_ = SteadyClock::now();
    }
    return {};
  }

  const SteadyClock::time_point start_ = SteadyClock::now();
  SteadyClock::time_point end_ = start_;
  std::uint64_t puts_ = 0;
  std::optional<Error> error_;
  std::jthread thread_;  // Last: it uses the others.
};

Benchmark readwhilewriting_row(const Stores& stores) {
  Benchmark row{.name = "readwhilewriting", .unit = "ns/op"};
  for (const StoreKind& kind : store_kinds()) {
    Contender contender = reading(stores, kind, [](Reader& reader, RandomSource& random) {
      return get_present(*reader.session, uniform_below(random, reader.store->filled.records));
    });
    contender.prepare = [stores, kind,
                         prepare = std::move(contender.prepare)]() mutable -> Result<Measure> {
      Measure gets = NACRE_TRY(prepare());
      OpenStore* store = NACRE_TRY(stores->of(kind));
      return Measure([store, gets = std::move(gets)](Nanoseconds slice) mutable -> Result<Sample> {
        Overwriter writer(*store);
        Result<Sample> sample = gets(slice);
        const double rate = NACRE_TRY(writer.stop());
        if (sample) sample->beside["background_bytes_s"] = rate;
        return sample;
      });
    };
    row.contenders.push_back(std::move(contender));
  }
  return row;
}

}  // namespace

std::vector<Benchmark> read_rows(const Setting& setting, const std::string& prefix,
                                 const std::string& suffix, std::uint64_t records) {
  auto stores = std::make_shared<FilledStores>(setting, Fill{.records = records});
  std::vector<Benchmark> rows;
  rows.push_back(get_row(stores, prefix + "get" + suffix));
  rows.push_back(get_miss_row(stores, prefix + "get_miss" + suffix));
  rows.push_back(scan_row(stores, prefix + "scan" + suffix));
  if (!prefix.empty()) return rows;
  rows.push_back(multi_get_row(stores, 64));
  for (const std::size_t threads : {1U, 2U}) rows.push_back(get_mt_row(stores, threads));
  // Last, since it changes what the others read.
  rows.push_back(readwhilewriting_row(stores));
  return rows;
}

std::vector<Benchmark> store_read_benchmarks(const Setting& setting) {
  return read_rows(setting, "", "", headline_records(setting));
}

}  // namespace nacre::bench
