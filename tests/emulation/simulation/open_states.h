#pragma once

// What a persistence model leaves open, for tests that want every state of it.

#include <algorithm>
#include <cstddef>
#include <cstring>
#include <functional>
#include <set>
#include <string>
#include <vector>

#include "emulation/simulation/persistence_model.h"

namespace nacre::test {

/// Media of some KiB, zeros at first.
class DefiniteMemory final : public DefiniteBytes {
 public:
  explicit DefiniteMemory(std::size_t bytes) : bytes_(bytes) {}
  Bytes read(MediaAddress address, std::size_t bytes) const override {
    return Bytes(bytes_).subspan(address, bytes);
  }
  void write(MediaAddress address, Bytes bytes) override {
    std::ranges::copy(bytes, bytes_.begin() + static_cast<std::ptrdiff_t>(address));
  }
  std::uint64_t number(MediaAddress address) const {
    std::uint64_t value = 0;
    std::memcpy(&value, bytes_.data() + address, sizeof value);
    return value;
  }
  void set_number(MediaAddress address, std::uint64_t value) {
    write(address, std::as_bytes(std::span(&value, 1)));
  }

 private:
  std::vector<std::byte> bytes_;
};

/// What `show` says of every state that a crash may leave.
inline std::set<std::string> open_states(
    const PersistenceModel& model, const DefiniteMemory& definite,
    const std::function<std::string(const DefiniteMemory&)>& show) {
  CrashState state;
  model.collect(state);
  std::set<std::string> all;
  const std::function<void(std::size_t, const DefiniteMemory&)> decide =
      [&](std::size_t granule, const DefiniteMemory& memory) {
        if (granule == state.granules.size()) {
          all.insert(show(memory));
          return;
        }
        for (const Candidate& candidate : state.granules[granule].candidates) {
          DefiniteMemory next = memory;
          for (const Patch& patch : candidate.patches) next.write(patch.address, patch.bytes);
          decide(granule + 1, next);
        }
      };
  decide(0, definite);
  return all;
}

}  // namespace nacre::test
