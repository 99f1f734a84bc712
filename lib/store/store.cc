#include "nacre/store.h"

#include <algorithm>
#include <cstring>
#include <utility>

#include "lib/base/assert.h"
#include "lib/base/endian.h"
#include "lib/base/try.h"
#include "lib/store/bulk_load.h"
#include "lib/store/repair.h"
#include "lib/store/store_core.h"
#include "lib/store/store_cursor.h"

namespace nacre {

using store::EntryKind;
using store::Sequence;
using store::StoreCore;

std::string_view Keyspace::name() const noexcept { return core_->name(); }

PinnedValue PinnedValue::copy_of(Bytes bytes) {
  PinnedValue copy({}, {});
  copy.own_ = std::make_unique<std::byte[]>(bytes.size());
  std::ranges::copy(bytes, copy.own_.get());
  copy.bytes_ = {copy.own_.get(), bytes.size()};
  return copy;
}

Snapshot& Snapshot::operator=(Snapshot&& other) noexcept {
  std::swap(list_, other.list_);
  std::swap(sequence_, other.sequence_);
  return *this;
}

Snapshot::~Snapshot() {
  if (list_ != nullptr) list_->remove(Sequence{sequence_});
}

StoreIterator::StoreIterator(std::unique_ptr<store::StoreCursor> cursor)
    : cursor_(std::move(cursor)) {}
StoreIterator::StoreIterator(StoreIterator&&) noexcept = default;
StoreIterator& StoreIterator::operator=(StoreIterator&&) noexcept = default;
StoreIterator::~StoreIterator() = default;

store::StoreCursor& StoreIterator::cursor() const noexcept {
  NACRE_ASSERT(cursor_ != nullptr && "this StoreIterator was moved from");
  return *cursor_;
}

void StoreIterator::seek_first() { cursor().seek_first(); }
void StoreIterator::seek_last() { cursor().seek_last(); }
void StoreIterator::seek(Bytes key) { cursor().seek(key); }
void StoreIterator::seek_for_prev(Bytes key) { cursor().seek_for_prev(key); }
void StoreIterator::next() { cursor().next(); }
void StoreIterator::prev() { cursor().prev(); }
bool StoreIterator::valid() const noexcept { return cursor().valid(); }
Status StoreIterator::status() const { return cursor().status(); }
Bytes StoreIterator::key() const noexcept { return cursor().key(); }
Bytes StoreIterator::value() const noexcept { return cursor().value(); }

Store::Store(std::unique_ptr<StoreCore> core) : core_(std::move(core)) {}
Store::Store(Store&&) noexcept = default;
Store& Store::operator=(Store&&) noexcept = default;
Store::~Store() = default;

Result<Store> Store::open(const std::filesystem::path& directory, StoreOptions options) {
  return Store(NACRE_TRY(StoreCore::open(directory, std::move(options))));
}

Result<RepairReport> Store::repair(const std::filesystem::path& from,
                                   const std::filesystem::path& to, StoreOptions options) {
  return store::repair(from, to, options);
}

StoreCore& Store::core() const noexcept {
  NACRE_ASSERT(core_ != nullptr && "this Store was moved from");
  return *core_;
}

Status Store::put(Bytes key, Bytes value) { return put(default_keyspace(), key, value); }
Status Store::put(Keyspace keyspace, Bytes key, Bytes value) {
  return core().write(*keyspace.core_, EntryKind::kPut, key, value);
}
Status Store::put(Bytes key, Bytes value, const PutOptions& options) {
  return put(default_keyspace(), key, value, options);
}
Status Store::put(Keyspace keyspace, Bytes key, Bytes value, const PutOptions& options) {
  if (options.ttl_ms == 0) return put(keyspace, key, value);
  WriteBatch one;
  one.put(keyspace, key, value, options);
  return write(one);
}

Status Store::remove_range(Bytes begin, Bytes end) {
  return remove_range(default_keyspace(), begin, end);
}
Status Store::remove_range(Keyspace keyspace, Bytes begin, Bytes end) {
  WriteBatch one;
  one.remove_range(keyspace, begin, end);
  return write(one);
}

Status Store::merge(Bytes key, Bytes operand) { return merge(default_keyspace(), key, operand); }
Status Store::merge(Keyspace keyspace, Bytes key, Bytes operand) {
  if (!keyspace.core_->merge().has_value()) return store::no_merge_operator(keyspace.name());
  return core().write(*keyspace.core_, EntryKind::kMerge, key, operand);
}

Status Store::remove(Bytes key) { return remove(default_keyspace(), key); }
Status Store::remove(Keyspace keyspace, Bytes key) {
  return core().write(*keyspace.core_, EntryKind::kRemove, key, {});
}

Status Store::write(const WriteBatch& batch) {
  if (batch.count() == 0) {
    return Error(ErrorCode::kInvalidArgument, "an empty batch; add something to it");
  }
  if (batch.too_large_) {
    return Error(ErrorCode::kInvalidArgument,
                 "a key or a value is too large: keys have at most 64 KiB, values 16 MiB; split "
                 "the value");
  }
  if (batch.ttl_offsets_.empty()) return core().write_batch(batch.record_);
  // Until now it stood there how long they live.
  std::vector<std::byte> record = batch.record_;
  const std::uint64_t now_ms = core().now_ms();
  for (const std::size_t offset : batch.ttl_offsets_) {
    le64 time;
    std::memcpy(&time, record.data() + offset, sizeof time);
    time = now_ms + std::min(std::uint64_t{time}, ~now_ms);
    std::memcpy(record.data() + offset, &time, sizeof time);
  }
  return core().write_batch(record);
}

Result<std::optional<PinnedValue>> Store::get(Bytes key, const ReadOptions& options) const {
  return get(default_keyspace(), key, options);
}
Result<std::optional<PinnedValue>> Store::get(Keyspace keyspace, Bytes key,
                                              const ReadOptions& options) const {
  const Sequence at =
      options.snapshot == nullptr ? store::kNewest : Sequence{options.snapshot->sequence_};
  return core().get(*keyspace.core_, key, at);
}

Result<std::vector<std::optional<PinnedValue>>> Store::multi_get(std::span<const Bytes> keys,
                                                                 const ReadOptions& options) const {
  return multi_get(default_keyspace(), keys, options);
}
Result<std::vector<std::optional<PinnedValue>>> Store::multi_get(Keyspace keyspace,
                                                                 std::span<const Bytes> keys,
                                                                 const ReadOptions& options) const {
  std::optional<Sequence> at;
  if (options.snapshot != nullptr) at = Sequence{options.snapshot->sequence_};
  return core().multi_get(*keyspace.core_, keys, at);
}

StoreIterator Store::iterate(const ReadOptions& options) const {
  return iterate(default_keyspace(), options);
}
StoreIterator Store::iterate(Keyspace keyspace, const ReadOptions& options) const {
  std::optional<Sequence> at;
  if (options.snapshot != nullptr) at = Sequence{options.snapshot->sequence_};
  return StoreIterator(core().iterate(*keyspace.core_, at, options));
}

Snapshot Store::snapshot() const {
  store::SnapshotList& held = core().snapshots();
  const auto take = [this] { return core().newest_snapshot(); };
  return {&held, held.hold(take, core().monotonic_ns()).value};
}

BulkLoad::BulkLoad(std::unique_ptr<store::BulkLoadCore> core) : core_(std::move(core)) {}
BulkLoad::BulkLoad(BulkLoad&&) noexcept = default;
BulkLoad& BulkLoad::operator=(BulkLoad&&) noexcept = default;
BulkLoad::~BulkLoad() = default;

store::BulkLoadCore& BulkLoad::core() const noexcept {
  NACRE_ASSERT(core_ != nullptr && "this BulkLoad was moved from");
  return *core_;
}

Status BulkLoad::add(Bytes key, Bytes value) { return core().add(key, value); }
Status BulkLoad::commit() { return core().commit(); }

BulkLoad Store::begin_bulk_load() { return begin_bulk_load(default_keyspace()); }
BulkLoad Store::begin_bulk_load(Keyspace keyspace) {
  return BulkLoad(core().begin_bulk_load(*keyspace.core_));
}

Keyspace Store::default_keyspace() const noexcept { return Keyspace(&core().default_keyspace()); }

Result<Keyspace> Store::create_keyspace(std::string_view name, KeyspaceOptions options) {
  return Keyspace(NACRE_TRY(core().create_keyspace(name, options)));
}
Result<Keyspace> Store::keyspace(std::string_view name) const {
  return Keyspace(NACRE_TRY(core().find_keyspace(name)));
}
std::vector<std::string> Store::keyspaces() const { return core().keyspace_names(); }
Status Store::drop_keyspace(Keyspace keyspace) { return core().drop_keyspace(*keyspace.core_); }

Status Store::flush() { return core().flush(); }
Status Store::checkpoint(const std::filesystem::path& target) { return core().checkpoint(target); }
Status Store::compact() { return compact(default_keyspace()); }
Status Store::compact(Keyspace keyspace) { return core().compact(*keyspace.core_); }
Result<StoreStats> Store::stats() const { return core().stats(); }
std::string Store::metrics() const { return core().metrics(); }
Result<std::uint64_t> Store::approximate_size(Bytes begin, Bytes end) const {
  return approximate_size(default_keyspace(), begin, end);
}
Result<std::uint64_t> Store::approximate_size(Keyspace keyspace, Bytes begin, Bytes end) const {
  return core().approximate_size(*keyspace.core_, begin, end);
}
std::size_t Store::max_batch_bytes() const noexcept { return core().max_batch_bytes(); }
const StoreRecovery& Store::recovery() const noexcept { return core().recovery(); }
const DomainInfo& Store::domain() const noexcept { return core().domain(); }
Status Store::close() { return core().close(); }

}  // namespace nacre
