#pragma once

// A backend that does nothing, and ends operations when and how a test says.
//
// Operations that are begun wait in `in_flight`. Whenever the scheduler waits in `reap`, `on_wait`
// decides what becomes of them, by `end`; a test without one ends operations beforehand. When time
// is all that is waited for, the test's clock moves there.

#include <gtest/gtest.h>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <functional>
#include <span>
#include <utility>
#include <vector>

#include "nacre/clock.h"
#include "nacre/io.h"

namespace nacre::test {

class FakeIoBackend final : public IoBackend {
 public:
  FakeIoBackend(std::size_t depth, ManualClock& clock) : depth_(depth), clock_(clock) {}
  ~FakeIoBackend() override { EXPECT_TRUE(in_flight.empty() && ended_.empty()); }

  /// Ends an operation with its whole transfer; the steps of a chain all end the same.
  void end(IoOperation& operation) { end_short(operation, operation.request.buffer_bytes()); }
  void end_short(IoOperation& operation, std::size_t bytes) {
    std::erase(in_flight, &operation);
    for (IoOperation* step = &operation; step != nullptr; step = step->next_in_chain) {
      step->transferred = bytes;
      ended_.push_back(step);
    }
  }
  void end(IoOperation& operation, const Error& error) {
    end_short(operation, 0);
    for (IoOperation* step = &operation; step != nullptr; step = step->next_in_chain) {
      step->outcome = error;
    }
  }
  void end_all() {
    while (!in_flight.empty()) end(*in_flight.front());
  }

  void submit(std::span<IoOperation* const> operations, bool) override {
    for (IoOperation* const operation : operations) {
      in_flight.push_back(operation);
      std::size_t steps = 0;
      for (IoOperation* step = operation; step != nullptr; step = step->next_in_chain) ++steps;
      slots_ += steps;
      begun += 1;
      if (on_submit) on_submit(*operation);
    }
    EXPECT_LE(slots_, depth_);
  }

  std::size_t reap(std::span<IoOperation*> ended, std::uint64_t wait_ns) override {
    if (ended_.empty() && !woken_ && wait_ns > 0) {
      const std::uint64_t until_ns =
          wait_ns == kForever ? kForever : clock_.monotonic_ns() + wait_ns;
      if (on_wait) {
        on_wait(until_ns);
      } else if (wait_ns == kForever) {
        ADD_FAILURE() << "waits for ever";
        end_all();
      } else {
        clock_.advance_ns(wait_ns);
      }
    }
    woken_ = false;
    const std::size_t count = std::min(ended.size(), ended_.size());
    std::copy_n(ended_.begin(), count, ended.begin());
    ended_.erase(ended_.begin(), ended_.begin() + static_cast<std::ptrdiff_t>(count));
    slots_ -= count;
    return count;
  }

  void wake() noexcept override { woken_ = true; }

  void cancel(IoOperation& operation) override {
    EXPECT_TRUE(std::ranges::find(in_flight, &operation) != in_flight.end() ||
                std::ranges::find(ended_, &operation) != ended_.end())
        << "cancels what is not in flight";
    ++cancels;
    if (refuse_cancels) return;
    if (std::ranges::find(in_flight, &operation) == in_flight.end()) return;
    end(operation, Error(ErrorCode::kCancelled, "called back"));
  }

  std::size_t depth() const noexcept override { return depth_; }
  const IoBackendInfo& info() const noexcept override { return info_; }

  std::deque<IoOperation*> in_flight;  ///< Heads of chains, in the order they were begun.
  std::size_t begun = 0;
  std::size_t cancels = 0;
  bool refuse_cancels = false;
  std::function<void(IoOperation&)> on_submit;
  std::function<void(std::uint64_t until_ns)> on_wait;

 private:
  const std::size_t depth_;
  ManualClock& clock_;
  IoBackendInfo info_{.name = "fake", .reason = "for tests", .features = {}};
  std::deque<IoOperation*> ended_;
  std::size_t slots_ = 0;
  bool woken_ = false;
};

/// A file that is nothing but an address.
class NoFile final : public File {
 public:
  const std::filesystem::path& path() const noexcept override { return path_; }
  Result<std::size_t> read_at(std::uint64_t, std::span<std::byte>) override { return 0U; }
  Status write_at(std::uint64_t, Bytes) override { return {}; }
  Status preallocate(std::uint64_t, std::uint64_t) override { return {}; }
  Status resize(std::uint64_t) override { return {}; }
  Status sync_data() override { return {}; }
  Status sync() override { return {}; }
  Result<std::uint64_t> size() override { return 0U; }
  Status lock_exclusive() override { return {}; }
  int native_handle() const noexcept override { return -1; }

 private:
  std::filesystem::path path_ = "no_file";
};

}  // namespace nacre::test
