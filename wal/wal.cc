// The public WAL: thin handles over LaneSet, LaneCore and LaneCursor.

#include "nacre/wal.h"

#include <fmt/format.h>

#include <queue>
#include <string>
#include <utility>
#include <vector>

#include "lib/base/assert.h"
#include "lib/base/try.h"
#include "wal/lane_core.h"
#include "wal/lane_cursor.h"
#include "wal/lane_set.h"
#include "wal/log_metrics.h"

namespace nacre {
namespace {

constexpr std::uint32_t kMaxLanes = 256;

std::vector<wal::BatchPart> parts_of(std::span<const Bytes> payloads) {
  std::vector<wal::BatchPart> parts;
  parts.reserve(payloads.size());
  for (const Bytes payload : payloads) parts.push_back({.prefix = {}, .payload = payload});
  return parts;
}

}  // namespace

Claim::Claim(Claim&& other) noexcept
    : lane_(std::exchange(other.lane_, nullptr)), payload_(std::exchange(other.payload_, {})) {}

Claim& Claim::operator=(Claim&& other) noexcept {
  // The old claim ends with this function, not with `other`, which may live on.
  Claim old = std::move(other);
  std::swap(lane_, old.lane_);
  std::swap(payload_, old.payload_);
  return *this;
}

Claim::~Claim() {
  if (lane_ != nullptr) lane_->abandon_claim();
}

Result<Lsn> Claim::commit(std::size_t bytes, std::uint16_t tag) {
  if (lane_ == nullptr) {
    return Error(ErrorCode::kInvalidArgument, "this claim was committed already, or moved from");
  }
  const Lsn lsn = NACRE_TRY(lane_->enqueue_claim({}, bytes, tag));
  wal::LaneCore* const lane = std::exchange(lane_, nullptr);
  // The bytes belong to the log now, checksum and all.
  payload_ = {};
  NACRE_TRY(lane->wait(lsn));
  return lsn;
}

LaneReader::LaneReader(std::unique_ptr<wal::LaneCursor> cursor) : cursor_(std::move(cursor)) {}
LaneReader::LaneReader(LaneReader&&) noexcept = default;
LaneReader& LaneReader::operator=(LaneReader&&) noexcept = default;
LaneReader::~LaneReader() = default;

Result<bool> LaneReader::next() {
  NACRE_ASSERT(cursor_ != nullptr && "this LaneReader was moved from");
  return cursor_->next();
}

const RecordView& LaneReader::record() const noexcept {
  NACRE_ASSERT(cursor_ != nullptr && "this LaneReader was moved from");
  return cursor_->record();
}

Result<Lsn> Lane::append(Bytes payload, std::uint16_t tag) {
  return core_->append({}, payload, tag);
}

Result<Lsn> Lane::append_batch(std::span<const Bytes> payloads, std::uint16_t tag) {
  const Lsn lsn = NACRE_TRY(core_->enqueue_batch(parts_of(payloads), tag));
  NACRE_TRY(core_->wait(lsn));
  return lsn;
}

Result<Lsn> Lane::submit(Bytes payload, std::uint16_t tag) {
  const Lsn lsn = NACRE_TRY(core_->enqueue({}, payload, tag));
  core_->drive_pending();
  return lsn;
}

Result<Lsn> Lane::submit_batch(std::span<const Bytes> payloads, std::uint16_t tag) {
  const Lsn lsn = NACRE_TRY(core_->enqueue_batch(parts_of(payloads), tag));
  core_->drive_pending();
  return lsn;
}

Status Lane::wait(Lsn lsn) { return core_->wait(lsn); }

void Lane::on_durable(Lsn lsn, DurableCallback callback) {
  NACRE_ASSERT(callback != nullptr && "on_durable needs a callback that can be called");
  core_->on_durable(lsn, std::move(callback));
}

Lsn Lane::durable_lsn() const noexcept { return core_->durable_lsn(); }

Result<Claim> Lane::claim(std::size_t bytes) {
  const std::span<std::byte> payload = NACRE_TRY(core_->open_claim(0, bytes));
  return Claim(core_, payload);
}

Result<LaneReader> Lane::reader(Lsn from) const {
  return LaneReader(NACRE_TRY(wal::LaneCursor::open(core_->segments(), from)));
}

std::size_t Lane::max_payload() const noexcept { return core_->max_payload(); }

struct Wal::Impl {
  wal::LaneSetHandle set;
  std::vector<wal::LaneCore*> lanes;
};

Wal::Wal(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
Wal::Wal(Wal&&) noexcept = default;
Wal& Wal::operator=(Wal&&) noexcept = default;
Wal::~Wal() = default;

Result<Wal> Wal::open(const std::filesystem::path& directory, WalOptions options) {
  if (options.lanes < 1 || options.lanes > kMaxLanes) {
    return Error(ErrorCode::kInvalidArgument,
                 fmt::format("lanes is {}; choose 1 to {}", options.lanes, kMaxLanes));
  }
  const std::uint32_t ordered = options.lanes > 1 ? options.lanes : 0;
  // Before recovery changes anything, like all that can be refused.
  const auto check_lanes = [&options](FileSystem&, const std::filesystem::path& found, const Uuid&,
                                      std::uint32_t lanes) -> Status {
    if (lanes <= options.lanes) return {};
    return Error(ErrorCode::kInvalidArgument,
                 fmt::format("this WAL has records in {} lanes, and {} are asked for; ask for as "
                             "many at least",
                             lanes, options.lanes))
        .with_path(found.string());
  };
  auto impl = std::make_unique<Impl>();
  impl->set =
      NACRE_TRY(wal::LaneSet::open(directory, {.kind = LogKind::kWal,
                                               .ordered_lanes = ordered,
                                               .segment_bytes = options.segment_bytes,
                                               .spare_segments = options.spare_segments,
                                               .domain = options.domain,
                                               .io_engine = options.io_engine,
                                               .overwrite_protection = options.overwrite_protection,
                                               .environment = options.environment,
                                               .on_create = {},
                                               .on_examined = check_lanes}));
  for (std::uint32_t i = 0; i < options.lanes; ++i) impl->lanes.push_back(&impl->set->lane(i));
  return Wal(std::move(impl));
}

Wal::Impl& Wal::impl() const noexcept {
  NACRE_ASSERT(impl_ != nullptr && "this Wal was moved from");
  return *impl_;
}

Lane Wal::lane(std::uint32_t index) const noexcept {
  NACRE_ASSERT(index < impl().lanes.size());
  return Lane(impl().lanes[index]);
}

std::uint32_t Wal::lanes() const noexcept {
  return static_cast<std::uint32_t>(impl().lanes.size());
}

Status Wal::replay(
    const std::function<Status(std::uint32_t lane, const RecordView&)>& visit) const {
  struct Source {
    std::uint32_t lane = 0;
    std::unique_ptr<wal::LaneCursor> cursor;
  };
  std::vector<Source> sources;
  const auto later = [&sources](std::size_t a, std::size_t b) {
    const Lsn a_lsn = sources[a].cursor->record().lsn;
    const Lsn b_lsn = sources[b].cursor->record().lsn;
    // Sources stand in the order of their lanes.
    return a_lsn != b_lsn ? a_lsn > b_lsn : a > b;
  };
  std::priority_queue<std::size_t, std::vector<std::size_t>, decltype(later)> heads(later);
  for (std::uint32_t i = 0; i < impl().lanes.size(); ++i) {
    auto cursor = NACRE_TRY(wal::LaneCursor::open(impl().lanes[i]->segments(), Lsn{}));
    if (!NACRE_TRY(cursor->next())) continue;
    sources.push_back({.lane = i, .cursor = std::move(cursor)});
  }
  for (std::size_t i = 0; i < sources.size(); ++i) heads.push(i);
  while (!heads.empty()) {
    const std::size_t head = heads.top();
    heads.pop();
    NACRE_TRY(visit(sources[head].lane, sources[head].cursor->record()));
    if (NACRE_TRY(sources[head].cursor->next())) heads.push(head);
  }
  return {};
}

Status Wal::truncate(Lsn lsn) {
  for (wal::LaneCore* lane : impl().lanes) NACRE_TRY(lane->truncate(lsn));
  return {};
}

const RecoveryReport& Wal::recovery() const noexcept { return impl().set->report(); }
const DomainInfo& Wal::domain() const noexcept { return impl().set->domain(); }
const IoBackendInfo* Wal::io() const noexcept { return impl().set->io(); }

std::string Wal::metrics() const {
  const wal::LaneSet& set = *impl().set;
  PrometheusWriter writer;
  wal::write_log_metrics(writer, set.metrics(), set.domain(), set.report());
  const auto of_each_lane = [&](auto value) {
    for (std::size_t i = 0; i < impl().lanes.size(); ++i) {
      writer.sample({{"lane", std::to_string(i)}}, value(*impl().lanes[i]));
    }
  };
  writer.gauge("nacre_lane_durable_lsn", "The newest LSN of the lane that is durable.");
  of_each_lane([](const wal::LaneCore& lane) { return lane.durable_lsn().value; });
  writer.gauge("nacre_lane_segments", "Segment files that the lane uses.");
  of_each_lane([](const wal::LaneCore& lane) { return lane.segments().count(); });
  return writer.text() + set.environment().domain()->metrics();
}

Status Wal::close() {
  Impl& open = impl();
  // Before any lock: the parent may have held one when it forked.
  if (open.set->in_child()) return open.set->close();
  for (std::uint32_t i = 0; i < open.lanes.size(); ++i) {
    // Once the lock is let go, the claim's bytes may be another writer's.
    if (open.lanes[i]->claim_open()) {
      return Error(ErrorCode::kInvalidArgument,
                   fmt::format("a claim of lane {} is open; commit or drop it, then close", i));
    }
  }
  return open.set->close();
}

}  // namespace nacre
