#include "lib/store/bulk_load.h"

#include <fmt/format.h>

#include <algorithm>
#include <string>
#include <utility>

#include "lib/base/try.h"
#include "lib/store/store_core.h"

namespace nacre::store {
namespace {

constexpr std::size_t kShownKeyBytes = 40;

/// What an error shows of a key: text where it is text.
std::string shown(Bytes key) {
  const std::string_view text = as_text(key.first(std::min(key.size(), kShownKeyBytes)));
  const std::string_view more = key.size() > kShownKeyBytes ? "..." : "";
  const auto is_plain = [](char c) { return c >= ' ' && c <= '~'; };
  if (std::ranges::all_of(text, is_plain)) return fmt::format("\"{}\"{}", text, more);
  std::string hex;
  for (const char c : text) hex += fmt::format("{:02x}", static_cast<unsigned char>(c));
  return fmt::format("hex {}{}", hex, more);
}

Error is_over() {
  return Error(ErrorCode::kClosed, "the load has been committed; begin another one");
}

}  // namespace

BulkLoadCore::BulkLoadCore(StoreCore& store, const KeyspaceCore& keyspace,
                           std::uint64_t table_bytes)
    : store_(store),
      keyspace_(keyspace),
      table_bytes_(table_bytes),
      begun_(store.newest_sequence()) {}

BulkLoadCore::~BulkLoadCore() {
  if (!over_) remove_files();
}

void BulkLoadCore::remove_files() noexcept {
  builder_.reset();
  for (const TableInfo& made : made_) store_.remove_table(made.id);
  made_.clear();
}

Error BulkLoadCore::abandon(Error failure) {
  over_ = failure;
  remove_files();
  return failure;
}

Status BulkLoadCore::check(Bytes key, Bytes value) const {
  if (over_) return *over_;
  NACRE_TRY(check_sizes(key.size(), value.size()));
  if (pairs_ == 0) return {};
  const auto order = keyspace_.comparator()(last_key_, key);
  if (order < 0) return {};
  return Error(ErrorCode::kInvalidArgument,
               fmt::format("pair {} of the load has the key {}, which {} the one before it{}; sort "
                           "the pairs by the comparator of the keyspace, \"{}\", each key once",
                           pairs_ + 1, shown(key), order == 0 ? "is the same as" : "comes before",
                           order == 0 ? std::string() : ", " + shown(last_key_),
                           keyspace_.comparator().name()));
}

Status BulkLoadCore::add(Bytes key, Bytes value) {
  NACRE_TRY(check(key, value));
  if (store_.is_closing()) return abandon(store_closed());
  if (keyspace_.is_dropped()) return abandon(keyspace_dropped(keyspace_.name()));
  if (Status written = write(key, value); !written) return abandon(written.error());
  last_key_.assign(key.begin(), key.end());
  ++pairs_;
  return {};
}

Status BulkLoadCore::write(Bytes key, Bytes value) {
  if (builder_ != nullptr && builder_->bytes() >= table_bytes_) NACRE_TRY(finish_table());
  if (builder_ == nullptr) builder_ = NACRE_TRY(store_.begin_table(keyspace_));
  return builder_->add({.key = key, .sequence = begun_, .kind = EntryKind::kPut, .value = value});
}

Status BulkLoadCore::finish_table() {
  made_.push_back(NACRE_TRY(builder_->finish()));
  builder_.reset();
  return {};
}

Result<std::vector<std::shared_ptr<Table>>> BulkLoadCore::open_tables() const {
  std::vector<std::shared_ptr<Table>> tables;
  for (const TableInfo& made : made_) {
    tables.push_back(NACRE_TRY(store_.open_loaded(keyspace_, made.id)));
  }
  return tables;
}

Status BulkLoadCore::commit() {
  if (over_) return *over_;
  if (builder_ != nullptr) {
    if (Status finished = finish_table(); !finished) return abandon(finished.error());
  }
  auto tables = open_tables();
  if (!tables) return abandon(tables.error());
  const InstallResult installed = store_.install_loaded(keyspace_, *tables);
  if (!installed.status && installed.is_unchanged) return abandon(installed.status.error());
  // After another error the manifest may speak of them: what turns out to be an orphan goes when
  // the store is opened.
  made_.clear();
  over_ = installed.status ? is_over() : installed.status.error();
  return installed.status;
}

}  // namespace nacre::store
