#include <fmt/format.h>

#include <atomic>
#include <memory>
#include <utility>
#include <vector>

#include "bench/commit_contenders.h"
#include "bench/store_rows.h"
#include "bench/store_workload.h"
#include "lib/base/try.h"

namespace nacre::bench {
namespace {

struct Committer {
  ScratchDirectory directory;
  std::unique_ptr<StoreEngine> engine;
  std::vector<std::unique_ptr<StoreSession>> sessions = {};
  Payloads values{kStoreValueBytes};
  std::atomic<std::uint64_t> count{0};
};

Result<std::shared_ptr<Committer>> open_on_disk(const Setting& setting, const StoreKind& kind,
                                                std::size_t threads) {
  // Of what is put in the time a row may take, far more than a disk can make durable.
  constexpr std::uint64_t kMostRecords = 4'000'000;
  if (setting.disk_directory.empty()) {
    return Error(ErrorCode::kNotFound, "no directory on a disk; name one with --dir");
  }
  ScratchDirectory directory = NACRE_TRY(ScratchDirectory::create(setting.disk_directory));
  auto engine = NACRE_TRY(kind.open({.directory = directory.path() / "store",
                                     .sync = true,
                                     .data_bytes = Fill{.records = kMostRecords}.data_bytes(),
                                     .segment_bytes = commit_file_bytes(setting)}));
  std::shared_ptr<Committer> committer(new Committer{std::move(directory), std::move(engine)});
  for (std::size_t i = 0; i < threads; ++i) {
    committer->sessions.push_back(NACRE_TRY(committer->engine->session()));
  }
  return committer;
}

/// Keys in random order, each durable before the next of its thread.
Contender committing(const Setting& setting, const StoreKind& kind, std::size_t threads) {
  return {
      kind.name, kind.role(), kind.sync_tuning, [=]() -> Result<Measure> {
        auto committer = NACRE_TRY(open_on_disk(setting, kind, threads));
        return Measure([=](Nanoseconds slice) {
          return measure_threads(threads, slice, [&](std::size_t thread) {
            // Relaxed: a number that nobody else has is all that is asked for.
            const std::uint64_t index = committer->count.fetch_add(1, std::memory_order_relaxed);
            return committer->sessions[thread]->put(store_key(index), committer->values.at(index));
          });
        });
      }};
}

}  // namespace

std::vector<Benchmark> store_block_benchmarks(const Setting& setting) {
  std::vector<Benchmark> rows;
  for (const std::size_t threads : {1U, 16U}) {
    Benchmark row{.name = fmt::format("put_block/{}", threads), .unit = "ns/op"};
    row.bars.push_back({.versus = "rocksdb", .factor = threads == 1 ? 1 / 1.5 : 1 / 2.0});
    for (const StoreKind& kind : store_kinds()) {
      row.contenders.push_back(committing(setting, kind, threads));
    }
    rows.push_back(std::move(row));
  }
  return rows;
}

}  // namespace nacre::bench
