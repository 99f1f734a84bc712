#include "tests/mutants/media_words.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <atomic>
#include <cstring>
#include <span>
#include <utility>

#include "lib/base/assert.h"
#include "lib/codec/crc32c.h"

namespace nacre::mutants {

std::uint64_t read_u64(pmem::Region& region, std::size_t offset) {
  std::uint64_t value = 0;
  std::memcpy(&value, region.load(offset, sizeof value).data(), sizeof value);
  return value;
}

void write_u64(pmem::Region& region, std::size_t offset, std::uint64_t value) {
  std::atomic_ref word(*reinterpret_cast<std::uint64_t*>(region.data() + offset));
  // Pairs with no acquire: it keeps the order of the stores, which is the order they persist in.
  word.store(value, std::memory_order_release);
}

void persist_u64(pmem::Region& region, std::size_t offset, std::uint64_t value) {
  region.store_u64(offset, value);
  region.fence();
}

void sync_range(pmem::Region& region, std::size_t begin, std::size_t end) {
  const Result<pmem::Ticket> ticket = region.commit(begin, end);
  NACRE_ASSERT(ticket && region.wait(*ticket));
}

std::uint64_t checksum_of(const Values& words) {
  const auto bytes = std::as_bytes(std::span(words));
  return std::uint64_t{crc32c(~std::uint32_t{0}, bytes)} | (std::uint64_t{1} << 32);
}

Status check_after(std::string_view what, const Values& found, const std::vector<Values>& after,
                   const CrashHistory& history) {
  const std::size_t completed = history.completed_count();
  const std::size_t begun = history.begun_count();
  for (std::size_t count = completed; count <= begun; ++count) {
    if (found == after[count]) return {};
  }
  std::string message = fmt::format("the {} holds {}; after {} operations it holds {}", what, found,
                                    completed, after[completed]);
  if (begun > completed) message += fmt::format(", and {} after the next", after[begun]);
  return corruption(std::move(message));
}

Status check_prefix(std::string_view what, const Values& found, const Values& added,
                    const CrashHistory& history) {
  std::vector<Values> after{{}};
  for (const std::uint64_t value : added) {
    after.push_back(after.back());
    after.back().push_back(value);
  }
  return check_after(what, found, after, history);
}

Status check_buffered(std::string_view what, const Values& found, const Values& added,
                      const CrashHistory& history) {
  if (found.size() < history.promised_count()) {
    return corruption(fmt::format("the {} holds {}, but {} values were promised to be durable",
                                  what, found, history.promised_count()));
  }
  if (found.size() > history.begun_count() ||
      !std::ranges::equal(found, std::span(added).first(found.size()))) {
    return corruption(fmt::format("the {} holds {}, which is no prefix of {}", what, found, added));
  }
  return {};
}

Error corruption(std::string message) { return Error(ErrorCode::kCorruption, std::move(message)); }

}  // namespace nacre::mutants
