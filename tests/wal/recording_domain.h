#pragma once

// A persistence domain that writes down what is asked of it, and hands everything on. Around the
// emulated domain it stands in for persistent memory that survives power loss.
//
// Thread safety: one thread at a time.

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <utility>
#include <vector>

#include "lib/base/try.h"
#include "nacre/pmem.h"

namespace nacre::test {

enum class RegionOperation : std::uint8_t { kCopy, kStream, kFlush, kFence, kCommit };

struct RegionEvent {
  RegionOperation operation = RegionOperation::kFence;
  std::filesystem::path path;
  std::size_t offset = 0;
  std::size_t bytes = 0;
};

class RecordingRegion final : public pmem::Region {
 public:
  RecordingRegion(std::unique_ptr<pmem::Region> inner, std::filesystem::path path,
                  std::vector<RegionEvent>& events)
      : Region(inner->data(), inner->size(), inner->synchronous(), inner->commit_granule(),
               inner->takes_plain_stores()),
        inner_(std::move(inner)),
        path_(std::move(path)),
        events_(events) {}

  void copy(std::size_t offset, Bytes source) noexcept override {
    note(RegionOperation::kCopy, offset, source.size());
    inner_->copy(offset, source);
  }
  void stream(std::size_t offset, Bytes head, Bytes body) noexcept override {
    note(RegionOperation::kStream, offset, head.size() + body.size());
    inner_->stream(offset, head, body);
  }
  void store_u64(std::size_t offset, std::uint64_t value) noexcept override {
    note(RegionOperation::kCopy, offset, sizeof value);
    inner_->store_u64(offset, value);
  }
  void flush(std::size_t offset, std::size_t bytes) noexcept override {
    note(RegionOperation::kFlush, offset, bytes);
    inner_->flush(offset, bytes);
  }
  void fence() noexcept override {
    note(RegionOperation::kFence, 0, 0);
    inner_->fence();
  }
  Result<pmem::Ticket> commit(std::size_t begin, std::size_t end) override {
    note(RegionOperation::kCommit, begin, end - begin);
    return inner_->commit(begin, end);
  }
  Status wait(pmem::Ticket ticket) override { return inner_->wait(ticket); }

 private:
  void note(RegionOperation operation, std::size_t offset, std::size_t bytes) {
    events_.push_back({operation, path_, offset, bytes});
  }

  const std::unique_ptr<pmem::Region> inner_;
  const std::filesystem::path path_;
  std::vector<RegionEvent>& events_;
};

class RecordingDomain final : public pmem::Domain {
 public:
  explicit RecordingDomain(std::unique_ptr<pmem::Domain> inner)
      : inner_(std::move(inner)), info_(inner_->info()) {
    info_.survives_power_loss = true;
  }

  const DomainInfo& info() const noexcept override { return info_; }
  OpenOptions open_options() const noexcept override { return inner_->open_options(); }
  Result<std::unique_ptr<pmem::Region>> map(std::unique_ptr<File> file, std::size_t bytes,
                                            pmem::MapContent content) override {
    const auto path = file->path();
    auto inner = NACRE_TRY(inner_->map(std::move(file), bytes, content));
    return std::make_unique<RecordingRegion>(std::move(inner), path, events_);
  }

  /// In the order in which they were asked for.
  std::vector<RegionEvent>& events() { return events_; }

 private:
  const std::unique_ptr<pmem::Domain> inner_;
  DomainInfo info_;
  std::vector<RegionEvent> events_;
};

}  // namespace nacre::test
