#include "bench/append_contenders.h"

#include <fmt/format.h>
#include <libpmemlog.h>

#include <utility>

#include "lib/base/try.h"

namespace nacre::bench {
namespace {

struct PmemLog {
  ScratchDirectory directory;
  std::unique_ptr<PMEMlogpool, void (*)(PMEMlogpool*)> pool;
  Payloads payloads;
  std::uint64_t count = 0;

  static Result<std::unique_ptr<PmemLog>> create(const Setting& setting,
                                                 std::size_t payload_bytes) {
    ScratchDirectory directory = NACRE_TRY(ScratchDirectory::create(setting.memory_directory));
    const std::filesystem::path path = directory.path() / "pool";
    // The pool gets its pages beforehand, like every other contender.
    NACRE_TRY(create_written_file(path, append_span_bytes(setting)));
    PMEMlogpool* pool = pmemlog_create(path.c_str(), 0, 0600);
    if (pool == nullptr) return Error(ErrorCode::kIo, pmemlog_errormsg()).with_path(path);
    return std::make_unique<PmemLog>(
        std::move(directory),
        std::unique_ptr<PMEMlogpool, void (*)(PMEMlogpool*)>(pool, pmemlog_close),
        Payloads(payload_bytes));
  }

  PmemLog(ScratchDirectory scratch, std::unique_ptr<PMEMlogpool, void (*)(PMEMlogpool*)> opened,
          Payloads contents)
      : directory(std::move(scratch)), pool(std::move(opened)), payloads(std::move(contents)) {}

  bool append(std::uint64_t n) {
    for (; n > 0; --n) {
      const Bytes payload = payloads.at(count++);
      if (pmemlog_append(pool.get(), payload.data(), payload.size()) == 0) continue;
      // Full; anything else fails again after the rewind.
      pmemlog_rewind(pool.get());
      if (pmemlog_append(pool.get(), payload.data(), payload.size()) != 0) return false;
    }
    return true;
  }
};

struct MemoryClassic {
  MemoryFile memory;
  ClassicLog log;
};

struct MemoryZero {
  MemoryFile memory;
  ZeroLog log;

  /// Zero needs zeroed space. It gets that for free: its log is zeroed between slices, and a slice
  /// ends early when the space is used up.
  double ns_per_append(Nanoseconds slice) {
    constexpr int kAppendsBetweenClocks = 256;
    log.reset();
    std::uint64_t count = 0;
    bool full = false;
    const SteadyClock::time_point start = SteadyClock::now();
    SteadyClock::time_point now = start;
    while (!full && now - start < slice) {
      for (int i = 0; i < kAppendsBetweenClocks && !full; ++i) {
        full = !log.append(memory.payloads.at(count));
        if (!full) ++count;
      }
      now = SteadyClock::now();
    }
    return std::chrono::duration<double, std::nano>(now - start).count() /
           static_cast<double>(count);
  }
};

constexpr const char* kStreamedTuning =
    "the same method with line-aligned entries and non-temporal stores";

}  // namespace

Result<MemoryFile> MemoryFile::create(const Setting& setting, std::size_t payload_bytes) {
  ScratchDirectory directory = NACRE_TRY(ScratchDirectory::create(setting.memory_directory));
  MappedFile file =
      NACRE_TRY(MappedFile::create(directory.path() / "range", append_span_bytes(setting)));
  return MemoryFile{std::move(directory), std::move(file), Payloads(payload_bytes)};
}

Result<std::unique_ptr<MemoryFloor>> MemoryFloor::create(const Setting& setting,
                                                         std::size_t payload_bytes) {
  auto floor = std::make_unique<MemoryFloor>(
      MemoryFloor{NACRE_TRY(MemoryFile::create(setting, payload_bytes)), {}});
  floor->loop = {.range = floor->memory.file.bytes(),
                 .source = floor->memory.payloads.data(),
                 .source_stride = floor->memory.payloads.stride(),
                 .record_bytes = record_bytes(payload_bytes)};
  return floor;
}

std::string floor_tuning(const Setting& setting) {
  return fmt::format("{} non-temporal stores of the same lines, one sfence, over {} MiB",
                     stream_instruction_set(), append_span_bytes(setting) >> 20);
}

Contender floor_append(const Setting& setting, std::size_t payload_bytes) {
  return {"floor", Role::kFloor, floor_tuning(setting), [=]() -> Result<Measure> {
            auto floor = NACRE_TRY(MemoryFloor::create(setting, payload_bytes));
            return Measure([floor = std::move(floor)](Nanoseconds slice) -> Result<double> {
              return *ns_per_operation(slice, [&](std::uint64_t n) {
                run_floor(floor->loop, n);
                return true;
              });
            });
          }};
}

Contender libpmemlog_append(const Setting& setting, std::size_t payload_bytes) {
  return {"libpmemlog", Role::kPeer,
          fmt::format("pmemlog_append, PMEM_IS_PMEM_FORCE=1, rewound every {} MiB",
                      append_span_bytes(setting) >> 20),
          [=]() -> Result<Measure> {
            auto log = NACRE_TRY(PmemLog::create(setting, payload_bytes));
            return Measure([log = std::move(log)](Nanoseconds slice) -> Result<double> {
              const auto figure =
                  ns_per_operation(slice, [&](std::uint64_t n) { return log->append(n); });
              if (!figure) return Error(ErrorCode::kIo, pmemlog_errormsg());
              return *figure;
            });
          }};
}

Contender classic_append(const Setting& setting, std::size_t payload_bytes, WriteForm form) {
  const bool streamed = form == WriteForm::kStreamed;
  return {streamed ? "classic_streamed" : "classic", streamed ? Role::kVariant : Role::kPeer,
          streamed ? kStreamedTuning
                   : "DaMoN 2019 Classic: packed, stores and CLWB, footer, two fences",
          [=]() -> Result<Measure> {
            MemoryFile memory = NACRE_TRY(MemoryFile::create(setting, payload_bytes));
            ClassicLog log(memory.file.bytes(), form);
            auto classic = std::make_unique<MemoryClassic>(std::move(memory), log);
            return Measure([classic = std::move(classic)](Nanoseconds slice) -> Result<double> {
              std::uint64_t count = 0;
              return *ns_per_operation(slice, [&](std::uint64_t n) {
                for (; n > 0; --n) classic->log.append(classic->memory.payloads.at(count++));
                return true;
              });
            });
          }};
}

Contender zero_append(const Setting& setting, std::size_t payload_bytes, WriteForm form) {
  const bool streamed = form == WriteForm::kStreamed;
  return {streamed ? "zero_streamed" : "zero", streamed ? Role::kVariant : Role::kPeer,
          streamed ? kStreamedTuning
                   : "DaMoN 2019 Zero: packed, stores and CLWB, bit count, one fence; the zeroing "
                     "of its space is not counted",
          [=]() -> Result<Measure> {
            MemoryFile memory = NACRE_TRY(MemoryFile::create(setting, payload_bytes));
            ZeroLog log(memory.file.bytes(), form);
            auto zero = std::make_unique<MemoryZero>(std::move(memory), log);
            return Measure([zero = std::move(zero)](Nanoseconds slice) -> Result<double> {
              return zero->ns_per_append(slice);
            });
          }};
}

}  // namespace nacre::bench
