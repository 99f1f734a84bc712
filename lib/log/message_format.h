#pragma once

// A message inside a WAL record: a fixed envelope, the key, the value. Implements
// docs/format/message.md.

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <optional>
#include <type_traits>
#include <utility>

#include "lib/base/endian.h"
#include "nacre/log.h"
#include "nacre/result.h"
#include "nacre/types.h"

namespace nacre {

struct MessageEnvelope {
  le64 timestamp_ns;  ///< Wall clock at append, nanoseconds since 1970 UTC.
  le32 key_bytes;
  le16 attributes;  ///< 0; for compression and tombstones to come.
  le16 reserved;
};
static_assert(sizeof(MessageEnvelope) == 16 && alignof(MessageEnvelope) == 1);
static_assert(std::is_trivially_copyable_v<MessageEnvelope>);

/// Offsets count from 0, LSNs from 1.
constexpr Offset offset_of(Lsn lsn) noexcept { return Offset{lsn.value - 1}; }
/// For an offset that is known to be below another: the largest would wrap around to LSN 0.
constexpr Lsn lsn_of(Offset offset) noexcept { return Lsn{offset.value + 1}; }
/// For an offset that a caller gives.
/// Errors: `invalid_argument` for 2^64-1, the one offset that no message can have.
Result<Lsn> checked_lsn(Offset offset);

/// What wal/ says of an LSN, said of the message's offset; any other error as it is. The error
/// keeps its LSN, so that it can be found among what `nacre verify` and `nacre dump` print.
Error in_offsets(const Error& error);
template <class T>
Result<T> in_offsets(Result<T>&& result) {
  if (result) [[likely]]
    return std::move(result);
  return in_offsets(result.error());
}

/// Takes a record's payload apart; nothing when it is not a message.
inline std::optional<MessageView> decode_message(Lsn lsn, Bytes payload) noexcept {
  if (payload.size() < sizeof(MessageEnvelope)) return std::nullopt;
  MessageEnvelope envelope;
  std::memcpy(&envelope, payload.data(), sizeof envelope);
  const Bytes content = payload.subspan(sizeof envelope);
  const std::size_t key_bytes = envelope.key_bytes;
  if (key_bytes > content.size() || envelope.attributes != 0) return std::nullopt;
  return MessageView{.offset = offset_of(lsn),
                     .timestamp_ns = envelope.timestamp_ns,
                     .key = content.first(key_bytes),
                     .value = content.subspan(key_bytes)};
}

/// The record is intact, but is not a message this library can read.
Error not_a_message(Lsn lsn);

}  // namespace nacre
