// The New-Order transaction of TPC-C (TPC Benchmark C, revision 5.11, 2.4), as far as it says what
// a store does: which records are read, changed and inserted, and how they are drawn. Terminals,
// wait times, the one order in a hundred that is rolled back and the other transactions are left
// out, so that no figure here is one of TPC-C.

#include <algorithm>
#include <array>
#include <cstring>
#include <memory>
#include <utility>

#include "bench/store_rows.h"
#include "bench/store_workload.h"
#include "lib/base/try.h"
#include "nacre/random.h"

namespace nacre::bench {
namespace {

constexpr std::uint64_t kSeed = 19920617;
constexpr std::uint64_t kDistricts = 10;
constexpr std::uint64_t kCustomers = 3000;
constexpr std::uint64_t kLeastLines = 5;
constexpr std::uint64_t kMostLines = 15;

struct Scale {
  std::uint64_t warehouses = 4;
  std::uint64_t items = 100'000;

  std::uint64_t records() const noexcept {
    return items + warehouses * (1 + kDistricts * (1 + kCustomers) + items);
  }
};

enum class Table : std::uint64_t {
  kWarehouse = 1,
  kDistrict,
  kCustomer,
  kItem,
  kStock,
  kOrder,
  kNewOrder,
  kOrderLine,
};

/// In the order of the tables, their warehouses, districts and numbers.
StoreKey key_in(Table table, std::uint64_t warehouse, std::uint64_t district,
                std::uint64_t number) noexcept {
  return pair_key(static_cast<std::uint64_t>(table) << 32 | warehouse << 8 | district, number);
}

/// NURand of 2.1.6, from 0.
std::uint64_t uneven_below(RandomSource& random, std::uint64_t spread, std::uint64_t bound) {
  constexpr std::uint64_t kConstant = 123;
  const std::uint64_t narrow = uniform_below(random, spread + 1);
  return ((narrow | uniform_below(random, bound)) + kConstant) % bound;
}

class Terminal {
 public:
  Terminal(std::shared_ptr<OpenStore> store, std::unique_ptr<StoreSession> session, Scale scale)
      : store_(std::move(store)), session_(std::move(session)), scale_(scale) {}

  Status load() {
    for (std::uint64_t item = 0; item < scale_.items; ++item) {
      NACRE_TRY(session_->put(key_in(Table::kItem, 0, 0, item), record(item)));
    }
    for (std::uint64_t warehouse = 0; warehouse < scale_.warehouses; ++warehouse) {
      NACRE_TRY(load_warehouse(warehouse));
    }
    return store_->engine->settle();
  }

  /// Errors: the engine's; `corruption` where a record is missing.
  Status new_order() {
    const std::uint64_t warehouse = uniform_below(random_, scale_.warehouses);
    const std::uint64_t district = uniform_below(random_, kDistricts);
    const auto transaction = NACRE_TRY(session_->begin());
    NACRE_TRY(read(*transaction, key_in(Table::kWarehouse, warehouse, 0, 0)));
    const std::uint64_t order =
        NACRE_TRY(count_up(*transaction, key_in(Table::kDistrict, warehouse, district, 0)));
    const std::uint64_t customer = uneven_below(random_, 1023, kCustomers);
    NACRE_TRY(read(*transaction, key_in(Table::kCustomer, warehouse, district, customer)));
    NACRE_TRY(transaction->put(key_in(Table::kOrder, warehouse, district, order), record(order)));
    NACRE_TRY(
        transaction->put(key_in(Table::kNewOrder, warehouse, district, order), record(order)));
    const std::uint64_t lines = kLeastLines + uniform_below(random_, kMostLines - kLeastLines + 1);
    for (std::uint64_t line = 0; line < lines; ++line) {
      const std::uint64_t item = uneven_below(random_, 8191, scale_.items);
      NACRE_TRY(read(*transaction, key_in(Table::kItem, 0, 0, item)));
      NACRE_TRY(count_up(*transaction, key_in(Table::kStock, warehouse, 0, item)));
      const StoreKey key = key_in(Table::kOrderLine, warehouse, district, order << 8 | line);
      NACRE_TRY(transaction->put(key, record(item)));
    }
    return transaction->commit();
  }

 private:
  using Record = std::array<std::byte, kStoreValueBytes>;

  Status load_warehouse(std::uint64_t warehouse) {
    NACRE_TRY(session_->put(key_in(Table::kWarehouse, warehouse, 0, 0), record(warehouse)));
    for (std::uint64_t item = 0; item < scale_.items; ++item) {
      NACRE_TRY(session_->put(key_in(Table::kStock, warehouse, 0, item), record(item)));
    }
    for (std::uint64_t district = 0; district < kDistricts; ++district) {
      NACRE_TRY(session_->put(key_in(Table::kDistrict, warehouse, district, 0), record(0)));
      for (std::uint64_t customer = 0; customer < kCustomers; ++customer) {
        NACRE_TRY(session_->put(key_in(Table::kCustomer, warehouse, district, customer),
                                record(customer)));
      }
    }
    return {};
  }

  /// With `number` in front. Lifetime: until the next call.
  Bytes record(std::uint64_t number) noexcept {
    std::memcpy(record_.data(), &number, sizeof number);
    return record_;
  }

  static Result<std::uint64_t> read(StoreTransaction& transaction, const StoreKey& key) {
    const auto found = NACRE_TRY(transaction.get(key));
    if (!found) return entry_error("a record is missing");
    std::uint64_t number = 0;
    std::memcpy(&number, found->data(), sizeof number);
    keep(number);
    return number;
  }

  /// Returns what was there before.
  Result<std::uint64_t> count_up(StoreTransaction& transaction, const StoreKey& key) {
    const std::uint64_t number = NACRE_TRY(read(transaction, key));
    NACRE_TRY(transaction.put(key, record(number + 1)));
    return number;
  }

  std::shared_ptr<OpenStore> store_;
  std::unique_ptr<StoreSession> session_;
  const Scale scale_;
  SeededRandom random_{kSeed};
  Record record_{};
};

Contender ordering(const Setting& setting, const StoreKind& kind, const Scale& scale) {
  return {kind.name, kind.role(), kind.tuning, [=]() -> Result<Measure> {
            auto store = std::make_shared<OpenStore>(NACRE_TRY(open_in_memory(
                setting, kind, {.records = scale.records() * 2}, /*transactions=*/true)));
            auto session = NACRE_TRY(store->engine->session());
            auto terminal = std::make_shared<Terminal>(std::move(store), std::move(session), scale);
            NACRE_TRY(terminal->load());
            return rate_of([terminal] { return terminal->new_order(); });
          }};
}

}  // namespace

std::vector<Benchmark> store_order_benchmarks(const Setting& setting) {
  Scale scale;
  if (setting.quick) scale = {.warehouses = 1, .items = 10'000};
  Benchmark row{.name = "new_order", .unit = "ops/s", .better = Better::kHigher};
  // LevelDB has no transactions.
  for (const StoreKind& kind : {nacre_store(), rocksdb_store(), lmdb_store()}) {
    row.contenders.push_back(ordering(setting, kind, scale));
  }
  std::vector<Benchmark> rows;
  rows.push_back(std::move(row));
  return rows;
}

}  // namespace nacre::bench
