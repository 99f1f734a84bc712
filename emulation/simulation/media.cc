#include "emulation/simulation/media.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstring>
#include <utility>

#include "emulation/simulation/fault_handler.h"
#include "lib/base/assert.h"
#include "lib/base/try.h"

namespace nacre {
namespace {

constexpr std::size_t kWordBytes = 8;

constexpr std::size_t page_of(MediaAddress address) { return address / kPageBytes; }
constexpr std::size_t page_after(MediaAddress end) { return (end + kPageBytes - 1) / kPageBytes; }

}  // namespace

Result<std::unique_ptr<Media>> Media::create(std::size_t capacity_bytes, MediaObserver& observer) {
  auto memory = NACRE_TRY(TwinMemory::create(capacity_bytes));
  // Zeros from the kernel, that cost memory when they are touched.
  std::unique_ptr<std::byte, Free> saved(static_cast<std::byte*>(std::calloc(capacity_bytes, 1)));
  if (saved == nullptr) {
    return Error(ErrorCode::kNoSpace, "no memory for the copy of simulated media");
  }
  std::unique_ptr<Media> media(new Media(std::move(memory), std::move(saved), observer));
  if (!FaultHandler::watch(*media, media->guarded(0), media->capacity())) {
    return Error(
        ErrorCode::kNoSpace,
        fmt::format("there are {} simulated machines in this process, which are all it can "
                    "have at a time; a crash test takes one more than its depth",
                    FaultHandler::kMaxWatched));
  }
  return media;
}

Media::Media(std::unique_ptr<TwinMemory> memory, std::unique_ptr<std::byte, Free> saved,
             MediaObserver& observer)
    : memory_(std::move(memory)),
      saved_(std::move(saved)),
      observer_(observer),
      flags_(memory_->size() / kPageBytes),
      stepped_(std::make_unique<SteppedPage[]>(kPagesInStep)) {}

Media::~Media() { FaultHandler::forget(*this); }

void Media::place(MediaAddress address, Bytes bytes) noexcept {
  if (bytes.empty()) return;
  mark_dirty(address, bytes.size());
  std::memcpy(open(address), bytes.data(), bytes.size());
}

void Media::mark_dirty(MediaAddress address, std::size_t bytes) noexcept {
  for (std::size_t page = page_of(address); page < page_after(address + bytes); ++page) {
    if ((flags_[page] & kDirty) != 0) continue;
    flags_[page] |= kDirty;
    dirty_pages_.push_back(static_cast<std::uint32_t>(page));
  }
}

void Media::map(MediaAddress address, std::size_t bytes) {
  NACRE_ASSERT(address % kPageBytes == 0);
  for (std::size_t page = page_of(address); page < page_after(address + bytes); ++page) {
    if ((flags_[page] & kMapped) != 0) continue;
    flags_[page] |= kMapped;
    mapped_pages_.push_back(static_cast<std::uint32_t>(page));
    if ((flags_[page] & kShut) == 0) memory_->allow(page, 1, PageAccess::kRead);
  }
}

void Media::set_stepping(bool stepping) noexcept {
  if (stepping && !stepping_) {
    for (const std::uint32_t page : let_in_pages_) memory_->allow(page, 1, PageAccess::kRead);
  }
  stepping_ = stepping;
}

void Media::shut(MediaAddress address, std::size_t bytes) {
  for (std::size_t page = page_of(address); page < page_after(address + bytes); ++page) {
    if ((flags_[page] & kShut) != 0) continue;
    flags_[page] |= kShut;
    shut_pages_.push_back(static_cast<std::uint32_t>(page));
    if ((flags_[page] & kMapped) != 0) memory_->allow(page, 1, PageAccess::kNone);
  }
}

void Media::open_all() {
  for (const std::uint32_t page : std::exchange(shut_pages_, {})) {
    flags_[page] = static_cast<std::uint8_t>(flags_[page] & ~kShut);
    if ((flags_[page] & kMapped) != 0) memory_->allow(page, 1, PageAccess::kRead);
  }
}

void Media::save() noexcept {
  for (const std::uint32_t page : dirty_pages_) {
    flags_[page] = static_cast<std::uint8_t>(flags_[page] & ~kDirty);
    const std::size_t at = page * kPageBytes;
    std::memcpy(saved_.get() + at, open(at), kPageBytes);
    mark_used(page);
  }
  dirty_pages_.clear();
}

void Media::mark_used(std::size_t page) noexcept {
  if ((flags_[page] & kUsed) != 0) return;
  flags_[page] |= kUsed;
  used_pages_.push_back(static_cast<std::uint32_t>(page));
}

void Media::save_as(const Media& other) noexcept {
  const auto take = [&](std::size_t page) {
    const Bytes theirs = other.saved(page * kPageBytes, kPageBytes);
    const Bytes ours = saved(page * kPageBytes, kPageBytes);
    if (std::memcmp(ours.data(), theirs.data(), kPageBytes) != 0) {
      save_bytes(page * kPageBytes, theirs);
    }
  };
  for (const std::uint32_t page : other.used_pages_) take(page);
  for (std::size_t i = 0; i < used_pages_.size(); ++i) {
    if ((other.flags_[used_pages_[i]] & kUsed) == 0) take(used_pages_[i]);
  }
}

void Media::save_bytes(MediaAddress address, Bytes bytes) noexcept {
  if (bytes.empty()) return;
  for (std::size_t page = page_of(address); page < page_after(address + bytes.size()); ++page) {
    mark_used(page);
  }
  std::memcpy(saved_.get() + address, bytes.data(), bytes.size());
  std::memcpy(open(address), bytes.data(), bytes.size());
}

Bytes Media::saved(MediaAddress address, std::size_t bytes) const noexcept {
  return {saved_.get() + address, bytes};
}

void Media::restore() noexcept {
  for (const std::uint32_t page : dirty_pages_) {
    flags_[page] = static_cast<std::uint8_t>(flags_[page] & ~kDirty);
    const std::size_t at = page * kPageBytes;
    std::memcpy(open(at), saved_.get() + at, kPageBytes);
  }
  dirty_pages_.clear();
  for (const std::uint32_t page : let_in_pages_) {
    flags_[page] = static_cast<std::uint8_t>(flags_[page] & ~kLetIn);
    memory_->allow(page, 1, (flags_[page] & kShut) != 0 ? PageAccess::kNone : PageAccess::kRead);
  }
  let_in_pages_.clear();
}

void Media::let_in(std::size_t page, PageAccess access) noexcept {
  memory_->allow(page, 1, access);
  if ((flags_[page] & kLetIn) != 0) return;
  flags_[page] |= kLetIn;
  let_in_pages_.push_back(static_cast<std::uint32_t>(page));
}

void Media::detach() {
  memory_->detach();
  for (const std::uint32_t page : used_pages_) {
    const std::size_t at = page * kPageBytes;
    std::memcpy(open(at), saved_.get() + at, kPageBytes);
  }
  for (const std::uint32_t page : mapped_pages_) {
    if ((flags_[page] & kShut) == 0) memory_->allow(page, 1, PageAccess::kRead);
  }
}

bool Media::on_fault(const std::byte* address, bool is_store, bool& step) {
  const auto at = static_cast<MediaAddress>(address - memory_->guarded());
  const std::size_t page = page_of(at);
  if ((flags_[page] & kMapped) == 0) return false;
  // A page that was let in by a load faults again at its first store; nothing is undecided then.
  if ((flags_[page] & (kShut | kLetIn)) == kShut) {
    observer_.before_access(page * kPageBytes, kPageBytes);
  }
  step = is_store && stepping_;
  if (!is_store) {
    let_in(page, PageAccess::kRead);
    return true;
  }
  mark_dirty(page * kPageBytes, kPageBytes);
  let_in(page, PageAccess::kReadWrite);
  if (!step) return true;
  if (stepped_count_ == kPagesInStep) return false;
  SteppedPage& stepped = stepped_[stepped_count_++];
  stepped.page = page;
  std::memcpy(stepped.before, open(page * kPageBytes), kPageBytes);
  return true;
}

void Media::on_step(const void* instruction, bool streamed) {
  const std::size_t count = std::exchange(stepped_count_, 0);
  for (std::size_t i = 0; i < count; ++i) {
    memory_->allow(stepped_[i].page, 1, PageAccess::kRead);
    tell_stores(stepped_[i], instruction, streamed);
  }
}

void Media::tell_stores(const SteppedPage& stepped, const void* instruction, bool streamed) {
  const MediaAddress first = stepped.page * kPageBytes;
  const std::byte* const now = open(first);
  for (std::size_t word = 0; word < kPageBytes; word += kWordBytes) {
    if (std::memcmp(stepped.before + word, now + word, kWordBytes) == 0) continue;
    std::size_t begin = word;
    std::size_t end = word + kWordBytes;
    while (stepped.before[begin] == now[begin]) ++begin;
    while (stepped.before[end - 1] == now[end - 1]) --end;
    observer_.on_store(first + begin, end - begin, instruction, streamed);
  }
}

}  // namespace nacre
