#pragma once

// The bytes that all files and regions of a simulated machine hold, with every access seen.
//
// Simulated calls read and write the open view and say so. A program's own loads and stores go
// through the guarded view: the first touch of a shut page is a fault, which says that the page is
// about to be read; a store is carried out as one single step, after which the page is compared
// with what it was, so that stores are seen one by one and in order.
//
// What is not seen: a store of the value that was there already; two threads that store to one page
// at the same moment. A system call that is given guarded memory fails with EFAULT.
//
// Thread safety: none. x86-64 alone: it steps with the trap flag.

#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <memory>
#include <vector>

#include "emulation/simulation/trace.h"
#include "emulation/simulation/twin_memory.h"
#include "nacre/result.h"
#include "nacre/types.h"

namespace nacre {

class MediaObserver {
 public:
  virtual ~MediaObserver() = default;
  /// [address, address + bytes) is about to be read or written; what it holds may still be decided,
  /// by `Media::place`.
  virtual void before_access(MediaAddress address, std::size_t bytes) = 0;
  /// The program's own `instruction` has stored what stands at [address, address + bytes), which
  /// lies in one aligned word. `streamed`: past the cache, as an instruction with a non-temporal
  /// hint does.
  virtual void on_store(MediaAddress address, std::size_t bytes, const void* instruction,
                        bool streamed) = 0;
};

class Media {
 public:
  /// `capacity_bytes` is a multiple of 4096 and bounds everything that is ever allocated.
  /// Lifetime: `observer` outlives this. Errors: as TwinMemory::create.
  static Result<std::unique_ptr<Media>> create(std::size_t capacity_bytes, MediaObserver& observer);
  ~Media();
  Media(const Media&) = delete;
  Media& operator=(const Media&) = delete;

  std::byte* open(MediaAddress address) const noexcept { return memory_->open() + address; }
  std::byte* guarded(MediaAddress address) const noexcept { return memory_->guarded() + address; }
  std::size_t capacity() const noexcept { return memory_->size(); }
  /// Writes through the open view.
  void place(MediaAddress address, Bytes bytes) noexcept;

  /// Lets the program have the guarded view of these whole pages.
  void map(MediaAddress address, std::size_t bytes);
  /// Whether single stores are told; otherwise a page that is stored to stays open, until they are.
  void set_stepping(bool stepping) noexcept;
  /// Shuts the guarded pages that hold any of the bytes: the next touch is told.
  void shut(MediaAddress address, std::size_t bytes);
  /// Opens every page that `shut` has shut for reading.
  void open_all();

  /// What `restore` goes back to becomes what the media hold.
  void save() noexcept;
  /// What `restore` goes back to becomes `bytes` there, as do the media.
  void save_bytes(MediaAddress address, Bytes bytes) noexcept;
  Bytes saved(MediaAddress address, std::size_t bytes) const noexcept;
  /// What `restore` goes back to becomes what it is for `other`, as do the media, which have been
  /// restored. Both have the same capacity.
  void save_as(const Media& other) noexcept;
  /// Undoes every write since, and shuts again what has been opened by faults.
  void restore() noexcept;

  /// In a child, which shares the memory with its parent: goes on alone, from what is saved.
  void detach();

  /// For the fault handler: false when the fault is none of this media's.
  bool on_fault(const std::byte* address, bool is_store, bool& step);
  void on_step(const void* instruction, bool streamed);

 private:
  static constexpr std::size_t kPagesInStep = 4;
  enum PageFlag : std::uint8_t { kDirty = 1, kMapped = 2, kShut = 4, kLetIn = 8, kUsed = 16 };
  struct Free {
    void operator()(std::byte* memory) const noexcept { std::free(memory); }
  };
  struct SteppedPage {
    std::size_t page = 0;
    std::byte before[kPageBytes];
  };

  Media(std::unique_ptr<TwinMemory> memory, std::unique_ptr<std::byte, Free> saved,
        MediaObserver& observer);
  void mark_dirty(MediaAddress address, std::size_t bytes) noexcept;
  void mark_used(std::size_t page) noexcept;
  void let_in(std::size_t page, PageAccess access) noexcept;
  void tell_stores(const SteppedPage& stepped, const void* instruction, bool streamed);

  std::unique_ptr<TwinMemory> memory_;
  std::unique_ptr<std::byte, Free> saved_;
  MediaObserver& observer_;
  bool stepping_ = true;
  std::vector<std::uint8_t> flags_;          // By page.
  std::vector<std::uint32_t> dirty_pages_;   // Differ from what is saved.
  std::vector<std::uint32_t> let_in_pages_;  // Opened by a fault.
  std::vector<std::uint32_t> shut_pages_;
  std::vector<std::uint32_t> mapped_pages_;
  std::vector<std::uint32_t> used_pages_;  // All others are saved as zeros.
  std::size_t stepped_count_ = 0;
  std::unique_ptr<SteppedPage[]> stepped_;
};

}  // namespace nacre
