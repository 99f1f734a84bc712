#include <fmt/format.h>

#include <array>
#include <memory>
#include <optional>
#include <utility>

#include "bench/append_contenders.h"
#include "bench/timed_memory.h"
#include "bench/wal_rows.h"
#include "lib/base/try.h"
#include "nacre/wal.h"
#include "pmem/store_key.h"

namespace nacre::bench {
namespace {

/// The log gives up what is behind it this often, as a store does at its checkpoints.
std::size_t truncate_every_bytes(const Setting& setting) noexcept {
  return append_segment_bytes(setting) / 4;
}

/// A log in memory with one appender a lane.
class NacreLog {
 public:
  /// Appends until the log has gone round its memory, so that the steady state is measured.
  static Result<std::unique_ptr<NacreLog>> open(const Setting& setting, std::uint32_t lanes,
                                                std::size_t payload_bytes,
                                                bool overwrite_protection = false) {
    ScratchDirectory directory = NACRE_TRY(ScratchDirectory::create(setting.memory_directory));
    WalOptions options;
    options.lanes = lanes;
    options.segment_bytes = append_segment_bytes(setting);
    options.domain = DomainRequest::kEmulated;
    options.overwrite_protection = overwrite_protection;
    auto domain = NACRE_TRY(timed_domain(setting, directory.path()));
    options.environment.domain = domain.get();
    Wal wal = NACRE_TRY(Wal::open(directory.path() / "wal", options));
    auto log = std::make_unique<NacreLog>(std::move(directory), std::move(domain), std::move(wal),
                                          payload_bytes, truncate_every_bytes(setting));
    NACRE_TRY(log->go_round(append_span_bytes(setting) + append_segment_bytes(setting)));
    return log;
  }

  NacreLog(ScratchDirectory directory, std::unique_ptr<pmem::Domain> domain, Wal wal,
           std::size_t payload_bytes, std::size_t truncate_every)
      : directory_(std::move(directory)),
        domain_(std::move(domain)),
        wal_(std::move(wal)),
        payloads_(payload_bytes),
        record_bytes_(record_bytes(payload_bytes)),
        truncate_every_bytes_(truncate_every),
        lanes_(wal_.lanes()) {}

  bool append(std::size_t lane_index, std::uint64_t n) {
    Lane lane = wal_.lane(static_cast<std::uint32_t>(lane_index));
    LaneState& state = lanes_[lane_index];
    for (; n > 0; --n) {
      const Result<Lsn> lsn = lane.append(payloads_.at(state.count++));
      if (!lsn) [[unlikely]]
        return fail(state, lsn.error());
      if (!give_up_behind(lane_index, *lsn, record_bytes_)) [[unlikely]]
        return false;
    }
    return true;
  }

  bool append_batch(std::span<const Bytes> batch, std::size_t batch_bytes, std::uint64_t n) {
    Lane lane = wal_.lane(0);
    for (; n > 0; --n) {
      const Result<Lsn> lsn = lane.append_batch(batch);
      if (!lsn) [[unlikely]]
        return fail(lanes_[0], lsn.error());
      if (!give_up_behind(0, *lsn, batch_bytes)) [[unlikely]]
        return false;
    }
    return true;
  }

  const Payloads& payloads() const noexcept { return payloads_; }

  /// `figure`, or what went wrong instead.
  Result<double> figure_or_error(std::optional<double> figure) const {
    if (figure) return *figure;
    return error();
  }

 private:
  struct alignas(kLineBytes) LaneState {
    std::uint64_t count = 0;
    std::size_t bytes_since_truncate = 0;
    std::optional<Error> error;
  };

  static bool fail(LaneState& state, const Error& error) {
    state.error = error;
    return false;
  }

  Error error() const {
    for (const LaneState& state : lanes_) {
      if (state.error) return *state.error;
    }
    return Error(ErrorCode::kClosed, "an append failed without an error");
  }

  bool give_up_behind(std::size_t lane_index, Lsn lsn, std::size_t bytes) {
    LaneState& state = lanes_[lane_index];
    state.bytes_since_truncate += bytes;
    // LSNs are the whole log's: the first lane speaks for all.
    if (lane_index != 0 || state.bytes_since_truncate < truncate_every_bytes_) [[likely]]
      return true;
    state.bytes_since_truncate = 0;
    const Status truncated = wal_.truncate(lsn);
    return truncated.has_value() || fail(state, truncated.error());
  }

