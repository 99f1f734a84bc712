#include "tools/key_range.h"

#include <string_view>
#include <utility>

#include "lib/base/try.h"

namespace nacre::tools {
namespace {

/// The first key, bytewise, behind all that begin with `prefix`; none when nothing is behind them.
std::optional<std::string> behind_prefix(std::string prefix) {
  while (!prefix.empty() && prefix.back() == '\xFF') prefix.pop_back();
  if (prefix.empty()) return {};
  prefix.back() = static_cast<char>(prefix.back() + 1);
  return prefix;
}

}  // namespace

RangeWalk::RangeWalk(StoreIterator iterator, KeyRange range, Comparator order)
    : iterator_(std::move(iterator)), range_(std::move(range)), order_(std::move(order)) {
  narrow_to_prefix();
}

/// In other orders than this one all keys are looked at, and those with the prefix are shown.
void RangeWalk::narrow_to_prefix() {
  if (range_.prefix.empty() || order_.name() != Comparator::bytewise().name()) return;
  if (!range_.from || *range_.from < range_.prefix) range_.from = range_.prefix;
  const auto behind = behind_prefix(range_.prefix);
  if (behind && (!range_.to || *behind < *range_.to)) range_.to = behind;
}

Result<bool> RangeWalk::next() {
  do {
    if (!begun_) {
      begin();
    } else if (range_.reverse) {
      iterator_.prev();
    } else {
      iterator_.next();
    }
    if (!iterator_.valid()) {
      NACRE_TRY(iterator_.status());
      return false;
    }
    if (is_past_end()) return false;
  } while (!as_text(iterator_.key()).starts_with(range_.prefix));
  return true;
}

void RangeWalk::begin() {
  begun_ = true;
  if (!range_.reverse) {
    range_.from ? iterator_.seek(as_bytes(*range_.from)) : iterator_.seek_first();
    return;
  }
  if (!range_.to) return iterator_.seek_last();
  iterator_.seek_for_prev(as_bytes(*range_.to));
  if (iterator_.valid() && order_(iterator_.key(), as_bytes(*range_.to)) == 0) iterator_.prev();
}

bool RangeWalk::is_past_end() const {
  if (range_.reverse) return range_.from && order_(iterator_.key(), as_bytes(*range_.from)) < 0;
  return range_.to && order_(iterator_.key(), as_bytes(*range_.to)) >= 0;
}

}  // namespace nacre::tools
