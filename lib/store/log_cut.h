#pragma once

// What of a store's log is in no table, read from outside the process that writes it, as of one
// moment.
//
// Lanes are read one after the other, while the writer goes on: what is found in a later lane may
// have been written behind what an earlier one did not have yet. But whoever has learned of a write
// draws a higher LSN (see wal::LsnClock). So each lane is read twice to its end, and what counts is
// what has no higher LSN than had been drawn in between: whatever that builds on was durable by
// then, and is found the second time.
//
// Thread safety: one thread at a time.

#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <vector>

#include "lib/store/entry.h"
#include "nacre/file_system.h"
#include "nacre/result.h"
#include "nacre/types.h"
#include "wal/log_listing.h"
#include "wal/tail_cursor.h"

namespace nacre::store {

struct CutRecord {
  Sequence sequence;
  std::vector<std::byte> record;
};

class LogCut {
 public:
  /// `file_system` is borrowed.
  LogCut(FileSystem& file_system, wal::LogLocation log)
      : file_system_(file_system), log_(std::move(log)) {}

  /// Goes to where the records above `above` begin, in each lane. Errors: as wal::TailCursor.
  Status open(Lsn above);
  /// Reads what there is. REQUIRES: no record above that had been given up when `open` returned.
  /// Errors, here and below: as wal::TailCursor; `not_found` when the writer has given up some
  /// meanwhile: open another cut.
  Status read();
  /// Of all that was read.
  Lsn newest() const noexcept { return newest_; }
  /// Opens lanes that have begun since; whether there were any. REQUIRES of them: as `read`.
  Result<bool> open_more();
  /// Reads on, and gives all records above `above` and up to `through`. REQUIRES: that had been
  /// drawn before the call.
  Result<std::vector<CutRecord>> take(Lsn above, Lsn through);

 private:
  FileSystem& file_system_;
  const wal::LogLocation log_;
  Lsn above_;
  Lsn newest_;
  std::map<std::uint32_t, std::unique_ptr<wal::TailCursor>> lanes_;
  std::vector<CutRecord> records_;
};

}  // namespace nacre::store
