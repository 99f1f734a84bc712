// bench copy: what a region's `stream` and `copy` cost beside bare stores of the same lines and
// beside libpmem2's copy. The choice in docs/domains.md rests on these figures.

#include <fmt/format.h>
#include <libpmem2.h>

#include <cstdlib>
#include <cstring>
#include <memory>
#include <string>
#include <vector>

#include "bench/arguments.h"
#include "bench/command.h"
#include "bench/harness.h"
#include "bench/machine.h"
#include "bench/nt_store.h"
#include "bench/report.h"
#include "bench/scratch.h"
#include "bench/workload.h"
#include "lib/base/try.h"
#include "nacre/pmem.h"
#include "pmem/copy_routines.h"

namespace nacre::bench {
namespace {

constexpr std::size_t kArenaBytes = std::size_t{64} << 20;

struct MapDeleter {
  void operator()(pmem2_map* map) const noexcept { pmem2_map_delete(&map); }
};
using Pmem2Map = std::unique_ptr<pmem2_map, MapDeleter>;

Result<Pmem2Map> map_by_pmem2(int descriptor) {
  pmem2_config* config = nullptr;
  pmem2_source* source = nullptr;
  pmem2_map* map = nullptr;
  const bool mapped =
      pmem2_config_new(&config) == 0 && pmem2_source_from_fd(&source, descriptor) == 0 &&
      pmem2_config_set_required_store_granularity(config, PMEM2_GRANULARITY_CACHE_LINE) == 0 &&
      pmem2_map_new(&map, config, source) == 0;
  const std::string message = mapped ? "" : pmem2_errormsg();
  if (source != nullptr) pmem2_source_delete(&source);
  if (config != nullptr) pmem2_config_delete(&config);
  if (!mapped) return Error(ErrorCode::kIo, message);
  return Pmem2Map(map);
}

/// One file in memory that all contenders write to in turn, so that none has better pages.
struct Arena {
  ScratchDirectory directory;
  std::unique_ptr<pmem::Domain> domain;
  std::unique_ptr<pmem::Region> region;
  Pmem2Map pmem2;
  std::size_t position = 0;
  std::uint64_t count = 0;

  static Result<std::unique_ptr<Arena>> create(const std::filesystem::path& parent) {
    ScratchDirectory directory = NACRE_TRY(ScratchDirectory::create(parent));
    const std::filesystem::path path = directory.path() / "arena";
    const Descriptor written = NACRE_TRY(create_written_file(path, kArenaBytes));
    PosixFileSystem file_system;
    auto domain =
        NACRE_TRY(pmem::choose_domain(file_system, directory.path(), DomainRequest::kEmulated));
    auto file = NACRE_TRY(file_system.open(path, domain->open_options()));
    auto region = NACRE_TRY(domain->map(std::move(file), kArenaBytes, pmem::MapContent::kFresh));
    auto pmem2 = NACRE_TRY(map_by_pmem2(written.get()));
    return std::make_unique<Arena>(std::move(directory), std::move(domain), std::move(region),
                                   std::move(pmem2));
  }
  Arena(ScratchDirectory scratch, std::unique_ptr<pmem::Domain> found,
        std::unique_ptr<pmem::Region> mapped, Pmem2Map also_mapped)
      : directory(std::move(scratch)),
        domain(std::move(found)),
        region(std::move(mapped)),
        pmem2(std::move(also_mapped)) {}

