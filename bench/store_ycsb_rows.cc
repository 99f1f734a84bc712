// The core workloads of YCSB (Cooper et al., "Benchmarking Cloud Serving Systems with YCSB", SoCC
// 2010, table 2), on records of 1 KiB that are written as a whole.

#include <memory>
#include <string>
#include <utility>

#include "bench/store_rows.h"
#include "bench/store_workload.h"
#include "bench/zipfian.h"
#include "lib/base/try.h"
#include "nacre/random.h"

namespace nacre::bench {
namespace {

constexpr std::size_t kRecordBytes = 1024;
constexpr std::uint64_t kLongestScan = 100;
constexpr std::uint64_t kSeed = 20100610;

/// In percent; what is left are reads.
struct Workload {
  std::string name;
  unsigned updates = 0;
  unsigned inserts = 0;
  unsigned scans = 0;
  unsigned read_modify_writes = 0;
  bool reads_latest = false;  ///< What was inserted last is drawn most often.
};

class Client {
 public:
  Client(std::shared_ptr<Reader> reader, Workload workload)
      : reader_(std::move(reader)), workload_(std::move(workload)), ranks_(records()) {}

  /// One operation.
  Status step() {
    const std::uint64_t percent = uniform_below(random_, 100);
    std::uint64_t below = workload_.updates;
    if (percent < below) return put(draw());
    if (percent < (below += workload_.inserts)) return insert();
    if (percent < (below += workload_.scans)) return scan(draw());
    const std::uint64_t index = draw();
    NACRE_TRY(read(index));
    if (percent < below + workload_.read_modify_writes) return put(index);
    return {};
  }

 private:
  std::uint64_t& records() noexcept { return reader_->store->filled.records; }

  std::uint64_t draw() noexcept {
    const std::uint64_t rank = ranks_.draw(random_);
    return workload_.reads_latest ? records() - 1 - rank : scattered(rank, records());
  }

  Status read(std::uint64_t index) {
    const auto found = NACRE_TRY(reader_->session->get(store_key(index)));
    if (!found) return entry_error("a key is missing");
    keep(std::to_integer<std::uint64_t>(found->back()));
    return {};
  }

  Status put(std::uint64_t index) {
    return reader_->session->put(store_key(index), values_.at(puts_++));
  }

  Status insert() {
    NACRE_TRY(put(records()));
    ranks_.grow(++records());
    return {};
  }

  Status scan(std::uint64_t index) {
    const std::uint64_t limit = 1 + uniform_below(random_, kLongestScan);
    const Scanned scanned = NACRE_TRY(reader_->session->scan(store_key(index), limit));
    if (scanned.entries == 0) return entry_error("a scan from a key found nothing");
    keep(scanned.sum);
    return {};
  }

  std::shared_ptr<Reader> reader_;
  Workload workload_;
  Zipfian ranks_;
  SeededRandom random_{kSeed};
  Payloads values_{kRecordBytes};
  std::uint64_t puts_ = 0;
};

Contender running(const std::shared_ptr<FilledStores>& stores, const StoreKind& kind,
                  const Workload& workload) {
  return {kind.name, kind.role(), kind.tuning, [=]() -> Result<Measure> {
            auto client = std::make_shared<Client>(NACRE_TRY(reader_of(stores, kind)), workload);
            return rate_of([client] { return client->step(); });
          }};
}

}  // namespace

std::vector<Benchmark> store_ycsb_benchmarks(const Setting& setting) {
  // In YCSB's order: those that insert come last, since they change what the others read.
  const std::vector<Workload> workloads = {{.name = "a", .updates = 50},
                                           {.name = "b", .updates = 5},
                                           {.name = "c"},
                                           {.name = "f", .read_modify_writes = 50},
                                           {.name = "d", .inserts = 5, .reads_latest = true},
                                           {.name = "e", .inserts = 5, .scans = 95}};
  const std::uint64_t records = setting.quick ? 20'000 : 1'000'000;
  auto stores = std::make_shared<FilledStores>(
      setting, Fill{.records = records, .value_bytes = kRecordBytes});
  std::vector<Benchmark> rows;
  for (const Workload& workload : workloads) {
    Benchmark row{.name = "ycsb/" + workload.name, .unit = "ops/s", .better = Better::kHigher};
    for (const StoreKind& kind : store_kinds()) {
      row.contenders.push_back(running(stores, kind, workload));
    }
    rows.push_back(std::move(row));
  }
  return rows;
}

}  // namespace nacre::bench
