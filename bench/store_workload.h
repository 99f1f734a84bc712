#pragma once

// What the rows of `bench store` put into a store, and stores that several rows read.

#include <array>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "bench/harness.h"
#include "bench/scratch.h"
#include "bench/store_engine.h"
#include "bench/workload.h"
#include "nacre/types.h"

namespace nacre::bench {

inline constexpr std::size_t kStoreKeyBytes = 16;
inline constexpr std::size_t kStoreValueBytes = 100;
using StoreKey = std::array<std::byte, kStoreKeyBytes>;

/// Key number `index` of a sequence without repetition, in no order.
StoreKey store_key(std::uint64_t index) noexcept;
/// `first` and, among those with the same, `second`, in ascending order.
StoreKey pair_key(std::uint64_t first, std::uint64_t second) noexcept;
/// Key number `index` of 1000 series that grow side by side: the series, then a time, so that each
/// series is in ascending order.
StoreKey series_key(std::uint64_t index) noexcept;

/// A million, or a tenth of it with --quick.
std::uint64_t headline_records(const Setting& setting) noexcept;
/// The sizes of `scale/*`; none with --quick.
std::vector<std::uint64_t> scale_records(const Setting& setting);
/// As "0.1M", "1M", "10M".
std::string records_name(std::uint64_t records);

struct Fill {
  std::uint64_t records = 0;
  std::size_t value_bytes = kStoreValueBytes;
  std::size_t threads = 1;
  StoreKey (*key)(std::uint64_t index) noexcept = store_key;

  std::uint64_t data_bytes() const noexcept { return records * (kStoreKeyBytes + value_bytes); }
};

/// Puts `fill.records` keys; with several threads each puts its share. Errors: the first put's.
Status fill_store(StoreEngine& engine, const Fill& fill);

/// Reads every hundredth key, or all, and compares. Errors: `corruption`.
Status check_store(StoreEngine& engine, const Fill& fill, std::uint64_t step = 100);

/// An open store in a directory of its own, in memory.
struct OpenStore {
  ScratchDirectory directory;
  std::unique_ptr<StoreEngine> engine;
  Fill filled = {};
};

/// An empty one. Errors: the engine's.
Result<OpenStore> open_in_memory(const Setting& setting, const StoreKind& kind, const Fill& fill,
                                 bool transactions = false);

/// Stores that have been filled, settled and read once from end to end: one of each kind, made when
/// the first row asks for it, gone with the last row.
class FilledStores {
 public:
  FilledStores(Setting setting, Fill fill) : setting_(std::move(setting)), fill_(fill) {}
  /// Errors: the engine's; `corruption` when it does not hold what was put.
  Result<OpenStore*> of(const StoreKind& kind);
  const Fill& fill() const noexcept { return fill_; }

 private:
  Setting setting_;
  Fill fill_;
  std::map<std::string, OpenStore> stores_;
};

/// A store that some row reads from, and that row's session on it.
struct Reader {
  std::shared_ptr<FilledStores> stores;  // Keeps what the session is of.
  OpenStore* store = nullptr;
  std::unique_ptr<StoreSession> session;
};
/// Errors: as FilledStores::of.
Result<std::shared_ptr<Reader>> reader_of(const std::shared_ptr<FilledStores>& stores,
                                          const StoreKind& kind);

/// Keeps a compiler from leaving out what computes `value`.
void keep(std::uint64_t value) noexcept;

/// Calls `once` again and again: a Measure of operations a second.
Measure rate_of(std::move_only_function<Status()> once);

/// The Measure's end of a loop that failed.
Error entry_error(std::string_view what);

}  // namespace nacre::bench
