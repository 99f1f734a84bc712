#include <fmt/format.h>
#include <isa-l/crc.h>
#include <sched.h>

#include <algorithm>
#include <cerrno>
#include <memory>
#include <optional>
#include <utility>

#include "bench/nt_store.h"
#include "bench/scratch.h"
#include "bench/wal_rows.h"
#include "lib/base/try.h"
#include "nacre/executor.h"
#include "nacre/wal.h"

namespace nacre::bench {
namespace {

constexpr std::size_t kPayloadBytes = 1024;
/// A checksum covers the record but itself (docs/format/record.md).
constexpr std::size_t kChecksumBytes = 4;

std::uint64_t records_in_log(const Setting& setting) {
  const std::size_t log_bytes = setting.quick ? std::size_t{256} << 20 : std::size_t{1} << 30;
  return log_bytes / record_bytes(kPayloadBytes);
}

WalOptions memory_log_options() {
  WalOptions options;
  options.domain = DomainRequest::kEmulated;
  return options;
}

Status fill(Wal& wal, std::uint64_t records) {
  const Payloads payloads(kPayloadBytes);
  Lane lane = wal.lane(0);
  for (std::uint64_t i = 0; i < records; ++i) NACRE_TRY(lane.append(payloads.at(i)));
  return {};
}

/// Keeps this process on the processor it is on: "a core" is then one, whoever helps whom.
Status stay_on_one_core() {
  cpu_set_t one;
  CPU_ZERO(&one);
  CPU_SET(static_cast<std::size_t>(std::max(sched_getcpu(), 0)), &one);
  if (sched_setaffinity(0, sizeof(one), &one) != 0) {
    return Error(ErrorCode::kIo, "cannot stay on one core").with_errno(errno);
  }
  return {};
}

double gigabytes_per_second(double bytes, SteadyClock::time_point start) {
  const std::chrono::duration<double, std::nano> elapsed = SteadyClock::now() - start;
  return bytes / elapsed.count();
}

/// For a child process: writes the log and leaves it open, so that the process' end is its crash.
Result<double> fill_and_crash(const std::filesystem::path& directory, std::uint64_t records) {
  auto* wal = new Wal(NACRE_TRY(Wal::open(directory, memory_log_options())));
  NACRE_TRY(fill(*wal, records));
  return 1.0;
}

/// Opens the log as a user does, on one core; the process then ends as in a crash, so that the next
/// open has everything to recover again.
Result<double> open_once(const std::filesystem::path& directory, std::uint64_t records) {
  NACRE_TRY(stay_on_one_core());
  const auto executor = NACRE_TRY(ThreadPool::create(1));
  WalOptions options = memory_log_options();
  options.environment.executor = executor.get();
  const SteadyClock::time_point start = SteadyClock::now();
  Wal wal = NACRE_TRY(Wal::open(directory, options));
  const double rate = gigabytes_per_second(static_cast<double>(wal.recovery().bytes), start);
  if (wal.recovery().records < records) {
    return Error(ErrorCode::kCorruption,
                 fmt::format("recovered {} of {} records", wal.recovery().records, records));
  }
  // Ends the process without closing the log.
  static_cast<void>(new Wal(std::move(wal)));
  return rate;
}

Contender nacre_recover(const Setting& setting) {
  return {
      "nacre", Role::kNacre,
      "wall time of Wal::open after a crash, 1-KiB records, emulated domain, pinned to one core",
      [=]() -> Result<Measure> {
        auto directory = std::make_shared<ScratchDirectory>(
            NACRE_TRY(ScratchDirectory::create(setting.memory_directory)));
        const std::uint64_t records = records_in_log(setting);
        const Result<double> filled =
            measure_in_child([&] { return fill_and_crash(directory->path() / "wal", records); });
        if (!filled) return filled.error();
        return Measure([=](Nanoseconds) {
          return measure_in_child([&] { return open_once(directory->path() / "wal", records); });
        });
      }};
}

/// CRC32C of every record-sized part of `bytes`, what a scan of a log has to do at least.
/// Returns the exclusive or of them, so that no compiler leaves it out.
std::uint32_t checksum_records(std::span<const std::byte> bytes) {
  const std::size_t stride = record_bytes(kPayloadBytes);
  const int covered = static_cast<int>(kRecordHeaderBytes - kChecksumBytes + kPayloadBytes);
  std::uint32_t all = 0;
  for (std::size_t at = 0; at + stride <= bytes.size(); at += stride) {
    // ISA-L does not write to it; its interface lacks the const.
    auto* data = reinterpret_cast<unsigned char*>(const_cast<std::byte*>(bytes.data() + at));
    all ^= crc32_iscsi(data + kChecksumBytes, covered, 0);
  }
  return all;
}

struct ChecksumFile {
  ScratchDirectory directory;
  std::filesystem::path path;
  std::uint32_t seen = 0;
};

Result<std::shared_ptr<ChecksumFile>> checksum_file(const Setting& setting) {
  ScratchDirectory directory = NACRE_TRY(ScratchDirectory::create(setting.memory_directory));
  const std::filesystem::path path = directory.path() / "records";
  NACRE_TRY(create_written_file(path, records_in_log(setting) * record_bytes(kPayloadBytes)));
  return std::make_shared<ChecksumFile>(std::move(directory), path);
}

Contender floor_recover(const Setting& setting) {
  return {
      "floor", Role::kFloor,
      "ISA-L CRC32C of the same bytes, record by record, in a fresh mapping, pinned to one core",
      [=]() -> Result<Measure> {
        auto file = NACRE_TRY(checksum_file(setting));
        return Measure([=](Nanoseconds) {
          return measure_in_child([&]() -> Result<double> {
            NACRE_TRY(stay_on_one_core());
            const SteadyClock::time_point start = SteadyClock::now();
            const MappedFile mapped = NACRE_TRY(MappedFile::open(file->path, false));
            file->seen ^= checksum_records(mapped.bytes());
            return gigabytes_per_second(static_cast<double>(mapped.bytes().size()), start);
          });
        });
      }};
}

Contender nacre_read(const Setting& setting) {
  return {"nacre", Role::kNacre, "LaneReader, zero-copy, checksums verified, emulated domain",
          [=]() -> Result<Measure> {
            struct State {
              ScratchDirectory directory;
              Wal wal;
              std::optional<LaneReader> reader;
              std::optional<Error> error;
              std::uint64_t bytes_seen = 0;
            };
            ScratchDirectory directory =
                NACRE_TRY(ScratchDirectory::create(setting.memory_directory));
            Wal wal = NACRE_TRY(Wal::open(directory.path() / "wal", memory_log_options()));
            NACRE_TRY(fill(wal, records_in_log(setting)));
            auto state = std::make_shared<State>(
                State{std::move(directory), std::move(wal), std::nullopt, std::nullopt});
            return Measure([=](Nanoseconds slice) -> Result<double> {
              const auto read_one = [&]() -> Result<bool> {
                if (!state->reader) state->reader = NACRE_TRY(state->wal.lane(0).reader());
                return state->reader->next();
              };
              const auto chunk = [&](std::uint64_t n) {
                while (n > 0) {
                  const Result<bool> found = read_one();
                  if (!found) {
                    state->error = found.error();
                    return false;
                  }
                  if (!*found) {
                    state->reader.reset();  // At the end: over again from the start.
                    continue;
                  }
                  state->bytes_seen += state->reader->record().payload.size();
                  --n;
                }
                return true;
              };
              const std::optional<double> cost = ns_per_operation(slice, chunk);
              if (!cost) return *state->error;
              return 1e9 / *cost;
            });
          }};
}

Contender floor_read(const Setting& setting) {
  return {"floor", Role::kFloor,
          "ISA-L CRC32C of the same bytes, record by record, in a mapping with its pages present",
          [=]() -> Result<Measure> {
            auto file = NACRE_TRY(checksum_file(setting));
            auto mapped =
                std::make_shared<MappedFile>(NACRE_TRY(MappedFile::open(file->path, true)));
            auto position = std::make_shared<std::size_t>(0);
            return Measure([=](Nanoseconds slice) -> Result<double> {
              const std::size_t stride = record_bytes(kPayloadBytes);
              const auto cost = ns_per_operation(slice, [&](std::uint64_t n) {
                for (; n > 0; --n) {
                  if (*position + stride > mapped->bytes().size()) *position = 0;
                  file->seen ^= checksum_records(mapped->bytes().subspan(*position, stride));
                  *position += stride;
                }
                return true;
              });
              return 1e9 / *cost;
            });
          }};
}

}  // namespace

std::vector<Benchmark> read_benchmarks(const Setting& setting) {
  std::vector<Benchmark> rows;
  Benchmark& recover = rows.emplace_back();
  recover.name = "recover";
  recover.unit = "GB/s";
  recover.better = Better::kHigher;
  recover.bars = {{"", 4}};
  recover.contenders.push_back(nacre_recover(setting));
  recover.contenders.push_back(floor_recover(setting));

  Benchmark& read = rows.emplace_back();
  read.name = fmt::format("read_seq/{}", kPayloadBytes);
  read.unit = "ops/s";
  read.better = Better::kHigher;
  read.bars = {{"", 10e6}};
  read.contenders.push_back(nacre_read(setting));
  read.contenders.push_back(floor_read(setting));
  return rows;
}

}  // namespace nacre::bench