  Status go_round(std::size_t bytes) {
    const std::uint64_t records = bytes / record_bytes_;
    constexpr std::uint64_t kStep = 4096;
    // In small turns, so that the first lane's truncations keep all lanes bounded.
    for (std::uint64_t done = 0; done < records; done += kStep) {
      for (std::size_t lane = 0; lane < lanes_.size(); ++lane) {
        if (!append(lane, kStep)) return error();
      }
    }
    return {};
  }

  ScratchDirectory directory_;            // Outlives the log in it.
  std::unique_ptr<pmem::Domain> domain_;  // As does this; null where the log finds its own.
  Wal wal_;
  Payloads payloads_;
  std::size_t record_bytes_;
  std::size_t truncate_every_bytes_;
  std::vector<LaneState> lanes_;
};

std::string nacre_tuning(const Setting& setting) {
  return fmt::format("emulated domain{}, {} MiB segments, truncated every {} MiB",
                     device_words(setting), append_segment_bytes(setting) >> 20,
                     truncate_every_bytes(setting) >> 20);
}

Contender nacre_append(const Setting& setting, std::size_t payload_bytes) {
  return {"nacre", Role::kNacre, nacre_tuning(setting), [=]() -> Result<Measure> {
            auto log = NACRE_TRY(NacreLog::open(setting, 1, payload_bytes));
            return Measure([log = std::move(log)](Nanoseconds slice) {
              return log->figure_or_error(
                  ns_per_operation(slice, [&](std::uint64_t n) { return log->append(0, n); }));
            });
          }};
}

/// What overwrite protection costs: the same beside it, in the same rounds.
Contender nacre_protected(const Setting& setting, std::size_t payload_bytes) {
  return {"nacre_protected", Role::kVariant, "with overwrite_protection", [=]() -> Result<Measure> {
            auto log = NACRE_TRY(NacreLog::open(setting, 1, payload_bytes, true));
            return Measure([log = std::move(log)](Nanoseconds slice) {
              return log->figure_or_error(
                  ns_per_operation(slice, [&](std::uint64_t n) { return log->append(0, n); }));
            });
          }};
}

Benchmark append_row(const Setting& setting, std::size_t payload_bytes) {
  Benchmark row{.name = fmt::format("append/{}", payload_bytes),
                .unit = "ns/op",
                .better = Better::kLower,
                .contenders = {},
                .bars = {{"floor", 1.15}, {"zero", 1}, {"classic", 1}}};
  if (!setting.device.empty()) {
    // Others cannot be slowed down alike: they write past every domain.
    row.bars = {{"floor", 1.15}};
    row.contenders.push_back(nacre_append(setting, payload_bytes));
    row.contenders.push_back(timed_floor(setting, payload_bytes));
    row.contenders.push_back(host_floor(setting, payload_bytes));
    return row;
  }
  if (payload_bytes <= 1024) row.bars.push_back({"libpmemlog", 1.0 / 3});
  row.contenders.push_back(nacre_append(setting, payload_bytes));
  row.contenders.push_back(libpmemlog_append(setting, payload_bytes));
  for (const WriteForm form : {WriteForm::kWriteBack, WriteForm::kStreamed}) {
    row.contenders.push_back(zero_append(setting, payload_bytes, form));
    row.contenders.push_back(classic_append(setting, payload_bytes, form));
  }
  row.contenders.push_back(floor_append(setting, payload_bytes));
  if (pmem::probe_store_keys().kernel) {
    row.contenders.push_back(nacre_protected(setting, payload_bytes));
  }
  return row;
}

constexpr std::size_t kBatchRecords = 32;
constexpr std::size_t kSmallPayloadBytes = 64;
/// A batch is one record with 8 bytes of framing for each of its payloads (docs/format/record.md).
constexpr std::size_t kBatchPayloadBytes = kBatchRecords * (kSmallPayloadBytes + 8);

Contender nacre_batch(const Setting& setting) {
  return {"nacre", Role::kNacre, nacre_tuning(setting), [=]() -> Result<Measure> {
            auto log = NACRE_TRY(NacreLog::open(setting, 1, kSmallPayloadBytes));
            return Measure([log = std::move(log)](Nanoseconds slice) {
              std::array<Bytes, kBatchRecords> batch;
              for (std::size_t i = 0; i < batch.size(); ++i) batch[i] = log->payloads().at(i);
              const auto chunk = [&](std::uint64_t n) {
                return log->append_batch(batch, record_bytes(kBatchPayloadBytes), n);
              };
              return log->figure_or_error(ns_per_operation(slice, chunk));
            });
          }};
}

Contender nacre_singles(const Setting& setting) {
  return {
      "nacre_32_single_appends", Role::kVariant, "", [=]() -> Result<Measure> {
        Measure single = NACRE_TRY(nacre_append(setting, kSmallPayloadBytes).prepare());
        return Measure([single = std::move(single)](Nanoseconds slice) mutable -> Result<double> {
          return NACRE_TRY(single(slice)).figure * static_cast<double>(kBatchRecords);
        });
      }};
}

Benchmark batch_row(const Setting& setting) {
  Benchmark row{.name = fmt::format("append_batch/{}x{}", kBatchRecords, kSmallPayloadBytes),
                .unit = "ns/op",
                .better = Better::kLower,
                .contenders = {},
                .bars = {{"nacre_32_single_appends", 1.0 / 8}}};
  row.contenders.push_back(nacre_batch(setting));
  row.contenders.push_back(nacre_singles(setting));
  row.contenders.push_back(setting.device.empty() ? floor_append(setting, kBatchPayloadBytes)
                                                  : timed_floor(setting, kBatchPayloadBytes));
  return row;
}

Contender nacre_threads(const Setting& setting, std::size_t threads, std::string name, Role role) {
  return {std::move(name), role, nacre_tuning(setting) + ", a lane for each thread",
          [=]() -> Result<Measure> {
            auto log = NACRE_TRY(
                NacreLog::open(setting, static_cast<std::uint32_t>(threads), kSmallPayloadBytes));
            return Measure([threads, log = std::move(log)](Nanoseconds slice) {
              const auto chunk = [&](std::size_t thread, std::uint64_t n) {
                return log->append(thread, n);
              };
              return log->figure_or_error(operations_per_second(threads, slice, chunk));
            });
          }};
}

Contender floor_threads(const Setting& setting, std::size_t threads) {
  return {"floor", Role::kFloor, floor_tuning(setting) + ", a range for each thread",
          [=]() -> Result<Measure> {
            std::vector<std::unique_ptr<MemoryFloor>> floors;
            for (std::size_t i = 0; i < threads; ++i) {
              floors.push_back(NACRE_TRY(MemoryFloor::create(setting, kSmallPayloadBytes)));
            }
            return Measure([floors = std::move(floors)](Nanoseconds slice) -> Result<double> {
              return *operations_per_second(floors.size(), slice,
                                            [&](std::size_t thread, std::uint64_t n) {
                                              run_floor(floors[thread]->loop, n);
                                              return true;
                                            });
            });
          }};
}

Benchmark threads_row(const Setting& setting, std::size_t threads) {
  Benchmark row{.name = fmt::format("append_mt/{}", threads),
                .unit = "ops/s",
                .better = Better::kHigher,
                .contenders = {},
                .bars = {}};
  row.contenders.push_back(nacre_threads(setting, threads, "nacre", Role::kNacre));
  if (threads == 2) {
    // Two threads are held against one in the same rounds.
    row.contenders.push_back(nacre_threads(setting, 1, "nacre_1_thread", Role::kVariant));
    row.bars.push_back({"nacre_1_thread", 1.7});
  }
  if (setting.device.empty()) row.contenders.push_back(floor_threads(setting, threads));
  return row;
}

}  // namespace

std::vector<Benchmark> append_benchmarks(const Setting& setting) {
  std::vector<Benchmark> rows;
  for (const std::size_t bytes : {64U, 256U, 1024U, 4096U})
    rows.push_back(append_row(setting, bytes));
  rows.push_back(batch_row(setting));
  for (const std::size_t threads : {1U, 2U, 4U}) rows.push_back(threads_row(setting, threads));
  return rows;
}

}  // namespace nacre::bench
