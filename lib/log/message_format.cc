#include "lib/log/message_format.h"

#include <fmt/format.h>

#include <limits>
#include <string>

namespace nacre {
namespace {

Error retold(const Error& error, std::string message) {
  Error told(error.code(), std::move(message));
  if (!error.path().empty()) told = std::move(told).with_path(error.path());
  if (error.offset()) told = std::move(told).with_offset(*error.offset());
  if (error.lsn()) told = std::move(told).with_lsn(*error.lsn());
  return told;
}

/// Keeps what was found wrong, and says where in the caller's terms.
std::string damage_text(std::string text, Offset offset) {
  // The LSN before the missing message's is its offset: the one counts from 1, the other from 0.
  const std::string before = fmt::format("behind LSN {};", offset.value);
  if (const std::size_t at = text.find(before); at != std::string::npos) {
    text.replace(at, before.size(), fmt::format("where offset {} must be;", offset.value));
  }
  return text;
}

}  // namespace

Result<Lsn> checked_lsn(Offset offset) {
  if (offset.value != std::numeric_limits<std::uint64_t>::max()) return lsn_of(offset);
  return Error(ErrorCode::kInvalidArgument,
               fmt::format("offset {} is never handed out, offsets end below it; give one that an "
                           "append, begin() or durable_end() has returned",
                           offset.value));
}

Error in_offsets(const Error& error) {
  if (!error.lsn()) return error;
  const Offset offset = offset_of(Lsn{*error.lsn()});
  switch (error.code()) {
    case ErrorCode::kInvalidArgument:
      return retold(error, fmt::format("offset {} has not been handed out; wait for one that an "
                                       "append or submit has returned",
                                       offset.value));
    case ErrorCode::kNotFound:
      return retold(error, fmt::format("the message at offset {} has been truncated away; read "
                                       "from the oldest that is left, begin()",
                                       offset.value));
    case ErrorCode::kCorruption:
      return retold(error, damage_text(error.message(), offset));
    default:
      return error;
  }
}

Error not_a_message(Lsn lsn) {
  return Error(ErrorCode::kCorruption,
               fmt::format("the record at offset {} is intact but is not a message this library "
                           "can read; a newer nacre may have written it",
                           offset_of(lsn).value))
      .with_lsn(lsn.value);
}

}  // namespace nacre
