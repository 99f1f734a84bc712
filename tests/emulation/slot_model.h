#pragma once

// What a file should hold after requests that went wrong as planned.
//
// The file is cut into slots, with one request under way on each at a time, so that it is known in
// which order things happened to it. Misdirected writes of a slot land in its shadow, as far behind
// the slots as the slot lies from the start.

#include <cstddef>
#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <span>
#include <string_view>
#include <vector>

#include "nacre/emulation/fault_plan.h"
#include "nacre/result.h"

namespace nacre::test {

inline constexpr std::size_t kSlots = 24;
inline constexpr std::size_t kSlotBytes = 12288;
inline constexpr std::size_t kShadowBytes = kSlots * kSlotBytes;

/// How a request ended, or, of a step of a chain, how it must have. One whose time was up counts as
/// cancelled.
enum class Ending : std::uint8_t { kDone, kFailed, kCancelled };

/// What the file holds of a slot, zeros standing for what lies behind its end.
struct SlotMedia {
  std::span<const std::byte> slot;
  std::span<const std::byte> shadow;
};

class SlotModel {
 public:
  explicit SlotModel(std::uint64_t offset, bool direct) : offset_(offset), direct_(direct) {}

  std::uint64_t offset() const noexcept { return offset_; }

  /// A request on the slot is about to be made.
  void expect() { begun_.reset(); }
  /// The plan has begun it, perhaps as a part of a larger one.
  void begin(const FileEvent& event) { begun_ = event; }
  /// The fault that strikes it, if it has begun.
  const Fault* fault() const { return begun_ && begun_->fault ? &*begun_->fault : nullptr; }
  bool begun() const { return begun_.has_value(); }
  /// Whether the plan has it fail.
  bool must_fail() const;

  /// `bytes` were to be written, and it ended so. How far one came that was called back follows
  /// from `media`, the slot and its shadow as they are below all faults; it must have stopped.
  void take_write(std::span<const std::byte> bytes, Ending ending, const SlotMedia& media);
  /// Says in a failure what is wrong with what was read.
  void check_read(std::span<const std::byte> bytes);
  /// A file without any faults: the slot, and its shadow.
  void check_media(std::string_view file) const;

  void take_good_sync();
  void take_losing_sync();

 private:
  using Content = std::vector<std::byte>;

  void settle(Content& content, std::span<const std::byte> bytes, std::span<const std::byte> media);
  void heal(std::size_t bytes);

  std::uint64_t offset_;
  bool direct_;
  std::optional<FileEvent> begun_;
  Content slot_ = Content(kSlotBytes);
  Content shadow_ = Content(kSlotBytes);
  Content synced_slot_ = slot_;
  Content synced_shadow_ = shadow_;
  std::map<std::size_t, std::uint8_t> rot_;  // Bits that read wrong.
  // Where bits may read wrong or not: whoever called a write back over them cannot tell how many of
  // its bytes, if they were the old ones, were rewritten.
  std::set<std::size_t> doubtful_;
};

}  // namespace nacre::test
