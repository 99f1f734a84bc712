#pragma once

// A handful of stores, flushes and fences for a model of persistence, and what a crash may then
// leave, word by word.

#include <gtest/gtest.h>

#include <cstdint>
#include <cstring>
#include <set>
#include <vector>

#include "emulation/simulation/granule.h"
#include "emulation/simulation/persistence_model.h"
#include "emulation/simulation/trace.h"

namespace nacre {

/// Media of 16 KiB, zeros at first.
class ScriptMedia final : public DefiniteBytes {
 public:
  Bytes read(MediaAddress address, std::size_t bytes) const override {
    return Bytes(bytes_).subspan(address, bytes);
  }
  void write(MediaAddress address, Bytes bytes) override {
    std::memcpy(bytes_.data() + address, bytes.data(), bytes.size());
  }
  std::vector<std::byte> bytes_ = std::vector<std::byte>(std::size_t{16} << 10);
};

/// `Model` is constructed from the media and `arguments`.
template <class Model>
class MediaScript {
 public:
  using Words = std::vector<std::uint64_t>;

  template <class... Arguments>
  explicit MediaScript(Arguments... arguments) : model_(media_, arguments...) {}

  /// The low `bytes` bytes of `value`, which lie in one word.
  MediaScript& store(MediaAddress address, std::uint64_t value, std::uint16_t thread = 0,
                     std::size_t bytes = 8) {
    return write(EventKind::kStore, address, value, thread, bytes);
  }
  MediaScript& stream(MediaAddress address, std::uint64_t value, std::uint16_t thread = 0,
                      std::size_t bytes = 8) {
    return write(EventKind::kStream, address, value, thread, bytes);
  }
  MediaScript& flush(MediaAddress address, std::size_t bytes = 8, std::uint16_t thread = 0) {
    trace_.add({.kind = EventKind::kFlush, .thread = thread, .address = address, .value = bytes});
    return apply_last();
  }
  MediaScript& fence(std::uint16_t thread = 0) {
    trace_.add({.kind = EventKind::kFence, .thread = thread});
    return apply_last();
  }
  MediaScript& sync(MediaAddress address, std::size_t bytes) {
    trace_.add({.kind = EventKind::kMemorySync, .address = address, .value = bytes});
    return apply_last();
  }
  /// Whether the last flush, fence or sync made anything definite.
  bool narrowed() const noexcept { return narrowed_; }

  /// What these words may hold together after a crash here.
  std::set<Words> states(const std::vector<MediaAddress>& addresses) const {
    CrashState state;
    model_.collect(state);
    std::set<Words> found;
    add_states(state, 0, media_.bytes_, addresses, found);
    return found;
  }

 private:
  MediaScript& write(EventKind kind, MediaAddress address, std::uint64_t value,
                     std::uint16_t thread, std::size_t bytes) {
    std::byte written[sizeof value];
    std::memcpy(written, &value, sizeof value);
    trace_.add({.kind = kind, .thread = thread, .address = address}, Bytes(written, bytes));
    return apply_last();
  }
  MediaScript& apply_last() {
    const std::size_t index = trace_.events().size() - 1;
    narrowed_ = model_.narrows(trace_, index);
    model_.apply(trace_, index);
    return *this;
  }
  static void add_states(const CrashState& state, std::size_t granule,
                         const std::vector<std::byte>& media,
                         const std::vector<MediaAddress>& addresses, std::set<Words>& found) {
    if (granule == state.granules.size()) {
      Words words(addresses.size());
      for (std::size_t i = 0; i < words.size(); ++i) {
        std::memcpy(&words[i], media.data() + addresses[i], sizeof words[i]);
      }
      found.insert(words);
      return;
    }
    for (const Candidate& candidate : state.granules[granule].candidates) {
      std::vector<std::byte> chosen = media;
      for (const Patch& patch : candidate.patches) {
        std::memcpy(chosen.data() + patch.address, patch.bytes.data(), patch.bytes.size());
      }
      add_states(state, granule + 1, chosen, addresses, found);
    }
  }

  ScriptMedia media_;
  Model model_;
  Trace trace_;
  bool narrowed_ = false;
};

}  // namespace nacre
