#include "tests/emulation/slot_model.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <bit>

namespace nacre::test {

bool SlotModel::must_fail() const {
  if (fault() == nullptr) return false;
  return fault()->effect == FaultEffect::kError ||
         (fault()->effect == FaultEffect::kTornWrite && fault()->sys_errno != 0);
}

void SlotModel::heal(std::size_t bytes) {
  rot_.erase(rot_.begin(), rot_.lower_bound(bytes));
  doubtful_.erase(doubtful_.begin(), doubtful_.lower_bound(bytes));
}

/// Of a write that was called back: a beginning of `bytes` has arrived, and behind it nothing has
/// changed.
void SlotModel::settle(Content& content, std::span<const std::byte> bytes,
                       std::span<const std::byte> media) {
  ASSERT_EQ(media.size(), content.size());
  std::size_t arrived = 0;
  for (std::size_t i = 0; i < content.size(); ++i) {
    if (media[i] != content[i]) arrived = i + 1;
  }
  EXPECT_LE(arrived, bytes.size()) << "more has changed than was written, at " << offset_;
  arrived = std::min(arrived, bytes.size());
  EXPECT_TRUE(std::ranges::equal(bytes.first(arrived), media.first(arrived)))
      << "what was called back is neither old nor a beginning of the new, at " << offset_;
  std::ranges::copy(media, content.begin());
}

void SlotModel::take_write(std::span<const std::byte> bytes, Ending ending,
                           const SlotMedia& media) {
  if (!begun()) {
    EXPECT_EQ(ending, Ending::kCancelled) << "never begun, and yet it ended";
    return;
  }
  EXPECT_TRUE(ending == Ending::kCancelled || (ending == Ending::kFailed) == must_fail());
  const FaultEffect effect = fault() == nullptr ? FaultEffect::kSlow : fault()->effect;
  if (effect == FaultEffect::kError || effect == FaultEffect::kSkip) return;
  const bool astray = effect == FaultEffect::kMisdirectedWrite;
  if (effect == FaultEffect::kTornWrite) {
    const std::uint64_t end = begun_->offset + std::min(fault()->torn_bytes, begun_->bytes);
    const std::uint64_t kept = end - std::min(end, offset_);
    bytes = bytes.first(std::min<std::uint64_t>(kept, bytes.size()));
  }
  Content& content = astray ? shadow_ : slot_;
  // A block that is torn is written whole.
  const std::size_t rewritten = direct_ ? (bytes.size() + 4095) / 4096 * 4096 : bytes.size();
  if (ending == Ending::kCancelled) {
    settle(content, bytes, astray ? media.shadow : media.slot);
    const auto end = rot_.lower_bound(astray ? 0 : rewritten);
    for (auto rotten = rot_.begin(); rotten != end; ++rotten) doubtful_.insert(rotten->first);
    return;
  }
  if (!astray) heal(rewritten);
  std::ranges::copy(bytes, content.begin());
}

void SlotModel::check_read(std::span<const std::byte> bytes) {
  const bool struck = fault() != nullptr && fault()->effect == FaultEffect::kFlippedBit;
  const bool whole = rot_.empty() && !bytes.empty();
  int wrong_bits = 0;
  for (std::size_t i = 0; i < bytes.size(); ++i) {
    if (doubtful_.contains(i)) continue;
    const auto rotten = rot_.find(i);
    const int mask = rotten == rot_.end() ? 0 : rotten->second;
    const auto difference =
        static_cast<std::uint8_t>(std::to_integer<int>(bytes[i] ^ slot_[i]) ^ mask);
    if (difference == 0) continue;
    wrong_bits += std::popcount(difference);
    if (struck) rot_[i] |= difference;
  }
  EXPECT_LE(wrong_bits, struck ? 1 : 0) << "in the slot at " << offset_;
  // A bit that has rotted before may be struck again, and nobody sees what hits a doubtful byte.
  EXPECT_TRUE(wrong_bits == 1 || !struck || !whole) << "in the slot at " << offset_;
}

void SlotModel::check_media(std::string_view file) const {
  const auto wrong_in = [&](const Content& content, std::uint64_t from) {
    std::size_t wrong = 0;
    for (std::size_t i = 0; i < content.size(); ++i) {
      // Nothing is in a file behind its end.
      const char byte = from + i < file.size() ? file[from + i] : '\0';
      if (static_cast<std::byte>(byte) != content[i]) ++wrong;
    }
    return wrong;
  };
  EXPECT_EQ(wrong_in(slot_, offset_), 0U) << "in the slot at " << offset_;
  EXPECT_EQ(wrong_in(shadow_, kShadowBytes + offset_), 0U) << "in the shadow of " << offset_;
}

void SlotModel::take_good_sync() {
  synced_slot_ = slot_;
  synced_shadow_ = shadow_;
}

void SlotModel::take_losing_sync() {
  slot_ = synced_slot_;
  shadow_ = synced_shadow_;
}

}  // namespace nacre::test
