#pragma once

// Buffers that reads share: a read that names a group brings no memory, and gets a buffer of it
// when the backend begins it. What many streams hold is then bounded by the reads under way, and
// not by those that wait.
//
// A read that finds every buffer lent ends with `busy`. It does not wait: the buffers are with the
// caller, who may be the one that drives the backend. As long as there are as many buffers as reads
// under way and buffers in the caller's hands together, none meets that.
//
// It serves reads at the backend it was made for; at another one they may end with
// `invalid_argument`.
//
// A forked child that lets buffers go changes nothing in its parent.
//
// Thread safety: made and destroyed as an IoMemory; buffers may be let go on any thread.

#include <atomic>
#include <cstddef>
#include <memory>
#include <optional>
#include <span>
#include <vector>

#include "nacre/io.h"

namespace nacre {

class IoBufferGroup final : private IoBuffer::Home {
 public:
  /// Of every buffer's address, and of its capacity.
  static constexpr std::size_t kAlignment = 4096;
  static constexpr std::size_t kMaxBuffers = 32768;
  static constexpr std::size_t kMaxBufferBytes = std::size_t{1} << 30;

  /// Takes over `buffers`: 1 to `kMaxBuffers`, of one capacity of at most `kMaxBufferBytes`,
  /// aligned to `kAlignment` (asserted). Those whose memory is registered (IoBuffer::slot) are read
  /// into at the least cost. Lifetime: `backend` outlives it; it outlives every request that names
  /// it and every buffer lent (asserted).
  IoBufferGroup(IoBackend& backend, std::vector<IoBuffer> buffers);
  ~IoBufferGroup();
  IoBufferGroup(const IoBufferGroup&) = delete;
  IoBufferGroup& operator=(const IoBufferGroup&) = delete;

  /// The most that one read of it asks for.
  std::size_t buffer_bytes() const noexcept { return buffers_.front().capacity(); }
  /// In the order of their addresses.
  std::span<const IoBuffer> buffers() const noexcept { return buffers_; }
  /// How many are with requests that have begun, or with their callers.
  std::size_t lent() const noexcept { return lent_.load(std::memory_order_acquire); }

  /// What IoBackend::attach_group has returned. The rest is for backends too.
  int slot() const noexcept { return slot_; }
  /// The buffer `index`, which the backend has taken out of the buffers offered to it.
  IoBuffer lend(std::size_t index) noexcept;
  /// Of a group without a slot: a buffer that is free, if there is one.
  std::optional<IoBuffer> try_lend();

 private:
  struct FreeList;

  void take_back(std::span<std::byte> memory) noexcept override;

  IoBackend& backend_;
  std::vector<IoBuffer> buffers_;
  std::atomic<std::size_t> lent_{0};
  std::unique_ptr<FreeList> free_;
  int slot_;
};

}  // namespace nacre
