#include "mmap/segment.h"

#include <cstddef>
#include <utility>

#include "lib/base/assert.h"
#include "lib/base/try.h"
#include "mmap/segment_pool.h"

namespace nacre {

Segment::Segment(SegmentPool& pool, SegmentState state, std::size_t slot, bool settled,
                 std::shared_ptr<pmem::Region> region)
    : pool_(pool),
      state_(state),
      slot_(slot),
      settled_(settled),
      path_(pool.segment_path(state.id)),
      writer_region_(region.get()),
      region_(std::move(region)),
      region_present_(region_ != nullptr) {}

Segment::~Segment() {
  if (!retired_.load(std::memory_order_acquire)) return;
  // A forked child's copy; the file is its parent's, who may be using it again.
  if (pool_.in_child()) return;
  // Nobody pins this segment any more, so its bytes may be overwritten by the next use. Where the
  // header cannot be written the file stays as it is; the next open finds that its lane has given
  // it up, and frees it then.
  SegmentState free = state_;
  free.use = SegmentUse::kFree;
  free.closed_cleanly = false;
  free.next = SegmentId{};
  if (!write_state(free)) return;
  if (writer_region_ != nullptr && writer_region_->synchronous()) {
    MutexLock lock(mutex_);
    // Mapping and populating are the dear part of taking a segment; a mapped one is worth keeping.
    pool_.give_back(state_, slot_, true, std::move(region_));
    return;
  }
  pool_.give_back(state_, slot_, true, nullptr);
}

Status Segment::map(pmem::MapContent content) {
  if (writer_region_ != nullptr) return {};
  std::shared_ptr<pmem::Region> region =
      NACRE_TRY(pool_.map_file(state_.id, state_.segment_bytes, content));
  writer_region_ = region.get();
  header_only_.reset();
  MutexLock lock(mutex_);
  region_ = std::move(region);
  region_present_ = content == pmem::MapContent::kFresh || !region_->synchronous();
  view_.reset();
  return {};
}

void Segment::unmap_image() {
  if (writer_region_ == nullptr || writer_region_->synchronous()) return;
  writer_region_ = nullptr;
  MutexLock lock(mutex_);
  pool_.let_go(std::move(region_));
}

Result<pmem::Region*> Segment::header_region() {
  if (writer_region_ != nullptr) return writer_region_;
  if (header_only_ == nullptr) {
    header_only_ =
        NACRE_TRY(pool_.map_file(state_.id, kSegmentDataOffset, pmem::MapContent::kKeep));
  }
  return header_only_.get();
}

Status Segment::write_state(SegmentState next) {
  NACRE_ASSERT(next.id == state_.id && next.segment_bytes == state_.segment_bytes);
  // The other slot, perhaps the only durable one, is about to be overwritten.
  NACRE_TRY(settle());
  pmem::Region* region = NACRE_TRY(header_region());
  const std::size_t other = 1 - slot_;
  if (!pool_.survives_power_loss()) next.unsynced = true;
  next.sequence = state_.sequence + 1;
  const SegmentSlot slot = encode_segment_slot(next);
  const std::size_t begin = other * kSegmentSlotBytes;
  spoil_if_torn(*region, begin);
  region->copy(begin, std::as_bytes(std::span(&slot, 1)));
  // The new slot must be durable before anybody acts on the new state; until then the old slot,
  // which is not touched, stands.
  const pmem::Ticket ticket = NACRE_TRY(region->commit(begin, begin + sizeof slot));
  NACRE_TRY(region->wait(ticket));
  state_ = next;
  slot_ = other;
  return {};
}

void Segment::spoil_if_torn(pmem::Region& region, std::size_t begin) {
  // A block is written as a whole.
  if (!region.synchronous()) return;
  const Bytes slot = region.load(begin, sizeof(SegmentSlot));
  if (decode_segment_slot(slot).condition != SlotCondition::kDamaged) return;
  // A crash has torn a write of this slot, and another one may tear the write to come. Words of the
  // two together could be the whole of the older one, which nobody has ever acted on: it would
  // count, as the newest. Without its checksum, which is in one word and no other write's, it
  // cannot. That word must be gone, durably, before anything of the write to come is there.
  region.store_u64(begin + offsetof(SegmentSlot, crc), 0);
  region.fence();
}

Status Segment::sync_file() {
  NACRE_TRY(pool_.sync_file(state_.id));
  settled_ = true;
  return {};
}

Status Segment::settle() {
  if (settled_) return {};
  pmem::Region* region = NACRE_TRY(header_region());
  if (!region->synchronous()) return sync_file();
  region->flush(0, kSegmentDataOffset);
  region->fence();
  settled_ = true;
  return {};
}

void Segment::drop_view() {
  MutexLock lock(mutex_);
  view_.reset();
}

Result<SegmentPin> Segment::pin(ViewAccess access) {
  MutexLock lock(mutex_);
  if (region_ != nullptr) {
    return SegmentPin{.segment = shared_from_this(),
                      .memory = region_,
                      .bytes = Bytes(region_->data(), region_->size()),
                      .present = region_present_};
  }
  if (view_ == nullptr) view_ = NACRE_TRY(pool_.view_file(state_.id, access));
  return SegmentPin{.segment = shared_from_this(), .memory = view_, .bytes = view_->bytes()};
}

}  // namespace nacre
