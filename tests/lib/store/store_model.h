#pragma once

// A store and, beside it, a std::map that the same is done to: random operations, after any of
// which both must hold the same, read in every way there is, now and as of each snapshot.

#include <compare>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "nacre/clock.h"
#include "nacre/executor.h"
#include "nacre/random.h"
#include "nacre/store.h"
#include "tests/lib/store/append_operator.h"
#include "tests/wal/wal_domain.h"

namespace nacre::test {

/// Time passes as ever, but the hour is what the test says.
class WallClock final : public Clock {
 public:
  std::uint64_t monotonic_ns() noexcept override { return system_.monotonic_ns(); }
  std::uint64_t wall_ns() noexcept override { return wall_.wall_ns(); }
  void advance_ms(std::uint64_t ms) noexcept { wall_.advance_ns(ms * 1'000'000); }

 private:
  SystemClock system_;
  ManualClock wall_{std::uint64_t{1'000'000'000'000'000'000}};
};

/// Shorter keys come first.
Comparator by_length();

class StoreModel {
 public:
  struct Options {
    LogPlace place = LogPlace::kEmulatedInMemory;
    Comparator comparator = Comparator::bytewise();
    std::uint64_t seed = 0;
    /// Writes come from so many threads in turn, and so lie on as many lanes; 0: the caller's.
    std::uint32_t writers = 0;
  };
  explicit StoreModel(Options options);
  ~StoreModel();

  /// One random operation.
  void step();
  /// One random write, alone or several in a batch.
  void write();
  void reopen();
  /// Whether the store reads as the model does. Costs about as much as a few hundred reads.
  void check();

 private:
  struct Value {
    std::optional<std::string> put;
    std::uint64_t until_ms = UINT64_MAX;
    std::string operands = {};  ///< Merged into it since.
  };
  struct Less {
    Comparator order;
    bool operator()(const std::string& a, const std::string& b) const {
      return order(as_bytes(a), as_bytes(b)) < 0;
    }
  };
  using Content = std::map<std::string, Value, Less>;
  struct Held {
    Snapshot snapshot;
    Content content;
  };
  using Visible = std::vector<std::pair<std::string, std::string>>;

  void open();
  std::uint64_t below(std::uint64_t bound) { return uniform_below(random_, bound); }
  std::uint64_t now_ms() { return clock_.wall_ns() / 1'000'000; }
  std::string random_key();
  template <class Target>
  Status write_to(Target& target);
  /// Calls `write` on the thread whose turn it is.
  Status by_a_writer(const std::function<Status()>& write);
  void write_batch();
  void bulk_load();
  Visible visible(const Content& content);
  void check_against(const Content& content, const ReadOptions& options);
  void check_walks(const Visible& expected, const ReadOptions& options);
  void check_bounds(const Visible& all, ReadOptions options);
  void check_seeks(const Visible& expected, const ReadOptions& options);
  void check_lookups(const Visible& expected, const ReadOptions& options);

  const Options options_;
  SeededRandom random_;
  std::vector<std::unique_ptr<ThreadPool>> writers_;
  std::unique_ptr<TempDirectory> directory_;
  WallClock clock_;
  Content content_;
  std::uint64_t writes_ = 0;
  std::optional<Store> store_;
  std::vector<Held> held_;  // Goes before the store.
};

}  // namespace nacre::test
