// The store under power cuts: each writer has keys of its own, and one that counts its operations,
// written in the same batch, transaction or load.

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "lib/base/try.h"
#include "nacre/random.h"
#include "nacre/store.h"
#include "tests/vm/cut_workload.h"

namespace nacre::test {
namespace {

constexpr std::uint64_t kKeys = 150;
constexpr std::uint64_t kMostValueBytes = 3000;

/// One operation, as it is done to the store and to the model.
struct Operation {
  enum class Way : std::uint8_t { kBatch, kTransaction, kLoad };
  Way way = Way::kBatch;
  /// Of an earlier moment than the puts. Empty: none.
  std::string range_begin = {};
  std::string range_end = {};
  std::vector<std::string> removed = {};
  std::map<std::string, std::string> put = {};
};

/// It comes before the writer's other keys.
std::string counter_key(std::uint32_t writer) { return fmt::format("{}#", writer); }
std::string key_text(std::uint32_t writer, std::uint64_t number) {
  return fmt::format("{}key{:04}", writer, number);
}

std::string value_text(SeededRandom& random, std::uint64_t sequence) {
  const std::uint64_t bytes = uniform_below(random, kMostValueBytes);
  std::string text = fmt::format("{} ", sequence);
  const auto letter = static_cast<char>('a' + sequence % 26);
  return text + std::string(bytes, letter);
}

Operation operation_of(std::uint64_t seed, std::uint32_t writer, std::uint64_t sequence) {
  SeededRandom random(seed ^ ((writer + 1) * 0x9E3779B97F4A7C15) ^ (sequence * 0xD1B54A32D192ED03));
  const auto some_key = [&] { return key_text(writer, uniform_below(random, kKeys)); };
  Operation operation;
  const std::uint64_t choice = uniform_below(random, 40);
  if (choice == 0) {
    operation.way = Operation::Way::kLoad;
  } else if (choice < 10) {
    operation.way = Operation::Way::kTransaction;
  } else if (choice == 10) {
    const std::uint64_t begin = uniform_below(random, kKeys);
    operation.range_begin = key_text(writer, begin);
    operation.range_end = key_text(writer, begin + 1 + uniform_below(random, kKeys / 4));
  }
  const std::uint64_t puts = choice < 20 ? 1 + uniform_below(random, 5) : 1;
  for (std::uint64_t i = 0; i < puts; ++i) {
    std::string key = some_key();
    operation.put[std::move(key)] = value_text(random, sequence);
  }
  if (operation.way != Operation::Way::kLoad && choice % 3 == 0) {
    std::string key = some_key();
    if (!operation.put.contains(key)) operation.removed.push_back(std::move(key));
  }
  operation.put[counter_key(writer)] = fmt::format("{}", sequence + 1);
  return operation;
}

using Content = std::map<std::string, std::string>;

void apply_to_model(const Operation& operation, Content& content) {
  if (!operation.range_end.empty()) {
    content.erase(content.lower_bound(operation.range_begin),
                  content.lower_bound(operation.range_end));
  }
  for (const std::string& key : operation.removed) content.erase(key);
  for (const auto& [key, value] : operation.put) content[key] = value;
}

Error mismatch(std::uint32_t writer, std::uint64_t operations, std::string what) {
  return Error(ErrorCode::kCorruption, fmt::format("writer {}, after {} operations: {}", writer,
                                                   operations, std::move(what)));
}

class StoreWorkload final : public CutWorkload {
 public:
  StoreWorkload(std::uint64_t seed, bool compacting) : seed_(seed), compacting_(compacting) {}

  Status open(const std::filesystem::path& directory) override {
    StoreOptions options;
    options.memtable_bytes = std::uint64_t{1} << 20;
    options.write_lanes = 2;
    options.segment_bytes = std::uint64_t{256} << 10;
    store_ = NACRE_TRY(Store::open(directory, std::move(options)));
    return {};
  }

