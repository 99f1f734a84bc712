#include <malloc.h>

#include <algorithm>
#include <cstdio>
#include <fstream>
#include <map>
#include <memory>
#include <string>
#include <utility>

#include "bench/scratch.h"
#include "bench/wal_rows.h"
#include "lib/base/try.h"
#include "nacre/wal.h"

namespace nacre::bench {
namespace {

constexpr std::uint64_t kSegmentBytes = std::uint64_t{64} << 20;
constexpr std::uint64_t kPayloadBytes = 100;
constexpr std::uint64_t kAppends = 100;

struct Mapping {
  std::uint64_t bytes = 0;
  std::uint64_t anonymous_bytes = 0;  ///< Resident, and no file's.
  std::string path;
};

/// This process's mappings by their first address, from /proc/self/smaps (proc_pid_smaps(5)).
std::map<std::uint64_t, Mapping> own_mappings() {
  std::map<std::uint64_t, Mapping> mappings;
  Mapping* current = nullptr;
  std::ifstream smaps("/proc/self/smaps");
  for (std::string line; std::getline(smaps, line);) {
    unsigned long long begin = 0;
    unsigned long long end = 0;
    unsigned long long kib = 0;
    int path_at = 0;
    if (std::sscanf(line.c_str(), "%llx-%llx %*s %*s %*s %*s %n", &begin, &end, &path_at) == 2) {
      current = &mappings[begin];
      current->bytes = end - begin;
      current->path = line.substr(static_cast<std::size_t>(path_at));
    } else if (current != nullptr && std::sscanf(line.c_str(), "Anonymous: %llu kB", &kib) == 1) {
      current->anonymous_bytes = kib * 1024;
    }
  }
  return mappings;
}

/// Memory of this process' own, without the log's image: at most one segment's worth of the largest
/// mapping that was not there in `before`. Mapped files (the log's, and this program's code, which
/// is read in as it first runs) are not its own.
std::uint64_t own_bytes_beside_image(const std::map<std::uint64_t, Mapping>& mappings,
                                     const std::map<std::uint64_t, Mapping>& before) {
  std::uint64_t own = 0;
  std::uint64_t image = 0;
  for (const auto& [begin, mapping] : mappings) {
    own += mapping.anonymous_bytes;
    const bool may_be_image =
        mapping.path.empty() && mapping.bytes >= kSegmentBytes && !before.contains(begin);
    if (may_be_image) {
      image = std::max(image, std::min<std::uint64_t>(mapping.anonymous_bytes, kSegmentBytes));
    }
  }
  return own - image;
}

Result<double> measure_open(const std::filesystem::path& directory, DomainRequest domain) {
  const Payloads payloads(kPayloadBytes);
  // What earlier rows have freed goes back first, or the log would live in it unseen.
  malloc_trim(0);
  const auto before = own_mappings();
  WalOptions options;
  options.segment_bytes = kSegmentBytes;
  options.domain = domain;
  Wal wal = NACRE_TRY(Wal::open(directory, options));
  for (std::uint64_t i = 0; i < kAppends; ++i) {
    NACRE_TRY(wal.lane(0).append(payloads.at(i)));
  }
  const std::uint64_t own_before = own_bytes_beside_image(before, before);
  const std::uint64_t own_after = own_bytes_beside_image(own_mappings(), before);
  if (own_after <= own_before) {
    return Error(ErrorCode::kIo, "the process shrank while it opened a log");
  }
  return static_cast<double>(own_after - own_before);
}

Benchmark memory_row(std::string name, const std::filesystem::path& parent, DomainRequest domain) {
  Benchmark row{.name = std::move(name),
                .unit = "bytes",
                .better = Better::kLower,
                .contenders = {},
                .bars = {{"", 1 << 20}}};
  row.contenders.push_back(
      {"nacre", Role::kNacre,
       "memory a process gains by opening a log of one lane and appending to it, beside the "
       "mapping or image",
       [=]() -> Result<Measure> {
         if (parent.empty()) return Error(ErrorCode::kNotFound, "no directory for this domain");
         return Measure([=](Nanoseconds) -> Result<double> {
           // A fresh process and a fresh log each time: an allocator keeps what it once had.
           const ScratchDirectory directory = NACRE_TRY(ScratchDirectory::create(parent));
           return measure_in_child([&] { return measure_open(directory.path() / "wal", domain); });
         });
       }});
  return row;
}

}  // namespace

std::vector<Benchmark> memory_benchmarks(const Setting& setting) {
  std::vector<Benchmark> rows;
  rows.push_back(memory_row("open_memory", setting.memory_directory, DomainRequest::kEmulated));
  rows.push_back(memory_row("open_memory/block", setting.disk_directory, DomainRequest::kBlock));
  return rows;
}

}  // namespace nacre::bench
