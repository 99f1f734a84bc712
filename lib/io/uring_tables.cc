#include "lib/io/uring_tables.h"

#include <fcntl.h>
#include <sys/resource.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <numeric>

#include <fmt/format.h>

#include "lib/base/assert.h"

namespace nacre {
namespace {

/// The kernel's own bound for one area (io_uring_register(2)).
constexpr std::size_t kMaxAreaBytes = std::size_t{1} << 30;

/// The O_ flags `descriptor` was opened with.
int flags_of(int descriptor) noexcept { return std::max(::fcntl(descriptor, F_GETFL), 0); }

bool direct_in(int flags) noexcept { return (flags & O_DIRECT) != 0; }
bool data_sync_in(int flags) noexcept { return (flags & O_DSYNC) != 0; }

/// The lowest slot is taken first.
std::vector<int> all_slots(unsigned count) {
  std::vector<int> slots(count);
  std::iota(slots.rbegin(), slots.rend(), 0);
  return slots;
}

/// What to do about memory the kernel will not lock, when so many bytes are to be locked in all.
std::string memlock_advice(std::size_t needed_bytes) {
  constexpr std::size_t kKiB = 1024;
  rlimit limit{};
  if (::getrlimit(RLIMIT_MEMLOCK, &limit) != 0 || limit.rlim_cur == RLIM_INFINITY) {
    return "the machine is out of memory that can be locked";
  }
  const std::size_t needed_kib = (needed_bytes + kKiB - 1) / kKiB;
  return fmt::format(
      "{} KiB of memory may be locked and {} KiB are needed: put the line \"* - memlock {}\" into "
      "/etc/security/limits.conf (LimitMEMLOCK={}K in the unit of a service) and log in again",
      limit.rlim_cur / kKiB, needed_kib, needed_kib, needed_kib);
}

}  // namespace

UringTables::UringTables()
    : files_(kUringFileSlots),
      free_files_(all_slots(kUringFileSlots)),
      memory_(kUringMemorySlots),
      free_memory_(all_slots(kUringMemorySlots)) {}

int UringTables::attach_file(UringRing& ring, const File& file) {
  const auto* const nvme =
      ring.abilities().passes_commands ? dynamic_cast<const NvmeFile*>(&file) : nullptr;
  const int descriptor = nvme != nullptr ? nvme->descriptor() : file.native_handle();
  if (descriptor < 0 || free_files_.empty()) return -1;
  const int slot = free_files_.back();
  free_files_.pop_back();
  FileEntry& entry = files_[static_cast<std::size_t>(slot)];
  const int flags = flags_of(descriptor);
  entry = {.file = &file,
           .descriptor = descriptor,
           .direct = nvme != nullptr || direct_in(flags),
           .data_sync = nvme == nullptr && data_sync_in(flags),
           .nvme = nvme};
  // A file the kernel's table has no room for goes by its descriptor.
  entry.registered =
      ring.abilities().registers_files &&
      io_uring_register_files_update(&ring.raw(), static_cast<unsigned>(slot), &descriptor, 1) == 1;
  return slot;
}

void UringTables::detach_file(UringRing& ring, int slot) noexcept {
  FileEntry& entry = files_[static_cast<std::size_t>(slot)];
  NACRE_ASSERT(entry.file != nullptr);
  if (entry.registered) {
    const int none = -1;
    io_uring_register_files_update(&ring.raw(), static_cast<unsigned>(slot), &none, 1);
  }
  entry = {};
  free_files_.push_back(slot);
}

UringTables::FilePlace UringTables::place_of(const IoFile& file) const {
  if (file.slot() < 0) {
    const int descriptor = file.file().native_handle();
    const int flags = flags_of(descriptor);
    return {.descriptor = descriptor, .direct = direct_in(flags), .data_sync = data_sync_in(flags)};
  }
  const FileEntry& entry = files_[static_cast<std::size_t>(file.slot())];
  return {.descriptor = entry.registered ? file.slot() : entry.descriptor,
          .registered = entry.registered,
          .direct = entry.direct,
          .data_sync = entry.data_sync,
          .nvme = entry.nvme};
}

bool UringTables::knows(const IoFile& file) const noexcept {
  if (file.slot() < 0) return true;
  const auto slot = static_cast<std::size_t>(file.slot());
  return slot < files_.size() && files_[slot].file == &file.file();
}

int UringTables::attach_memory(UringRing& ring, std::span<std::byte> memory, std::string& refusal) {
  if (memory.empty() || memory.size() > kMaxAreaBytes) {
    refusal = "the kernel registers areas of 1 byte to 1 GiB; split the memory";
    return -1;
  }
  if (free_memory_.empty()) {
    refusal = fmt::format("{} areas are registered already; attach larger ones", memory_.size());
    return -1;
  }
  const int slot = free_memory_.back();
  const iovec area{.iov_base = memory.data(), .iov_len = memory.size()};
  const int result = io_uring_register_buffers_update_tag(&ring.raw(), static_cast<unsigned>(slot),
                                                          &area, nullptr, 1);
  if (result < 0) {
    refusal = result == -ENOMEM
                  ? memlock_advice(memory_bytes_ + memory.size())
                  : fmt::format("the kernel cannot lock such memory ({})", std::strerror(-result));
    return -1;
  }
  free_memory_.pop_back();
  memory_[static_cast<std::size_t>(slot)] = area;
  memory_bytes_ += memory.size();
  return slot;
}

void UringTables::detach_memory(UringRing& ring, int slot) noexcept {
  iovec& area = memory_[static_cast<std::size_t>(slot)];
  if (area.iov_len > 0) {
    memory_bytes_ -= area.iov_len;
    area = {};
    io_uring_register_buffers_update_tag(&ring.raw(), static_cast<unsigned>(slot), &area, nullptr,
                                         1);
  }
  free_memory_.push_back(slot);
}

bool UringTables::covers(int slot, const std::byte* data, std::size_t bytes) const noexcept {
  if (slot < 0 || static_cast<std::size_t>(slot) >= memory_.size()) return false;
  const iovec& area = memory_[static_cast<std::size_t>(slot)];
  const auto* const begin = static_cast<const std::byte*>(area.iov_base);
  return area.iov_len > 0 && data >= begin && data + bytes <= begin + area.iov_len;
}

bool UringTables::cover(std::span<const IoBuffer> buffers) const noexcept {
  return std::ranges::all_of(buffers, [&](const IoBuffer& buffer) {
    return covers(buffer.slot(), buffer.data(), buffer.capacity());
  });
}

void UringTables::register_all(UringRing& ring) {
  for (std::size_t slot = 0; slot < files_.size(); ++slot) {
    FileEntry& entry = files_[slot];
    if (entry.file == nullptr) continue;
    entry.registered = ring.abilities().registers_files &&
                       io_uring_register_files_update(&ring.raw(), static_cast<unsigned>(slot),
                                                      &entry.descriptor, 1) == 1;
  }
  for (std::size_t slot = 0; slot < memory_.size(); ++slot) {
    iovec& area = memory_[slot];
    if (area.iov_len == 0) continue;
    const bool registered = ring.abilities().registers_buffers &&
                            io_uring_register_buffers_update_tag(
                                &ring.raw(), static_cast<unsigned>(slot), &area, nullptr, 1) == 1;
    // The slot stays taken by its owner; transfers on it go by plain addresses.
    if (!registered) {
      memory_bytes_ -= area.iov_len;
      area = {};
    }
  }
}

}  // namespace nacre