  Result<std::uint64_t> recovered(std::uint32_t writer) override {
    const std::uint64_t count = NACRE_TRY(counted(writer));
    Content expected;
    for (std::uint64_t i = 0; i < count; ++i)
      apply_to_model(operation_of(seed_, writer, i), expected);
    NACRE_TRY(compare(writer, count, expected));
    return count;
  }

  Result<std::uint64_t> operate(std::uint32_t writer, std::uint64_t sequence) override {
    const Operation operation = operation_of(seed_, writer, sequence);
    switch (operation.way) {
      case Operation::Way::kBatch:
        NACRE_TRY(write_batch(operation));
        break;
      case Operation::Way::kTransaction:
        NACRE_TRY(commit_transaction(operation));
        break;
      case Operation::Way::kLoad:
        NACRE_TRY(load(operation));
        break;
    }
    return 1;
  }

  Result<bool> work_beside() override {
    if (!compacting_) return false;
    NACRE_TRY(store_->flush());
    NACRE_TRY(store_->compact());
    return true;
  }

  Status close() override { return store_->close(); }

 private:
  Result<std::uint64_t> counted(std::uint32_t writer) const {
    const std::string key = counter_key(writer);
    const auto value = NACRE_TRY(store_->get(as_bytes(key)));
    return value ? std::stoull(value->to_string()) : 0;
  }

  Status compare(std::uint32_t writer, std::uint64_t operations, const Content& expected) const {
    const std::string prefix = fmt::format("{}", writer);
    StoreIterator at = store_->iterate({.prefix = as_bytes(prefix)});
    at.seek_first();
    for (const auto& [key, value] : expected) {
      if (!at.valid()) {
        NACRE_TRY(at.status());
        return mismatch(writer, operations, fmt::format("{} is missing", key));
      }
      if (as_text(at.key()) < key) {
        return mismatch(writer, operations,
                        fmt::format("{} is back: {:.20}", as_text(at.key()), as_text(at.value())));
      }
      if (as_text(at.key()) != key) {
        return mismatch(writer, operations, fmt::format("{} is missing", key));
      }
      if (as_text(at.value()) != value) {
        return mismatch(
            writer, operations,
            fmt::format("{} is {:.20} instead of {:.20}", key, as_text(at.value()), value));
      }
      at.next();
    }
    NACRE_TRY(at.status());
    if (at.valid()) {
      return mismatch(writer, operations, fmt::format("{} is back", as_text(at.key())));
    }
    return {};
  }

  Status write_batch(const Operation& operation) {
    WriteBatch batch;
    if (!operation.range_end.empty()) {
      batch.remove_range(as_bytes(operation.range_begin), as_bytes(operation.range_end));
    }
    for (const std::string& key : operation.removed) batch.remove(as_bytes(key));
    for (const auto& [key, value] : operation.put) batch.put(as_bytes(key), as_bytes(value));
    return store_->write(batch);
  }

  /// No other writer touches what it reads, so it is never refused.
  Status commit_transaction(const Operation& operation) {
    Transaction transaction = store_->begin();
    for (const std::string& key : operation.removed) transaction.remove(as_bytes(key));
    for (const auto& [key, value] : operation.put) {
      NACRE_TRY(transaction.get(as_bytes(key)));
      transaction.put(as_bytes(key), as_bytes(value));
    }
    return transaction.commit();
  }

  Status load(const Operation& operation) {
    BulkLoad load = store_->begin_bulk_load();
    for (const auto& [key, value] : operation.put) {
      NACRE_TRY(load.add(as_bytes(key), as_bytes(value)));
    }
    return load.commit();
  }

  const std::uint64_t seed_;
  const bool compacting_;
  std::optional<Store> store_;
};

}  // namespace

std::unique_ptr<CutWorkload> make_store_workload(std::uint64_t seed, bool compacting) {
  return std::make_unique<StoreWorkload>(seed, compacting);
}

}  // namespace nacre::test
