#pragma once

// A device whose writes stay under way until a test says what becomes of them.
//
// For the block domain, which asks its engine for writes alone. A test without threads is asked, by
// `on_idle`, whenever whoever drives would have to wait; without `on_idle`, the driver sleeps.
//
// Thread safety: as IoBackend; the test's own calls from any thread.

#include <gtest/gtest.h>

#include <algorithm>
#include <chrono>
#include <condition_variable>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <filesystem>
#include <functional>
#include <mutex>
#include <span>
#include <utility>
#include <vector>

#include "nacre/io.h"

namespace nacre::test {

/// A write that is under way. Lifetime of `bytes`: until it is ended.
struct HeldWrite {
  std::filesystem::path path;
  std::uint64_t offset = 0;
  Bytes bytes;

  std::uint64_t end() const noexcept { return offset + bytes.size(); }
};

class HeldBackend final : public IoBackend {
 public:
  HeldBackend() = default;
  /// Holds from the beginning, if so.
  explicit HeldBackend(bool holds) : holds_(holds) {}
  ~HeldBackend() override { EXPECT_TRUE(held_.empty() && ended_.empty()); }

  std::function<void()> on_idle;

  /// From now on writes are done at once, and so are those under way.
  void let_go() {
    {
      const std::lock_guard lock(mutex_);
      holds_ = false;
    }
    while (count() > 0) end(0);
  }
  void hold() {
    const std::lock_guard lock(mutex_);
    holds_ = true;
  }

  std::size_t count() {
    const std::lock_guard lock(mutex_);
    return held_.size();
  }
  /// Sleeps until so many are under way.
  void await_count(std::size_t count) {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [&] { return held_.size() >= count; });
  }
  /// Sleeps until a thread sleeps in `reap`, with everything that has ended reaped.
  void await_sleeper() {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [&] { return sleeping_ && ended_.empty() && !woken_; });
  }
  /// In the order in which they came.
  std::vector<HeldWrite> held() {
    const std::lock_guard lock(mutex_);
    std::vector<HeldWrite> all;
    for (const IoOperation* operation : held_) all.push_back(write_of(*operation));
    return all;
  }

  /// The write with `index` reaches the file, and ends.
  void end(std::size_t index) {
    const std::lock_guard lock(mutex_);
    carry_out(*take(index));
  }
  /// It ends with `error`, and yet the file may have it.
  void fail(std::size_t index, const Error& error, bool reaches_file) {
    const std::lock_guard lock(mutex_);
    IoOperation* const operation = take(index);
    const HeldWrite write = write_of(*operation);
    if (reaches_file) {
      EXPECT_TRUE(operation->request.file->file().write_at(write.offset, write.bytes).has_value());
    }
    operation->outcome = error;
    give_back(*operation);
  }

  void submit(std::span<IoOperation* const> operations, bool) override {
    const std::lock_guard lock(mutex_);
    for (IoOperation* const operation : operations) {
      EXPECT_EQ(operation->request.kind, IoKind::kWrite);
      EXPECT_EQ(operation->next_in_chain, nullptr);
      if (holds_) {
        held_.push_back(operation);
      } else {
        carry_out(*operation);
      }
    }
    changed_.notify_all();
  }

  std::size_t reap(std::span<IoOperation*> ended, std::uint64_t wait_ns) override {
    std::unique_lock lock(mutex_);
    if (ended_.empty() && !woken_ && wait_ns > 0) await_end(lock, wait_ns);
    woken_ = false;
    const std::size_t count = std::min(ended.size(), ended_.size());
    std::copy_n(ended_.begin(), count, ended.begin());
    ended_.erase(ended_.begin(), ended_.begin() + static_cast<std::ptrdiff_t>(count));
    return count;
  }

  void wake() noexcept override {
    const std::lock_guard lock(mutex_);
    woken_ = true;
    changed_.notify_all();
  }
  void cancel(IoOperation&) override { ADD_FAILURE() << "nobody calls a commit back"; }
  std::size_t depth() const noexcept override { return 128; }
  const IoBackendInfo& info() const noexcept override { return info_; }
  bool holds(const IoFile& /*file*/) override { return true; }

 private:
  static HeldWrite write_of(const IoOperation& operation) {
    const IoRequest& request = operation.request;
    EXPECT_EQ(request.buffers.size(), 1U);
    return {request.file->file().path(), request.offset, request.buffers.front().bytes()};
  }

  IoOperation* take(std::size_t index) {
    IoOperation* const operation = held_.at(index);
    held_.erase(held_.begin() + static_cast<std::ptrdiff_t>(index));
    return operation;
  }

  void carry_out(IoOperation& operation) {
    const HeldWrite write = write_of(operation);
    operation.outcome = operation.request.file->file().write_at(write.offset, write.bytes);
    operation.transferred = write.bytes.size();
    give_back(operation);
  }

  void give_back(IoOperation& operation) {
    ended_.push_back(&operation);
    changed_.notify_all();
  }

  void await_end(std::unique_lock<std::mutex>& lock, std::uint64_t wait_ns) {
    const auto has_news = [this] { return !ended_.empty() || woken_; };
    if (on_idle) {
      EXPECT_FALSE(held_.empty()) << "somebody waits for nothing";
      lock.unlock();
      on_idle();
      lock.lock();
      return;
    }
    sleeping_ = true;
    changed_.notify_all();
    if (wait_ns == kForever) {
      changed_.wait(lock, has_news);
    } else {
      changed_.wait_for(lock, std::chrono::nanoseconds(wait_ns), has_news);
    }
    sleeping_ = false;
  }

  const IoBackendInfo info_{.name = "held", .reason = "for tests", .features = {}};
  std::mutex mutex_;  // Over all that follows.
  std::condition_variable changed_;
  bool holds_ = false;
  bool woken_ = false;
  bool sleeping_ = false;
  std::deque<IoOperation*> held_;
  std::deque<IoOperation*> ended_;
};

}  // namespace nacre::test
