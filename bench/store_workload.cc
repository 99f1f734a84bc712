#include "bench/store_workload.h"

#include <fmt/format.h>

#include <algorithm>
#include <bit>
#include <cstring>
#include <optional>
#include <thread>
#include <utility>
#include <vector>

#include "lib/base/try.h"

namespace nacre::bench {
namespace {

constexpr std::uint64_t kSeries = 1000;

/// The finalizer of SplitMix64 (Steele, Lea, Flood, OOPSLA 2014): one to one.
std::uint64_t mixed(std::uint64_t value) noexcept {
  value = (value ^ (value >> 30)) * 0xbf58476d1ce4e5b9;
  value = (value ^ (value >> 27)) * 0x94d049bb133111eb;
  return value ^ (value >> 31);
}

Status fill_share(StoreEngine& engine, const Fill& fill, std::size_t thread) {
  const Payloads values(fill.value_bytes);
  const auto session = NACRE_TRY(engine.session());
  for (std::uint64_t index = thread; index < fill.records; index += fill.threads) {
    NACRE_TRY(session->put(fill.key(index), values.at(index)));
  }
  return {};
}

}  // namespace

StoreKey pair_key(std::uint64_t first, std::uint64_t second) noexcept {
  static_assert(std::endian::native == std::endian::little);
  const std::array<std::uint64_t, 2> halves = {__builtin_bswap64(first), __builtin_bswap64(second)};
  return std::bit_cast<StoreKey>(halves);
}

StoreKey store_key(std::uint64_t index) noexcept {
  constexpr std::uint64_t kGolden = 0x9e3779b97f4a7c15;
  const std::uint64_t first = mixed((index + 1) * kGolden);
  return pair_key(first, mixed(first + kGolden));
}

StoreKey series_key(std::uint64_t index) noexcept {
  constexpr std::uint64_t kBegin = 1'700'000'000'000;
  return pair_key(mixed(index % kSeries + 1), kBegin + index / kSeries);
}

std::uint64_t headline_records(const Setting& setting) noexcept {
  return setting.quick ? 100'000 : 1'000'000;
}

std::vector<std::uint64_t> scale_records(const Setting& setting) {
  // The row without a size in its name has 1 M.
  if (setting.quick) return {};
  return {100'000, 10'000'000};
}

std::string records_name(std::uint64_t records) {
  return fmt::format("{:g}M", static_cast<double>(records) / 1e6);
}

Status fill_store(StoreEngine& engine, const Fill& fill) {
  if (fill.threads == 1) return fill_share(engine, fill, 0);
  std::vector<std::optional<Error>> errors(fill.threads);
  {
    std::vector<std::jthread> threads;
    for (std::size_t thread = 0; thread < fill.threads; ++thread) {
      threads.emplace_back([&, thread] {
        if (Status filled = fill_share(engine, fill, thread); !filled) {
          errors[thread] = filled.error();
        }
      });
    }
  }
  for (const std::optional<Error>& error : errors) {
    if (error) return *error;
  }
  return {};
}

Status check_store(StoreEngine& engine, const Fill& fill, std::uint64_t step) {
  const Payloads values(fill.value_bytes);
  const auto session = NACRE_TRY(engine.session());
  for (std::uint64_t index = 0; index < fill.records; index += step) {
    const auto found = NACRE_TRY(session->get(fill.key(index)));
    if (!found || !std::ranges::equal(*found, values.at(index))) {
      return entry_error(fmt::format("key {} of {}", index, fill.records));
    }
  }
  return {};
}

Result<OpenStore> open_in_memory(const Setting& setting, const StoreKind& kind, const Fill& fill,
                                 bool transactions) {
  ScratchDirectory directory = NACRE_TRY(ScratchDirectory::create(setting.memory_directory));
  auto engine = NACRE_TRY(kind.open({.directory = directory.path() / "store",
                                     .data_bytes = fill.data_bytes(),
                                     .transactions = transactions}));
  return OpenStore{std::move(directory), std::move(engine)};
}

Result<OpenStore*> FilledStores::of(const StoreKind& kind) {
  if (const auto found = stores_.find(kind.name); found != stores_.end()) return &found->second;
  OpenStore store = NACRE_TRY(open_in_memory(setting_, kind, fill_));
  NACRE_TRY(fill_store(*store.engine, fill_));
  NACRE_TRY(store.engine->settle());
  NACRE_TRY(check_store(*store.engine, fill_, 1));
  store.filled = fill_;
  return &stores_.emplace(kind.name, std::move(store)).first->second;
}

Result<std::shared_ptr<Reader>> reader_of(const std::shared_ptr<FilledStores>& stores,
                                          const StoreKind& kind) {
  OpenStore* store = NACRE_TRY(stores->of(kind));
  auto session = NACRE_TRY(store->engine->session());
  return std::make_shared<Reader>(Reader{stores, store, std::move(session)});
}

void keep(std::uint64_t value) noexcept { asm volatile("" : : "r"(value)); }

Measure rate_of(std::move_only_function<Status()> once) {
  return [once = std::move(once)](Nanoseconds slice) mutable -> Result<Sample> {
    std::optional<Error> error;
    const auto ns = ns_per_operation(slice, [&](std::uint64_t n) {
      for (; n > 0; --n) {
        if (Status done = once(); !done) {
          error = done.error();
          return false;
        }
      }
      return true;
    });
    if (!ns) return *error;
    return 1e9 / *ns;
  };
}

Error entry_error(std::string_view what) {
  return Error(ErrorCode::kCorruption,
               fmt::format("the store does not give back what was put: {}", what));
}

}  // namespace nacre::bench