  /// The offset of the next record, round and round.
  std::size_t next(std::size_t bytes) noexcept {
    if (position + bytes > kArenaBytes) position = 0;
    const std::size_t at = position;
    position += bytes;
    ++count;
    return at;
  }
};

/// A head as a lane builds it: by 8-byte stores, different every time.
struct Head {
  std::uint64_t words[kRecordHeaderBytes / sizeof(std::uint64_t)];
  explicit Head(std::uint64_t count) noexcept : words{count * 0x9e3779b97f4a7c15, count, 7} {}
  const std::byte* bytes() const noexcept { return reinterpret_cast<const std::byte*>(words); }
};

/// `operation(count)` writes one record and fences.
template <class Operation>
Contender contender(const std::string& name, Role role, const std::string& tuning,
                    Operation operation) {
  return {
      .name = name, .role = role, .tuning = tuning, .prepare = [operation]() -> Result<Measure> {
        return [operation](Nanoseconds slice) -> Result<double> {
          return *ns_per_operation(slice, [&](std::uint64_t n) {
            for (; n > 0; --n) operation();
            return true;
          });
        };
      }};
}

Contender floor(Arena& arena, const Payloads& payloads, std::size_t bytes) {
  return {.name = "floor",
          .role = Role::kFloor,
          .tuning = "bare non-temporal stores of the same lines, one fence",
          .prepare = [&arena, &payloads, bytes]() -> Result<Measure> {
            return [loop = FloorLoop{.range = {arena.region->data(), kArenaBytes},
                                     .source = payloads.data(),
                                     .source_stride = payloads.stride(),
                                     .record_bytes = bytes}](
                       Nanoseconds slice) mutable -> Result<double> {
              return *ns_per_operation(slice, [&](std::uint64_t n) {
                run_floor(loop, n);
                return true;
              });
            };
          }};
}

/// A record: head and body, zero-filled to whole lines.
Benchmark stream_benchmark(Arena& arena, const Payloads& payloads, std::size_t body_bytes) {
  const std::size_t bytes = record_bytes(body_bytes);
  Benchmark benchmark{.name = fmt::format("stream/{}", body_bytes),
                      .unit = "ns/op",
                      .contenders = {},
                      .bars = {{.versus = "floor", .factor = 1.05}}};
  benchmark.contenders.push_back(contender(
      "nacre", Role::kNacre, "Region::stream and Region::fence", [&arena, &payloads, bytes] {
        const Head head(arena.count);
        arena.region->stream(arena.next(bytes), {head.bytes(), kRecordHeaderBytes},
                             payloads.at(arena.count));
        arena.region->fence();
      }));
  benchmark.contenders.push_back(floor(arena, payloads, bytes));
  for (const pmem::CopyRoutines& routines : pmem::supported_copy_routines()) {
    benchmark.contenders.push_back(
        contender(std::string(routines.name), Role::kVariant, "the routine without its region",
                  [&arena, &payloads, &routines, bytes] {
                    const Head head(arena.count);
                    const Bytes body = payloads.at(arena.count);
                    routines.stream(arena.region->data() + arena.next(bytes), head.bytes(),
                                    kRecordHeaderBytes, body.data(), body.size());
                    pmem::store_fence();
                  }));
  }
  const auto pmem2_memcpy = pmem2_get_memcpy_fn(arena.pmem2.get());
  auto* const base = static_cast<std::byte*>(pmem2_map_get_address(arena.pmem2.get()));
  benchmark.contenders.push_back(contender(
      "libpmem2", Role::kVariant, "record put together in a buffer, then its non-temporal memcpy",
      [&arena, &payloads, pmem2_memcpy, base, bytes] {
        alignas(64) std::byte record[8192];
        const Head head(arena.count);
        const Bytes body = payloads.at(arena.count);
        std::memcpy(record, head.bytes(), kRecordHeaderBytes);
        std::memcpy(record + kRecordHeaderBytes, body.data(), body.size());
        std::memset(record + kRecordHeaderBytes + body.size(), 0,
                    bytes - kRecordHeaderBytes - body.size());
        pmem2_memcpy(base + arena.next(bytes), record, bytes, PMEM2_F_MEM_NONTEMPORAL);
      }));
  return benchmark;
}

/// One aligned run of lines that lies ready: the copy loops alone.
Benchmark copy_benchmark(Arena& arena, const Payloads& payloads, std::size_t bytes) {
  Benchmark benchmark{.name = fmt::format("copy/{}", bytes),
                      .unit = "ns/op",
                      .contenders = {},
                      .bars = {{.versus = "floor", .factor = 1.05}}};
  benchmark.contenders.push_back(contender(
      "nacre", Role::kNacre, "Region::copy and Region::fence", [&arena, &payloads, bytes] {
        arena.region->copy(arena.next(bytes), payloads.at(arena.count));
        arena.region->fence();
      }));
  benchmark.contenders.push_back(floor(arena, payloads, bytes));
  const auto pmem2_memcpy = pmem2_get_memcpy_fn(arena.pmem2.get());
  auto* const base = static_cast<std::byte*>(pmem2_map_get_address(arena.pmem2.get()));
  for (const auto& [name, flags] :
       {std::pair{"libpmem2", 0u}, std::pair{"libpmem2-nt", unsigned{PMEM2_F_MEM_NONTEMPORAL}}}) {
    benchmark.contenders.push_back(contender(
        name, Role::kVariant,
        flags == 0 ? "its memcpy, by its own choice" : "its memcpy, non-temporal",
        [&arena, &payloads, pmem2_memcpy, base, bytes, flags] {
          pmem2_memcpy(base + arena.next(bytes), payloads.at(arena.count).data(), bytes, flags);
        }));
  }
  return benchmark;
}

Status run_benchmarks(const Arguments& arguments) {
  const std::unique_ptr<Arena> arena = NACRE_TRY(Arena::create(arguments.memory_directory));
  Plan plan;
  plan.rounds = arguments.quick ? 9 : 31;
  plan.slice = std::chrono::milliseconds(arguments.quick ? 10 : 20);
  std::vector<Row> rows;
  for (const std::size_t bytes : {16u, 64u, 256u, 1024u, 4096u}) {
    const Payloads payloads(bytes);
    rows.push_back(run(stream_benchmark(*arena, payloads, bytes), plan));
    fmt::print("{}\n", table_rows(rows.back()));
  }
  for (const std::size_t bytes : {64u, 256u, 1024u, 4096u, 65536u}) {
    const Payloads payloads(bytes);
    rows.push_back(run(copy_benchmark(*arena, payloads, bytes), plan));
    fmt::print("{}\n", table_rows(rows.back()));
  }
  return write_figures(arguments.json_file,
                       to_json(rows, describe_machine(arguments.memory_directory, {})));
}

int main_with(int argc, char** argv) {
  const auto arguments = parse_arguments(
      {.about = "nacre's copy routines against bare stores and libpmem2, in one process and run",
       .quick = "End within seconds",
       .has_rows = false},
      argc, argv);
  if (!arguments) return arguments.error();
  // libpmem2 gives out its routines for persistent memory only where it believes to have some.
  setenv("PMEM2_FORCE_GRANULARITY", "CACHE_LINE", 1);
  if (const Status done = run_benchmarks(*arguments); !done) {
    fmt::print(stderr, "bench_copy: {}\n", done.error().to_string());
    return kIncomplete;
  }
  return kSuccess;
}

}  // namespace
}  // namespace nacre::bench

int main(int argc, char** argv) {
  return nacre::bench::run_program("bench_copy",
                                   [&] { return nacre::bench::main_with(argc, argv); });
}
