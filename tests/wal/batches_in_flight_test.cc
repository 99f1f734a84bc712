// The power fails while several batches of a lane are under way, or one of them does.

#include <gtest/gtest.h>

#include <fmt/format.h>

#include <algorithm>
#include <bit>
#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <numeric>
#include <optional>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "tests/support/seed.h"
#include "tests/wal/power_cut_fixture.h"

namespace nacre {
namespace {

using test::PowerCutLog;

/// A batch leaves beside n others when it has n times as much.
constexpr std::size_t kBesideOthersBytes = 32768;
constexpr std::uint64_t kSegmentBytes = std::uint64_t{1} << 20;

/// Blocks of 4096 bytes, or sectors, that reach the media or not, each by itself. A write that is
/// dropped whole or kept whole is as likely as one that is torn.
test::Reached torn(std::mt19937_64& random) {
  const std::size_t unit = random() % 2 == 0 ? 4096 : PowerCutLog::kSectorBytes;
  return [unit, seed = random()](std::size_t write, std::size_t offset) {
    const std::uint64_t fate = std::mt19937_64(seed + write)() % 4;
    if (fate < 2) return fate == 0;
    return std::mt19937_64(seed + 1000 * (write + 1) + offset / unit)() % 4 < fate;
  };
}

/// Calls `with_all` once, when `batches` are under way, and then lets them all go. `ends` gets the
/// number of records there are at the end of each, after that of those before.
template <class F>
void with_batches(PowerCutLog& log, std::size_t batches, std::vector<std::size_t>& ends,
                  const F& with_all) {
  log.device.let_go();
  log.send(0, 10'000);
  log.run_tasks();
  log.device.hold();
  ends.assign(1, log.written[0].size());
  log.send(0, 1 + log.random() % 20'000);
  ends.push_back(log.written[0].size());
  log.device.on_idle = [&] {
    for (std::size_t count = log.device.count(); count < batches; ++count) {
      while (log.device.count() == count) log.submit(0, log.random_size());
      log.ask(0);
      ends.push_back(log.written[0].size());
    }
    with_all();
    log.device.let_go();
  };
  log.run_tasks();
  log.device.on_idle = nullptr;
}

TEST(BatchesInFlight, AnySubsetThatReachedTheMediaLeavesAPrefix) {
  for (std::size_t batches = 1; batches <= 5; ++batches) {
    PowerCutLog log(test::seed() + batches, 1, kSegmentBytes);
    std::vector<std::size_t> ends;
    with_batches(log, batches, ends, [&] {
      for (unsigned subset = 0; subset < 1U << batches; ++subset) {
        SCOPED_TRACE(fmt::format("subset {:b} of {}", subset, batches));
        const auto copy =
            log.cut([&](std::size_t write, std::size_t) { return (subset >> write & 1U) != 0; });
        log.check(copy, ends[static_cast<std::size_t>(std::countr_one(subset))]);
        if (testing::Test::HasFailure()) return;
      }
      for (int i = 0; i < 10; ++i) {
        SCOPED_TRACE(fmt::format("torn, {} of {}", i, batches));
        log.check(log.cut(torn(log.random)));
        if (testing::Test::HasFailure()) return;
      }
    });
    log.check_all_told();
    if (HasFailure()) return;
  }
}

/// A log under random load, on a device that ends writes in random order, and whose power fails
/// now and then.
class RandomLoad {
 public:
  RandomLoad(std::uint64_t seed, std::uint32_t lanes, std::uint64_t segment_bytes)
      : log_(seed, lanes, segment_bytes),
        random_(log_.random),
        capacity_(segment_bytes - kSegmentDataOffset),
        used_(lanes) {
    log_.device.on_idle = [this] { turn(); };
  }

  void run(int steps, int cuts) {
    cuts_left_ = cuts;
    for (int i = 0; i < steps && !testing::Test::HasFailure(); ++i) step();
    loaded_ = false;
    for (std::uint32_t lane = 0; lane < used_.size(); ++lane) {
      const auto& written = log_.written[lane];
      if (!written.empty()) {
        EXPECT_OK(log_.wal->lane(lane).wait(written.back().lsn));
      }
    }
    log_.run_tasks();
    log_.check_all_told();
  }
  std::size_t rotations() const { return rotations_; }
  std::size_t most_in_flight() const { return most_in_flight_; }
  std::size_t cuts_while_rotating() const { return cuts_while_rotating_; }

 private:
  /// Bounds on how far a lane's newest segment is filled; how much is sealed depends on when.
  struct Used {
    std::size_t least = 0;
    std::size_t most = 0;
  };

  std::uint32_t any_lane() { return static_cast<std::uint32_t>(random_() % used_.size()); }

  /// Not inside the device's turn: it may have to wait for the device.
  void step() {
    const std::uint32_t lane = any_lane();
    const std::size_t bytes = random_() % 4 * kBesideOthersBytes + 1 + random_() % 6000;
    if (random_() % 8 == 0) return log_.run_tasks();
    if (!send_if_it_fits(lane, bytes)) rotate(lane);
    if (random_() % 4 == 0) return;
    const auto& written = log_.written[lane];
    EXPECT_OK(log_.wal->lane(lane).wait(written[random_() % written.size()].lsn));
  }

  bool send_if_it_fits(std::uint32_t lane, std::size_t bytes) {
    // The last frame and its block may go beyond.
    const std::size_t most = bytes + 2 * wal::kBlockBytes;
    if (used_[lane].most + most > capacity_) return false;
    used_[lane].least += bytes;
    used_[lane].most += most;
    log_.send(lane, bytes);
    return true;
  }

  /// With a record that cannot fit into what is left.
  void rotate(std::uint32_t lane) {
    const std::size_t bytes = capacity_ - used_[lane].least;
    used_[lane] = {bytes, bytes + 2 * wal::kBlockBytes};
    rotating_ = true;
    ++rotations_;
    log_.submit(lane, bytes);
    rotating_ = false;
    log_.ask(lane);
  }

  /// Whoever drives has nothing to do.
  void turn() {
    const std::size_t count = log_.device.count();
    most_in_flight_ = std::max(most_in_flight_, count);
    // Such moments are rare.
    const bool rotates_with_several = rotating_ && count > 1;
    if (cuts_left_ > 0 && random_() % (rotates_with_several ? 2 : 8) == 0) {
      --cuts_left_;
      cuts_while_rotating_ += rotates_with_several ? 1 : 0;
      log_.check(log_.cut(torn(random_)));
    } else if (loaded_ && !rotating_ && random_() % 2 == 0) {
      send_if_it_fits(any_lane(), random_() % 4 * kBesideOthersBytes + 1 + random_() % 6000);
      // The first batch of another lane leaves from a task.
      log_.run_tasks();
    } else {
      log_.device.end(random_() % count);
    }
  }

  PowerCutLog log_;
  std::mt19937_64& random_;
  const std::size_t capacity_;
  std::vector<Used> used_;
  int cuts_left_ = 0;
  bool loaded_ = true;
  bool rotating_ = false;
  std::size_t rotations_ = 0;
  std::size_t most_in_flight_ = 0;
  std::size_t cuts_while_rotating_ = 0;
};

TEST(BatchesInFlight, TornTailsBehindAcknowledgementsInAnyOrderLoseNothing) {
  std::size_t most_in_flight = 0;
  for (std::uint64_t i = 0; i < 8; ++i) {
    SCOPED_TRACE(fmt::format("seed {}", test::seed() + i));
    RandomLoad load(test::seed() + i, 1, kSegmentBytes);
    load.run(60, 12);
    most_in_flight = std::max(most_in_flight, load.most_in_flight());
    if (HasFailure()) return;
  }
  EXPECT_GE(most_in_flight, 3U);
}

TEST(BatchesInFlight, SeveralLanesRotateBetweenPowerCuts) {
  std::size_t rotations = 0;
  std::size_t cuts_while_rotating = 0;
  std::size_t most_in_flight = 0;
  for (std::uint64_t i = 0; i < 12; ++i) {
    SCOPED_TRACE(fmt::format("seed {}", test::seed() + i));
    RandomLoad load(test::seed() + i, 3, kSegmentBytes / 4);
    load.run(60, 12);
    rotations += load.rotations();
    cuts_while_rotating += load.cuts_while_rotating();
    most_in_flight = std::max(most_in_flight, load.most_in_flight());
    if (HasFailure()) return;
  }
  EXPECT_GT(rotations, 10U);
  EXPECT_GT(cuts_while_rotating, 0U);
  EXPECT_GE(most_in_flight, 4U);
}

/// Ends the batches under way in that order; each fails for which `errno_of` is not 0.
template <class F>
void end_in_order(PowerCutLog& log, const std::vector<std::size_t>& order, const F& errno_of) {
  std::vector<std::size_t> left(order.size());
  std::iota(left.begin(), left.end(), 0U);
  for (const std::size_t batch : order) {
    const auto place = std::ranges::find(left, batch);
    const auto index = static_cast<std::size_t>(place - left.begin());
    left.erase(place);
    if (const int sys_errno = errno_of(batch); sys_errno != 0) {
      // It may have written all the same.
      log.device.fail(index, Error(ErrorCode::kIo, "the device says no").with_errno(sys_errno),
                      /*reaches_file=*/log.random() % 2 == 0);
    } else {
      log.device.end(index);
    }
  }
}

/// Has the batches `failing` and `also` fail among four.
void fail_in_the_middle(const std::vector<std::size_t>& order, std::size_t failing,
                        std::size_t also) {
  SCOPED_TRACE(
      fmt::format("batches {} and {} fail, in the order {}", failing, also, fmt::join(order, " ")));
  PowerCutLog log(test::seed(), 1, kSegmentBytes);
  std::vector<std::size_t> ends;
  std::optional<int> first_errno;
  with_batches(log, order.size(), ends, [&] {
    // Too small to leave beside the others.
    log.submit(0, 100);
    log.ask(0);
    ASSERT_EQ(log.device.count(), order.size());
    end_in_order(log, order, [&](std::size_t batch) {
      const int sys_errno = batch == failing ? EIO : batch == also ? EREMOTEIO : 0;
      if (sys_errno != 0 && !first_errno) first_errno = sys_errno;
      return sys_errno;
    });
  });
  log.run_tasks();
  // One before the four, them, and the open one.
  ASSERT_EQ(log.told[0].size(), 2 + order.size());
  for (std::size_t i = 0; i < log.told[0].size(); ++i) {
    const Status& status = log.told[0][i].status;
    EXPECT_EQ(status.has_value(), i <= failing) << i;
    if (!status) {
      EXPECT_EQ(status.error().sys_errno(), *first_errno);
    }
  }
  EXPECT_EQ(log.acknowledged(0), ends[failing]);
  const auto refused = log.wal->lane(0).submit(as_bytes("late"));
  ASSERT_FALSE(refused.has_value());
  EXPECT_EQ(refused.error().sys_errno(), *first_errno);
  log.check(log.cut({}));
}

// What lies before the failed batch may still become durable; what lies behind never.
TEST(BatchesInFlight, AFailureInTheMiddleIsToldToAllBehindIt) {
  std::vector<std::size_t> order = {0, 1, 2, 3};
  do {
    for (const auto& [failing, also] : {std::pair{1U, 2U}, {1U, 3U}, {2U, 4U}}) {
      fail_in_the_middle(order, failing, also);
      if (HasFailure()) return;
    }
  } while (std::ranges::next_permutation(order).found);
}

TEST(BatchesInFlight, EveryWaiterIsToldOnceWhenABatchFails) {
  std::vector<std::size_t> order = {0, 1, 2};
  do {
    SCOPED_TRACE(fmt::format("in the order {}", fmt::join(order, " ")));
    PowerCutLog log(test::seed(), 1, kSegmentBytes, /*threads=*/true);
    std::vector<Lsn> lasts;
    for (std::size_t batch = 0; batch < order.size(); ++batch) {
      // One record each: the first batch leaves at a moment of its own choice.
      lasts.push_back(log.submit(0, batch * kBesideOthersBytes + 100));
      log.ask(0);
      log.device.await_count(batch + 1);
    }
    lasts.push_back(log.submit(0, 100));
    log.ask(0);
    std::vector<Status> outcomes(2 * lasts.size());
    std::vector<std::thread> waiters;
    for (std::size_t i = 0; i < outcomes.size(); ++i) {
      waiters.emplace_back([&, i] { outcomes[i] = log.wal->lane(0).wait(lasts[i / 2]); });
    }
    end_in_order(log, order, [](std::size_t batch) { return batch == 1 ? EIO : 0; });
    for (std::thread& waiter : waiters) waiter.join();
    for (std::size_t i = 0; i < outcomes.size(); ++i) {
      EXPECT_EQ(outcomes[i].has_value(), i / 2 == 0) << i;
      if (!outcomes[i]) {
        EXPECT_EQ(outcomes[i].error().sys_errno(), EIO);
      }
    }
    // Waits for the callbacks.
    EXPECT_FALSE(log.wal->close().has_value());
    ASSERT_EQ(log.told[0].size(), lasts.size());
    for (std::size_t i = 0; i < lasts.size(); ++i) {
      EXPECT_EQ(log.told[0][i].lsn, lasts[i]);
      EXPECT_EQ(log.told[0][i].status.has_value(), i == 0);
    }
    if (HasFailure()) return;
  } while (std::ranges::next_permutation(order).found);
}

}  // namespace
}  // namespace nacre
