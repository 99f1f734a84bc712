#include "lib/store/compaction.h"

#include <optional>
#include <span>
#include <utility>

#include "lib/base/try.h"
#include "lib/store/table_cursor.h"
#include "lib/store/table_format.h"

namespace nacre::store {

/// All versions in tables that do not overlap, in order.
class CompactionRun::Input {
 public:
  explicit Input(std::span<const TableHandle> tables) : rest_(tables) {}

  Status begin() { return go_on(); }
  bool valid() const noexcept { return cursor_.has_value(); }
  Entry entry() const noexcept { return cursor_->entry(); }
  Status next() {
    NACRE_TRY(cursor_->next());
    return cursor_->valid() ? Status() : go_on();
  }

 private:
  Status go_on() {
    cursor_.reset();
    while (!rest_.empty()) {
      cursor_.emplace(*rest_.front());
      rest_ = rest_.subspan(1);
      NACRE_TRY(cursor_->seek_first());
      if (cursor_->valid()) return {};
      cursor_.reset();
    }
    return {};
  }

  std::span<const TableHandle> rest_;
  std::optional<TableCursor> cursor_;
};

namespace {

/// A run tells what it has moved, and may be held up, as often as this.
constexpr std::uint64_t kBytesToPace = std::uint64_t{256} << 10;

std::uint64_t bytes_of(const Entry& entry) noexcept {
  return entry_bytes(entry.key.size(), entry.value.size());
}

KeyVersions::Options at_level(KeyVersions::Options versions, const Compaction& compaction) {
  versions.is_bottom = compaction.is_bottom;
  return versions;
}

}  // namespace

CompactionRun::CompactionRun(const Compaction& compaction, const Comparator& order, Options options)
    : compaction_(compaction),
      order_(order),
      options_(std::move(options)),
      versions_(at_level(options_.versions, compaction)),
      removals_(removals_of_inputs()) {}

CompactionRun::~CompactionRun() = default;

RemovalFragments CompactionRun::removals_of_inputs() const {
  std::vector<RangeRemoval> all;
  for (const auto* tables : {&compaction_.upper, &compaction_.lower}) {
    for (const TableHandle& table : *tables) {
      all.insert(all.end(), table->removals().begin(), table->removals().end());
    }
  }
  return {all, order_};
}

Result<std::vector<TableInfo>> CompactionRun::run() {
  // Tables of level 0 may overlap, so that each is an input of its own.
  const std::span<const TableHandle> upper(compaction_.upper);
  for (std::size_t i = 0; i < upper.size(); ++i) {
    inputs_.push_back(std::make_unique<Input>(upper.subspan(i, 1)));
  }
  inputs_.push_back(std::make_unique<Input>(std::span(compaction_.lower)));
  for (const auto& input : inputs_) NACRE_TRY(input->begin());
  while (first_input() != nullptr) {
    if (options_.is_cancelled()) {
      return Error(ErrorCode::kClosed, "the store is being closed; the merge begins anew later");
    }
    const std::span<const Entry> kept = NACRE_TRY(take_key());
    NACRE_TRY(write(kept));
    if (bytes_moved_ >= kBytesToPace) options_.pace(std::exchange(bytes_moved_, 0));
  }
  NACRE_TRY(finish_table({}));
  return made_;
}

/// Where the next version stands: of the first key, the newest.
CompactionRun::Input* CompactionRun::first_input() {
  Input* first = nullptr;
  for (const auto& input : inputs_) {
    if (!input->valid()) continue;
    if (first != nullptr) {
      const auto order = order_(input->entry().key, first->entry().key);
      if (order > 0 || (order == 0 && input->entry().sequence < first->entry().sequence)) continue;
    }
    first = input.get();
  }
  return first;
}

/// Takes all versions of the next key; those that stay are returned.
Result<std::span<const Entry>> CompactionRun::take_key() {
  Input* input = first_input();
  // The tables stay mapped while the run lasts, and the key with them.
  const Bytes key = input->entry().key;
  versions_.begin_key(removals_.covering(key, order_));
  while (input != nullptr && order_(input->entry().key, key) == 0) {
    versions_.add(input->entry());
    bytes_moved_ += bytes_of(input->entry());
    NACRE_TRY(input->next());
    input = first_input();
  }
  return versions_.finish();
}

Status CompactionRun::write(std::span<const Entry> versions) {
  if (versions.empty()) return {};
  if (builder_ != nullptr && builder_->bytes() >= options_.table_bytes) {
    NACRE_TRY(finish_table(versions.front().key));
  }
  NACRE_TRY(begin_table());
  for (const Entry& version : versions) {
    NACRE_TRY(builder_->add(version));
    bytes_moved_ += bytes_of(version);
  }
  return {};
}

Status CompactionRun::begin_table() {
  if (builder_ == nullptr) builder_ = NACRE_TRY(options_.begin_table());
  return {};
}

/// Into the table that is being made: what comes before `end`; all that is left without one.
Status CompactionRun::write_removals(std::optional<Bytes> end) {
  for (; removal_ < removals_.all().size(); ++removal_) {
    const RemovalFragment& fragment = removals_.all()[removal_];
    const Bytes from = removal_begin_.value_or(fragment.begin);
    if (end.has_value() && order_(from, *end) >= 0) return {};
    const bool is_cut = end.has_value() && order_(*end, fragment.end) < 0;
    for (const Sequence sequence :
         removals_to_keep(fragment, options_.versions.held, compaction_.is_bottom)) {
      NACRE_TRY(begin_table());
      NACRE_TRY(builder_->add_range_removal(from, is_cut ? *end : fragment.end, sequence));
    }
    removal_begin_.reset();
    if (is_cut) {
      removal_begin_ = end;
      return {};
    }
  }
  return {};
}

/// Behind the table comes another one that begins with `next_key`, or none.
Status CompactionRun::finish_table(std::optional<Bytes> next_key) {
  NACRE_TRY(write_removals(next_key));
  if (builder_ == nullptr) return {};
  made_.push_back(NACRE_TRY(builder_->finish()));
  builder_.reset();
  return {};
}

}  // namespace nacre::store
