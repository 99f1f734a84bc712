#pragma once

// Media as the models of persistence take them.

#include <algorithm>
#include <cstring>
#include <utility>
#include <vector>

#include "emulation/simulation/media.h"
#include "emulation/simulation/persistence_model.h"

namespace nacre {

/// What is definite is what a machine goes back to.
class SavedBytes final : public DefiniteBytes {
 public:
  explicit SavedBytes(Media& media) : media_(media) {}
  Bytes read(MediaAddress address, std::size_t bytes) const override {
    return media_.saved(address, bytes);
  }
  void write(MediaAddress address, Bytes bytes) override { media_.save_bytes(address, bytes); }

 private:
  Media& media_;
};

/// What a machine goes back to, with what crashes have decided over it, and nothing kept of it.
class DecidedBytes final : public DefiniteBytes {
 public:
  /// Lifetime: `saved`, and what is written, outlive this.
  explicit DecidedBytes(const Media& saved) : saved_(saved) {}
  /// Valid until the next call.
  Bytes read(MediaAddress address, std::size_t bytes) const override {
    const Bytes below = saved_.saved(address, bytes);
    read_.assign(below.begin(), below.end());
    for (const auto& [at, decided] : decided_) {
      const MediaAddress begin = std::max(at, address);
      const MediaAddress end = std::min(at + decided.size(), address + bytes);
      if (begin >= end) continue;
      std::memcpy(&read_[begin - address], &decided[begin - at], end - begin);
    }
    return read_;
  }
  void write(MediaAddress address, Bytes bytes) override { decided_.emplace_back(address, bytes); }

 private:
  const Media& saved_;
  std::vector<std::pair<MediaAddress, Bytes>> decided_;
  mutable std::vector<std::byte> read_;
};

/// What a machine holds now.
class PresentBytes final : public DefiniteBytes {
 public:
  explicit PresentBytes(Media& media) : media_(media) {}
  Bytes read(MediaAddress address, std::size_t bytes) const override {
    return {media_.open(address), bytes};
  }
  void write(MediaAddress address, Bytes bytes) override { media_.place(address, bytes); }

 private:
  Media& media_;
};

}  // namespace nacre
