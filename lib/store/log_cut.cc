#include "lib/store/log_cut.h"

#include <algorithm>
#include <utility>

#include "lib/base/try.h"
#include "lib/store/write_log.h"

namespace nacre::store {

Status LogCut::open(Lsn above) {
  above_ = above;
  static_cast<void>(NACRE_TRY(open_more()));
  return {};
}

Result<bool> LogCut::open_more() {
  const std::size_t before = lanes_.size();
  const wal::LogListing listing = NACRE_TRY(wal::list_log(file_system_, log_));
  for (const std::uint32_t lane : listing.started) {
    if (lane == kManifestLane || lanes_.contains(lane)) continue;
    auto cursor = wal::TailCursor::open(file_system_, log_, lane, Lsn{above_.value + 1});
    // Its oldest segment begins behind that, as it should: what was before is in tables.
    if (!cursor && cursor.error().code() == ErrorCode::kNotFound) {
      cursor = wal::TailCursor::open(file_system_, log_, lane, Lsn{});
    }
    if (!cursor) return cursor.error();
    lanes_.emplace(lane, *std::move(cursor));
  }
  return lanes_.size() != before;
}

Status LogCut::read() {
  for (const auto& [lane, cursor] : lanes_) {
    while (NACRE_TRY(cursor->next())) {
      const RecordView& found = cursor->record();
      if (found.lsn <= above_) continue;
      newest_ = std::max(newest_, found.lsn);
      records_.push_back({.sequence = Sequence::of(found.lsn, lane),
                          .record = {found.payload.begin(), found.payload.end()}});
    }
  }
  return {};
}

Result<std::vector<CutRecord>> LogCut::take(Lsn above, Lsn through) {
  NACRE_TRY(read());
  std::erase_if(records_, [&](const CutRecord& one) {
    return one.sequence.lsn() <= above || one.sequence.lsn() > through;
  });
  return std::move(records_);
}

}  // namespace nacre::store
