#pragma once

// The content and the size of files on a device with a volatile cache.
//
// The device writes units of 512 or 4096 bytes, each as a whole and in no order among them. What a
// write leaves is there for certain once a sync has covered it, which was submitted after the write
// had completed, or once the write itself has completed durably (O_DSYNC), with the size that it
// takes to read it. Until then each unit holds any of the contents it has had since, and the file
// has any of its sizes. Of a write, or a sync, that failed nobody knows anything, and no later sync
// makes it certain. A file that was cut short reads as zeros where it was cut, however it grows
// afterwards; where the cut is not there, neither are its zeros.
//
// Writes to one unit take effect in the order of their submission, also when they were under way at
// one time.

#include <cstdint>
#include <map>
#include <optional>
#include <vector>

#include "emulation/simulation/persistence_model.h"

namespace nacre {

class DeviceModel final : public PersistenceModel {
 public:
  /// A file that was cut short while several of its units were open: so many contents together, and
  /// the newest. CrashState::limit says where there are more.
  static constexpr std::size_t kMaxJointCandidates = 4096;

  /// `paranoid`: a unit with a write that is not durable yet may hold garbage.
  /// Lifetime: `definite` outlives this.
  DeviceModel(DefiniteBytes& definite, std::size_t unit_bytes, bool paranoid)
      : definite_(definite), unit_bytes_(unit_bytes), paranoid_(paranoid) {}

  bool narrows(const Trace& trace, std::size_t index) const override;
  void apply(const Trace& trace, std::size_t index) override;
  void collect(CrashState& state) const override;
  void clear() override { files_.clear(); }

 private:
  static constexpr std::size_t kNotYet = static_cast<std::size_t>(-1);

  /// How a change has fared. Moments are indexes of events.
  struct Progress {
    std::size_t begun = 0;
    std::size_t ended = kNotYet;
    bool failed = false;

    /// By a sync that was submitted at that moment.
    bool is_covered(std::size_t sync_begun) const { return !failed && ended < sync_begun; }
  };
  /// What one write, or one cut, does to one unit.
  struct Piece {
    Progress progress;
    bool is_cut = false;
    MediaAddress address = 0;
    std::vector<std::byte> bytes;
    const void* site = nullptr;

    MediaAddress end() const { return address + bytes.size(); }
  };
  using Unit = std::vector<Piece>;
  struct SizeChange {
    Progress progress;
    std::uint64_t value = 0;
    const void* site = nullptr;
  };
  struct File {
    std::map<MediaAddress, Unit> units;
    std::vector<SizeChange> sizes;
  };
  /// A content that a unit may have.
  struct Version {
    std::optional<std::size_t> event;  ///< Of the write that made it; none made the first.
    std::vector<std::byte> bytes;      ///< Of what all pieces touch, from `begin` on.
    const void* site = nullptr;
  };
  struct Versions {
    MediaAddress begin = 0;
    std::vector<Version> all;
  };
  class Joint;

  MediaAddress unit_of(MediaAddress address) const { return address - address % unit_bytes_; }
  std::uint64_t definite_size(MediaAddress file) const;
  std::uint64_t newest_size(MediaAddress file) const;

  void begin_write(const Trace& trace, std::size_t index);
  void resize(const Event& event, std::size_t index);
  void cut(File& file, MediaAddress begin, MediaAddress end, Piece piece);
  void add_piece(File& file, Piece piece);
  template <class Change>
  void for_write(MediaAddress file, std::size_t begun, Change change);
  void end_write(const Event& event, std::size_t index);
  void sync(const Event& event);

  /// `content`: where the file's bytes begin.
  void settle_write(MediaAddress file, MediaAddress content, std::size_t begun);
  /// The first `count` changes of size are there.
  void settle_sizes(MediaAddress file, std::size_t count);
  template <class Covered>
  void settle_pieces(Unit& unit, Covered covered);
  void forget_settled(MediaAddress file);

  Versions versions_of(const Unit& unit) const;
  void collect_unit(CrashState& state, MediaAddress address, const Unit& unit) const;
  void collect_sizes(CrashState& state, MediaAddress address, const File& file) const;
  std::vector<std::byte> garbage(MediaAddress unit) const;

  DefiniteBytes& definite_;
  std::size_t unit_bytes_;
  bool paranoid_;
  std::map<MediaAddress, File> files_;  // By where their sizes stand.
};

}  // namespace nacre
