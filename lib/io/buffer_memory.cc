#include "lib/io/buffer_memory.h"

#include <fmt/format.h>
#include <memkind.h>
#include <sys/mman.h>

#include <array>
#include <cerrno>
#include <memory>
#include <utility>

#include "lib/base/assert.h"
#include "lib/base/try.h"

namespace nacre {
namespace {

/// What memkind's allocator needs in a directory beside the range itself. It refuses less than
/// MEMKIND_PMEM_MIN_SIZE, and with less to spare it ignores the alignment that is asked for.
constexpr std::size_t kDirectoryHeadroom = MEMKIND_PMEM_MIN_SIZE;

std::string memkind_words(int failed) {
  std::array<char, MEMKIND_ERROR_MESSAGE_SIZE> words{};
  memkind_error_message(failed, words.data(), words.size());
  return words.data();
}

std::string what_to_do(const BufferMemory::Options& options, std::size_t bytes) {
  switch (options.kind) {
    case BufferMemoryKind::kHugePages:
      return fmt::format("reserve huge pages, with `sysctl vm.nr_hugepages={}` or more",
                         (bytes + BufferMemory::kAlignment - 1) / BufferMemory::kAlignment);
    case BufferMemoryKind::kDirectory:
      return fmt::format("name a directory that can be written and has {} bytes free",
                         bytes + kDirectoryHeadroom);
    case BufferMemoryKind::kDefault:
    case BufferMemoryKind::kPlain:
      break;
  }
  return "free memory, or ask for less";
}

Error refused(const BufferMemory::Options& options, std::size_t bytes, int failed) {
  return Error(ErrorCode::kUnsupported,
               fmt::format("memkind gives no memory of the kind {}{}: {}; {}",
                           buffer_memory_kind_name(options.kind),
                           options.directory.empty() ? "" : " in " + options.directory.string(),
                           memkind_words(failed), what_to_do(options, bytes)));
}

std::size_t to_alignment(const void* address) {
  const std::size_t beyond = reinterpret_cast<std::uintptr_t>(address) % BufferMemory::kAlignment;
  return beyond == 0 ? 0 : BufferMemory::kAlignment - beyond;
}

}  // namespace

std::string_view buffer_memory_kind_name(BufferMemoryKind kind) noexcept {
  switch (kind) {
    case BufferMemoryKind::kDefault:
      return "default";
    case BufferMemoryKind::kHugePages:
      return "huge_pages";
    case BufferMemoryKind::kDirectory:
      return "directory";
    case BufferMemoryKind::kPlain:
      return "plain";
  }
  return "unknown";
}

/// A range from memkind, with the kind itself where it was made for this range.
class BufferMemory::Kind final : public Source {
 public:
  ~Kind() override {
    if (memory_ != nullptr) memkind_free(kind_, memory_);
    if (own_) memkind_destroy_kind(kind_);
  }

  /// 0, or memkind's error.
  int open(const Options& options, std::size_t bytes) {
    if (options.kind == BufferMemoryKind::kDirectory) {
      // A bound, so that a mistake in here cannot fill the device.
      const int failed = memkind_create_pmem(options.directory.c_str(),
                                             bytes + kAlignment + kDirectoryHeadroom, &kind_);
      own_ = failed == MEMKIND_SUCCESS;
      return failed;
    }
    kind_ = options.kind == BufferMemoryKind::kHugePages ? MEMKIND_HUGETLB : MEMKIND_DEFAULT;
    return memkind_check_available(kind_);
  }

  int allocate(std::size_t bytes) {
    return memkind_posix_memalign(kind_, &memory_, kAlignment, bytes);
  }
  std::byte* memory() const noexcept { return static_cast<std::byte*>(memory_); }

 private:
  memkind_t kind_ = nullptr;
  bool own_ = false;
  void* memory_ = nullptr;
};

class BufferMemory::Pages final : public Source {
 public:
  Pages(void* address, std::size_t bytes) noexcept : address_(address), bytes_(bytes) {}
  ~Pages() override { ::munmap(address_, bytes_); }

 private:
  void* address_;
  std::size_t bytes_;
};

Result<BufferMemory> BufferMemory::create(std::size_t bytes, const Options& options) {
  NACRE_ASSERT(bytes > 0);
  if (options.kind == BufferMemoryKind::kPlain) return from_kernel(bytes);
  Result<BufferMemory> memory = from_memkind(bytes, options);
  if (memory) return memory;
  BufferMemory plain = NACRE_TRY(from_kernel(bytes));
  plain.reason_ = memory.error().message();
  return plain;
}

Result<BufferMemory> BufferMemory::from_memkind(std::size_t bytes, const Options& options) {
  auto source = std::make_unique<Kind>();
  if (const int failed = source->open(options, bytes); failed != MEMKIND_SUCCESS) {
    return refused(options, bytes, failed);
  }
  // The file's pages stand in no relation to alignments of memory, so some are spent on that.
  const std::size_t spare = options.kind == BufferMemoryKind::kDirectory ? kAlignment : 0;
  if (const int failed = source->allocate(bytes + spare); failed != 0) {
    return refused(options, bytes, failed);
  }
  std::byte* const begin = source->memory() + to_alignment(source->memory());
  if (begin + bytes > source->memory() + bytes + spare) {
    return refused(options, bytes, MEMKIND_ERROR_RUNTIME);
  }
  // A hint, which reserved huge pages and files on most devices have no use for.
  static_cast<void>(::madvise(begin, bytes, MADV_HUGEPAGE));
  return BufferMemory({begin, bytes}, options.kind, std::move(source));
}

Result<BufferMemory> BufferMemory::from_kernel(std::size_t bytes) {
  const std::size_t mapped = bytes + kAlignment;
  void* const address =
      ::mmap(nullptr, mapped, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (address == MAP_FAILED) {
    return Error(
               ErrorCode::kNoSpace,
               fmt::format("no memory for {} bytes of I/O buffers; ask for a smaller pool", bytes))
        .with_errno(errno);
  }
  std::byte* const begin = static_cast<std::byte*>(address) + to_alignment(address);
  static_cast<void>(::madvise(begin, bytes, MADV_HUGEPAGE));
  return BufferMemory({begin, bytes}, BufferMemoryKind::kPlain,
                      std::make_unique<Pages>(address, mapped));
}

}  // namespace nacre
