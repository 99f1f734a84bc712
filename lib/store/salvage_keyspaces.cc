#include "lib/store/salvage_keyspaces.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "lib/base/try.h"

namespace nacre::store {
namespace {

constexpr std::uint32_t kDefaultId = 0;

}  // namespace

Result<SalvagedKeyspace*> SalvagedKeyspaces::add(KeyspaceRecord record) {
  const std::uint32_t id = record.id;
  // That one was dropped, and made again, is among what is lost.
  if (!is_free(record.name)) {
    const std::string taken = std::exchange(record.name, fmt::format("{}-{}", record.name, id));
    notes_.push_back(fmt::format("there are two keyspaces called \"{}\"; one of them is \"{}\" now",
                                 taken, record.name));
  }
  auto order = find_order(record.comparator);
  if (!order) {
    return Error(ErrorCode::kInvalidArgument,
                 fmt::format("the keyspace \"{}\" is ordered by \"{}\"; give that comparator in "
                             "StoreOptions::comparators",
                             record.name, record.comparator))
        .with_path(from_.string());
  }
  SalvagedKeyspace keyspace{.record = std::move(record), .order = *std::move(order), .sources = {}};
  return &all_.insert_or_assign(id, std::move(keyspace)).first->second;
}

bool SalvagedKeyspaces::is_free(std::string_view name) const {
  return std::ranges::none_of(all_,
                              [&](const auto& each) { return each.second.record.name == name; });
}

std::optional<Comparator> SalvagedKeyspaces::find_order(std::string_view name) const {
  std::vector<Comparator> known = {Comparator::bytewise(), Comparator::reverse_bytewise(),
                                   options_.comparator};
  known.insert(known.end(), options_.comparators.begin(), options_.comparators.end());
  const auto found = std::ranges::find(known, name, &Comparator::name);
  return found == known.end() ? std::nullopt : std::optional(*found);
}

/// A keyspace of which nothing but its number and its order is known.
KeyspaceRecord SalvagedKeyspaces::unknown(std::uint32_t id, std::string_view comparator) const {
  KeyspaceRecord record{
      .id = id, .name = fmt::format("keyspace-{}", id), .comparator = std::string(comparator)};
  if (id == kDefaultId) {
    record.name = std::string(kDefaultKeyspace);
    if (options_.merge.has_value()) record.merge_operator = std::string(options_.merge->name());
  } else if (options_.merge_operators.size() == 1) {
    record.merge_operator = std::string(options_.merge_operators.front().name());
  }
  return record;
}

std::uint32_t SalvagedKeyspaces::next_id() const {
  const std::uint32_t above = all_.empty() ? 0 : all_.rbegin()->first + 1;
  return std::max({above, manifest_.state().next_keyspace, std::uint32_t{1}});
}

/// What a table says of itself: the order of the default keyspace, and no owner, where it cannot be
/// read or is another store's.
TableNames SalvagedKeyspaces::names_in(TableId table) const {
  const auto path = table_path(from_, table);
  const auto header = read_table_header(file_system_, path);
  if (header && header->store_uuid == uuid_.bytes) {
    auto names = read_table_names(file_system_, path, *header);
    if (names) return *std::move(names);
  }
  return {.comparator = std::string(options_.comparator.name()), .owner = {}};
}

/// One that only its tables tell of.
KeyspaceRecord SalvagedKeyspaces::of_owner(const TableOwner& owner,
                                           std::string_view comparator) const {
  KeyspaceRecord record = unknown(owner.keyspace, comparator);
  if (!owner.name.empty()) {
    record.name = owner.name;
    record.merge_operator = owner.merge_operator;
  }
  return record;
}

Status SalvagedKeyspaces::add_known() {
  for (const auto& [id, known] : manifest_.state().keyspaces) {
    KeyspaceRecord record = known;
    // The record that made it may be lost.
    if (record.name.empty()) {
      const TableNames names = names_in({known.tables.empty() ? 0 : known.tables.begin()->first});
      record = of_owner(
          names.owner.value_or(TableOwner{.keyspace = id, .name = {}, .merge_operator = {}}),
          names.comparator);
      record.tables = known.tables;
      if (!names.owner) {
        notes_.push_back(
            fmt::format("the name of keyspace {} is lost; it is called \"{}\"", id, record.name));
      }
    }
    static_cast<void>(NACRE_TRY(add(std::move(record))));
  }
  return {};
}

Status SalvagedKeyspaces::add_default() {
  if (all_.contains(kDefaultId)) return {};
  static_cast<void>(NACRE_TRY(add(unknown(kDefaultId, options_.comparator.name()))));
  return {};
}

Status SalvagedKeyspaces::add_owner_of(TableId table) {
  const TableNames names = names_in(table);
  if (!names.owner || all_.contains(names.owner->keyspace)) return {};
  if (manifest_.is_dropped(names.owner->keyspace)) return {};
  const SalvagedKeyspace* const added = NACRE_TRY(add(of_owner(*names.owner, names.comparator)));
  notes_.push_back(fmt::format("of keyspace \"{}\" only its tables and its writes in the log tell",
                               added->record.name));
  return {};
}

Result<SalvagedKeyspace*> SalvagedKeyspaces::of_unnamed(TableId table) {
  const auto [comparator, owner] = names_in(table);
  if (owner) {
    if (manifest_.is_dropped(owner->keyspace)) return nullptr;
    const auto known = all_.find(owner->keyspace);
    if (known != all_.end() && known->second.order.name() == comparator) return &known->second;
  }
  // The only keyspace there is, as far as anything tells.
  if (all_.size() == 1 && all_.begin()->second.order.name() == comparator) {
    return &all_.begin()->second;
  }
  if (all_.empty()) {
    notes_.emplace_back(
        "nothing tells whose the tables are; they were taken for those of one keyspace, the "
        "default one");
    return add(unknown(kDefaultId, comparator));
  }
  KeyspaceRecord record = unknown(next_id(), comparator);
  record.name = fmt::format("salvaged-{}", table.value);
  notes_.push_back(
      fmt::format("nothing tells whose table {} is; it is in a keyspace of its own, \"{}\"",
                  table.value, record.name));
  return add(std::move(record));
}

Result<const Comparator*> SalvagedKeyspaces::order_of(std::uint32_t keyspace) {
  const auto known = all_.find(keyspace);
  if (known != all_.end()) return &known->second.order;
  if (manifest_.is_whole() || manifest_.is_dropped(keyspace)) return nullptr;
  const Comparator order = keyspace == kDefaultId ? options_.comparator : Comparator::bytewise();
  const SalvagedKeyspace* const added = NACRE_TRY(add(unknown(keyspace, order.name())));
  notes_.push_back(
      fmt::format("of keyspace {} only writes in the log are left; it is called "
                  "\"{}\" and ordered by {}",
                  keyspace, added->record.name, order.name()));
  return &added->order;
}

}  // namespace nacre::store
