#include "mmap/file_view.h"

#include <fmt/format.h>
#include <sys/mman.h>

#include <cerrno>
#include <new>
#include <span>
#include <utility>

#include "lib/base/try.h"

namespace nacre {
namespace {

constexpr std::align_val_t kBufferAlignment{4096};

Result<Bytes> map_file(const File& file, std::size_t bytes, ViewAccess access) {
  void* address = ::mmap(nullptr, bytes, PROT_READ, MAP_SHARED, file.native_handle(), 0);
  if (address == MAP_FAILED) {
    return Error(ErrorCode::kIo,
                 fmt::format("cannot map {} bytes for reading; check the limits on address space "
                             "(ulimit -v) and on mappings (vm.max_map_count)",
                             bytes))
        .with_errno(errno)
        .with_path(file.path().string());
  }
  const Bytes view(static_cast<const std::byte*>(address), bytes);
  if (access == ViewAccess::kWhole) expect_reading(view);
  return view;
}

Result<Bytes> read_file(File& file, std::size_t bytes) {
  auto* buffer = static_cast<std::byte*>(::operator new(bytes, kBufferAlignment));
  const auto got = file.read_at(0, std::span(buffer, bytes));
  if (!got) {
    ::operator delete(buffer, kBufferAlignment);
    return got.error();
  }
  return Bytes(buffer, bytes);
}

}  // namespace

Result<std::shared_ptr<const FileView>> FileView::open(FileSystem& file_system,
                                                       const std::filesystem::path& path,
                                                       std::size_t bytes, ViewAccess access) {
  auto file = NACRE_TRY(file_system.open(path, {}));
  const std::uint64_t size = NACRE_TRY(file->size());
  if (size < bytes) {
    return Error(ErrorCode::kCorruption,
                 fmt::format("the file is cut short: {} bytes where {} are expected; restore it "
                             "from a copy",
                             size, bytes))
        .with_path(path.string());
  }
  const bool mapped = file->native_handle() >= 0;
  const Bytes view = NACRE_TRY(mapped ? map_file(*file, bytes, access) : read_file(*file, bytes));
  return std::shared_ptr<const FileView>(new FileView(view, mapped));
}

FileView::~FileView() {
  auto* address = const_cast<std::byte*>(bytes_.data());
  if (mapped_) {
    ::munmap(address, bytes_.size());
  } else {
    ::operator delete(address, kBufferAlignment);
  }
}

void expect_reading(Bytes bytes) noexcept {
#ifdef MADV_POPULATE_READ
  constexpr std::uintptr_t kPageBytes = 4096;
  const auto begin = reinterpret_cast<std::uintptr_t>(bytes.data()) & ~(kPageBytes - 1);
  const auto end = reinterpret_cast<std::uintptr_t>(bytes.data()) + bytes.size();
  // Where it fails, pages come in on demand.
  static_cast<void>(::madvise(reinterpret_cast<void*>(begin), end - begin, MADV_POPULATE_READ));
#endif
}

}  // namespace nacre
