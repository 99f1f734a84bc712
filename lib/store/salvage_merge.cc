#include "lib/store/salvage_merge.h"

#include <algorithm>
#include <cstddef>
#include <optional>
#include <utility>

#include "lib/base/try.h"
#include "lib/store/removal_fragments.h"
#include "lib/store/table_cursor.h"

namespace nacre::store {
namespace {

/// A table that has so many bytes takes no further key.
constexpr std::uint64_t kTableBytes = std::uint64_t{64} << 20;

class Merge {
 public:
  using BeginTable = std::function<Result<std::unique_ptr<TableBuilder>>()>;
  Merge(std::span<const TableHandle> sources, const Comparator& order,
        const BeginTable& begin_table)
      : sources_(sources), order_(order), begin_table_(begin_table) {}

  Result<MergedTables> run() {
    for (const TableHandle& source : sources_) {
      auto& cursor = cursors_.emplace_back(std::make_unique<TableCursor>(*source));
      NACRE_TRY(cursor->seek_first());
      if (cursor->valid()) push(cursors_.size() - 1);
      made_.newest = std::max(made_.newest, source->info().largest_sequence);
    }
    while (!heap_.empty()) {
      NACRE_TRY(take_key());
      NACRE_TRY(write());
    }
    NACRE_TRY(finish_table(1));
    NACRE_TRY(write_removals());
    return std::move(made_);
  }

 private:
  struct Found {
    Entry entry;
    std::size_t source;
    std::size_t place;  // Among those that were found.
  };

  bool comes_later(std::size_t a, std::size_t b) const {
    const auto order = order_(cursors_[a]->entry().key, cursors_[b]->entry().key);
    return order == 0 ? a > b : order > 0;
  }
  void push(std::size_t source) {
    heap_.push_back(source);
    std::ranges::push_heap(heap_, [this](auto a, auto b) { return comes_later(a, b); });
  }
  std::size_t pop() {
    std::ranges::pop_heap(heap_, [this](auto a, auto b) { return comes_later(a, b); });
    const std::size_t source = heap_.back();
    heap_.pop_back();
    return source;
  }

  /// All versions of the next key. The tables stay mapped, and the key with them.
  Status take_key() {
    found_.clear();
    const Bytes key = cursors_[heap_.front()]->entry().key;
    while (!heap_.empty() && order_(cursors_[heap_.front()]->entry().key, key) == 0) {
      const std::size_t source = pop();
      TableCursor& cursor = *cursors_[source];
      do {
        found_.push_back({.entry = cursor.entry(), .source = source, .place = found_.size()});
        NACRE_TRY(cursor.next());
      } while (cursor.valid() && order_(cursor.entry().key, key) == 0);
      if (cursor.valid()) push(source);
    }
    std::ranges::sort(found_, [](const Found& a, const Found& b) {
      if (a.entry.sequence != b.entry.sequence) return a.entry.sequence > b.entry.sequence;
      return a.place < b.place;
    });
    return {};
  }

  /// Who tells of the versions with one sequence. Where operands have become a value, that alone
  /// holds what they were merged into.
  static std::size_t teller(std::span<const Found> same) {
    std::optional<std::size_t> last;
    for (const Found& one : same) {
      const bool is_first_of_source = last != one.source;
      if (is_first_of_source && one.entry.kind != EntryKind::kMerge) return one.source;
      last = one.source;
    }
    return same.front().source;
  }

  Status write() {
    if (builder_ != nullptr && builder_->bytes() >= kTableBytes) NACRE_TRY(finish_table(1));
    if (builder_ == nullptr) builder_ = NACRE_TRY(begin_table_());
    for (auto at = found_.begin(); at != found_.end();) {
      const auto end = std::find_if(at, found_.end(), [&](const Found& one) {
        return one.entry.sequence != at->entry.sequence;
      });
      const std::size_t source = teller({at, end});
      for (; at != end; ++at) {
        if (at->source != source) continue;
        NACRE_TRY(builder_->add(at->entry));
        made_.entries += 1;
      }
    }
    return {};
  }

  Status write_removals() {
    std::vector<RangeRemoval> all;
    for (const TableHandle& source : sources_) {
      all.insert(all.end(), source->removals().begin(), source->removals().end());
    }
    const RemovalFragments fragments(all, order_);
    for (const RemovalFragment& fragment : fragments.all()) {
      for (const Sequence sequence : fragment.sequences) {
        if (builder_ == nullptr) builder_ = NACRE_TRY(begin_table_());
        NACRE_TRY(builder_->add_range_removal(fragment.begin, fragment.end, sequence));
      }
    }
    return finish_table(0);
  }

  Status finish_table(std::uint32_t level) {
    if (builder_ == nullptr) return {};
    const TableInfo info = NACRE_TRY(builder_->finish());
    made_.tables.push_back({.id = info.id.value, .level = level, .file_bytes = info.file_bytes});
    builder_.reset();
    return {};
  }

  const std::span<const TableHandle> sources_;
  const Comparator& order_;
  const BeginTable& begin_table_;
  std::vector<std::unique_ptr<TableCursor>> cursors_;
  std::vector<std::size_t> heap_;  // Of sources; the one with the first key in front.
  std::vector<Found> found_;
  std::unique_ptr<TableBuilder> builder_;
  MergedTables made_;
};

}  // namespace

Result<MergedTables> merge_salvaged(
    std::span<const TableHandle> sources, const Comparator& order,
    const std::function<Result<std::unique_ptr<TableBuilder>>()>& begin_table) {
  return Merge(sources, order, begin_table).run();
}

}  // namespace nacre::store
