#pragma once

// A domain whose commits can be held up before they begin.
//
// Thread safety: every member may be called from any thread. Whoever waits for something that does
// not come waits for ever: that is how a lost wake-up shows.

#include <condition_variable>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <utility>

#include "lib/base/try.h"
#include "nacre/pmem.h"

namespace nacre::test {

/// Holds up whoever passes while it is shut.
class Gate {
 public:
  void shut() {
    const std::scoped_lock lock(mutex_);
    shut_ = true;
  }
  void open() {
    const std::scoped_lock lock(mutex_);
    shut_ = false;
    changed_.notify_all();
  }
  void pass() {
    std::unique_lock lock(mutex_);
    ++held_;
    changed_.notify_all();
    changed_.wait(lock, [&] { return !shut_; });
    --held_;
  }
  /// Returns when somebody is held up.
  void await_held() {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [&] { return shut_ && held_ > 0; });
  }

 private:
  std::mutex mutex_;
  std::condition_variable changed_;
  bool shut_ = false;
  std::size_t held_ = 0;
};

class GatedRegion final : public pmem::Region {
 public:
  GatedRegion(std::unique_ptr<pmem::Region> inner, Gate& gate)
      : Region(inner->data(), inner->size(), inner->synchronous(), inner->commit_granule(),
               inner->takes_plain_stores()),
        inner_(std::move(inner)),
        gate_(gate) {}

  void copy(std::size_t offset, Bytes source) noexcept override { inner_->copy(offset, source); }
  void stream(std::size_t offset, Bytes head, Bytes body) noexcept override {
    inner_->stream(offset, head, body);
  }
  void store_u64(std::size_t offset, std::uint64_t value) noexcept override {
    inner_->store_u64(offset, value);
  }
  void flush(std::size_t offset, std::size_t bytes) noexcept override {
    inner_->flush(offset, bytes);
  }
  void fence() noexcept override { inner_->fence(); }
  Result<pmem::Ticket> commit(std::size_t begin, std::size_t end) override {
    gate_.pass();
    return inner_->commit(begin, end);
  }
  Status wait(pmem::Ticket ticket) override { return inner_->wait(ticket); }
  void commit_then(std::size_t begin, std::size_t end, pmem::CommitDriver driver,
                   pmem::CommitCallback done) override {
    gate_.pass();
    inner_->commit_then(begin, end, driver, std::move(done));
  }

 private:
  const std::unique_ptr<pmem::Region> inner_;
  Gate& gate_;
};

/// Hands everything on; commits pass `gate`, those of headers too.
class GatedDomain final : public pmem::Domain {
 public:
  GatedDomain(std::unique_ptr<pmem::Domain> inner, Gate& gate)
      : inner_(std::move(inner)), gate_(gate) {}

  const DomainInfo& info() const noexcept override { return inner_->info(); }
  OpenOptions open_options() const noexcept override { return inner_->open_options(); }
  Result<std::unique_ptr<pmem::Region>> map(std::unique_ptr<File> file, std::size_t bytes,
                                            pmem::MapContent content) override {
    return std::make_unique<GatedRegion>(NACRE_TRY(inner_->map(std::move(file), bytes, content)),
                                         gate_);
  }
  bool drive(const std::function<bool()>& done) override { return inner_->drive(done); }
  Status hold(File& lock) override { return inner_->hold(lock); }
  void let_go(File& lock) noexcept override { inner_->let_go(lock); }

 private:
  const std::unique_ptr<pmem::Domain> inner_;
  Gate& gate_;
};

}  // namespace nacre::test
