#include <cstring>
#include <span>

#include "lib/base/endian.h"
#include "lib/store/entry.h"
#include "lib/store/keyspace_core.h"
#include "lib/store/write_format.h"
#include "nacre/store.h"

namespace nacre {

using store::EntryKind;

namespace {

/// In every store the default keyspace is the first.
constexpr std::uint32_t kDefaultKeyspaceId = 0;

}  // namespace

void WriteBatch::put(Bytes key, Bytes value, const PutOptions& options) {
  add_put(kDefaultKeyspaceId, key, value, options);
}
void WriteBatch::put(Keyspace keyspace, Bytes key, Bytes value, const PutOptions& options) {
  add_put(keyspace.core_->id(), key, value, options);
}
void WriteBatch::remove(Bytes key) {
  add(kDefaultKeyspaceId, static_cast<std::uint8_t>(EntryKind::kRemove), key, {});
}
void WriteBatch::remove(Keyspace keyspace, Bytes key) {
  add(keyspace.core_->id(), static_cast<std::uint8_t>(EntryKind::kRemove), key, {});
}
void WriteBatch::remove_range(Bytes begin, Bytes end) { add_range(kDefaultKeyspaceId, begin, end); }
void WriteBatch::remove_range(Keyspace keyspace, Bytes begin, Bytes end) {
  add_range(keyspace.core_->id(), begin, end);
}
void WriteBatch::merge(Bytes key, Bytes operand) {
  add(kDefaultKeyspaceId, static_cast<std::uint8_t>(EntryKind::kMerge), key, operand);
}
void WriteBatch::merge(Keyspace keyspace, Bytes key, Bytes operand) {
  add(keyspace.core_->id(), static_cast<std::uint8_t>(EntryKind::kMerge), key, operand);
}

void WriteBatch::add_put(std::uint32_t keyspace, Bytes key, Bytes value,
                         const PutOptions& options) {
  if (options.ttl_ms == 0) {
    add(keyspace, static_cast<std::uint8_t>(EntryKind::kPut), key, {}, value);
    return;
  }
  const le64 ttl = options.ttl_ms;
  add(keyspace, static_cast<std::uint8_t>(EntryKind::kPutUntil), key,
      std::as_bytes(std::span(&ttl, 1)), value);
  if (!too_large_) ttl_offsets_.push_back(record_.size() - value.size() - sizeof ttl);
}

void WriteBatch::add_range(std::uint32_t keyspace, Bytes begin, Bytes end) {
  // The end is a key, too.
  if (end.size() > kMaxKeyBytes) too_large_ = true;
  add(keyspace, store::kRemoveRangeKind, begin, {}, end);
}

void WriteBatch::add(std::uint32_t keyspace, std::uint8_t kind, Bytes key, Bytes value) {
  add(keyspace, kind, key, {}, value);
}

/// The value begins with `head`, which does not count.
void WriteBatch::add(std::uint32_t keyspace, std::uint8_t kind, Bytes key, Bytes head,
                     Bytes value) {
  count_ += 1;
  if (key.size() > kMaxKeyBytes || value.size() > kMaxValueBytes) {
    too_large_ = true;
    return;
  }
  store::WriteHeader header{};
  header.kind = kind;
  header.keyspace = keyspace;
  header.key_bytes = static_cast<std::uint32_t>(key.size());
  header.value_bytes = static_cast<std::uint32_t>(head.size() + value.size());
  for (const Bytes part : {Bytes(std::as_bytes(std::span(&header, 1))), key, head, value}) {
    record_.insert(record_.end(), part.begin(), part.end());
  }
}

void WriteBatch::clear() noexcept {
  record_.clear();
  ttl_offsets_.clear();
  count_ = 0;
  too_large_ = false;
}

}  // namespace nacre
