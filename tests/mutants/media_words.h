#pragma once

// What the programs of the corpus have in common: words on a region, and the usual oracle.

#include <cstddef>
#include <cstdint>
#include <string_view>
#include <vector>

#include "nacre/emulation/crash_test.h"
#include "nacre/pmem.h"

namespace nacre::mutants {

inline constexpr std::size_t kLine = 64;
inline constexpr std::size_t kWord = 8;
inline constexpr std::size_t kPage = 4096;

/// What most structures hold.
using Values = std::vector<std::uint64_t>;

/// Whether a program is run with its bug or without.
enum class Variant : std::uint8_t { kMutant, kCorrect };

/// Reads 8 bytes for recovery, which the simulator then sees as 8 bytes.
std::uint64_t read_u64(pmem::Region& region, std::size_t offset);

/// A plain store through the cache. Neither compiler nor processor moves it before an earlier one.
void write_u64(pmem::Region& region, std::size_t offset, std::uint64_t value);

/// A `store_u64`, which is durable on return.
void persist_u64(pmem::Region& region, std::size_t offset, std::uint64_t value);

/// `commit` of [begin, end), which is an msync in the model of mapped pages, waited for.
void sync_range(pmem::Region& region, std::size_t begin, std::size_t end);

/// CRC32C of words of a record, never 0, so that zeros prove nothing.
std::uint64_t checksum_of(const Values& words);

/// Operations are atomic and durable at their end: `found` is what the structure holds after all
/// that completed, or after one more. `after[k]` is that after the first k operations; `what` is
/// the structure's name.
Status check_after(std::string_view what, const Values& found, const std::vector<Values>& after,
                   const CrashHistory& history);

/// The same of a structure that one value is added to at a time: `after[k]` is the first k.
Status check_prefix(std::string_view what, const Values& found, const Values& added,
                    const CrashHistory& history);

/// Operations are durable once they were promised to be: `found` is a prefix of `added`, no shorter
/// than what was promised.
Status check_buffered(std::string_view what, const Values& found, const Values& added,
                      const CrashHistory& history);

/// `corruption`, of what recovery finds.
Error corruption(std::string message);

}  // namespace nacre::mutants
