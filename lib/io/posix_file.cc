#include "lib/io/posix_file.h"

#include <fcntl.h>
#include <linux/fs.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <limits>
#include <utility>
#include <vector>

#include "lib/base/try.h"
#include "lib/io/errno_error.h"
#include "lib/io/file_lock.h"
#include "lib/io/transfer_parts.h"

namespace nacre {
namespace {

constexpr std::size_t kDirectAlignment = 4096;
constexpr auto kMaxFileBytes = static_cast<std::uint64_t>(std::numeric_limits<off_t>::max());

// What a file system without fallocate gets written instead.
alignas(kDirectAlignment) constexpr std::array<std::byte, 65536> kZeros{};

/// Repeats `call` while a signal interrupts it; returns what it returned.
template <class Call>
auto uninterrupted(Call call) {
  auto result = call();
  while (result < 0 && errno == EINTR) result = call();
  return result;
}

bool fits_a_file(std::uint64_t offset, std::uint64_t bytes) {
  return bytes <= kMaxFileBytes && offset <= kMaxFileBytes - bytes;
}

}  // namespace

PosixFile::PosixFile(int descriptor, bool direct, std::filesystem::path path)
    : descriptor_(descriptor), direct_(direct), path_(std::move(path)) {}

PosixFile::~PosixFile() {
  if (locked_) set_file_lock(descriptor_, F_UNLCK);
  // A failure here has nothing to say: whoever needs the bytes durable has synced and looked.
  ::close(descriptor_);
}

/// Reads `whole` bytes in as many calls as it takes. `call` reads what follows the first `done`.
template <class Call>
Result<std::size_t> PosixFile::read_whole(std::uint64_t offset, std::size_t whole, Call call) {
  std::size_t done = 0;
  while (done < whole) {
    const ssize_t got =
        uninterrupted([&] { return call(done, static_cast<off_t>(offset + done)); });
    if (got < 0) return failure(errno, "read the file").with_offset(offset + done);
    if (got == 0) break;
    done += static_cast<std::size_t>(got);
    // O_DIRECT ends short of its alignment only at the end of the file, and refuses to go on from
    // there.
    if (direct_ && done % kDirectAlignment != 0) break;
  }
  return done;
}

template <class Call>
Status PosixFile::write_whole(std::uint64_t offset, std::size_t whole, Call call) {
  std::size_t done = 0;
  while (done < whole) {
    const ssize_t put =
        uninterrupted([&] { return call(done, static_cast<off_t>(offset + done)); });
    if (put < 0) return failure(errno, "write to the file").with_offset(offset + done);
    std::size_t step = static_cast<std::size_t>(put);
    // O_DIRECT goes on only from an aligned place, so the tail of a short write is written again.
    if (direct_ && done + step < whole) step -= step % kDirectAlignment;
    if (step == 0) return failure(EIO, "write to the file").with_offset(offset + done);
    done += step;
  }
  return {};
}

Result<std::size_t> PosixFile::read_at(std::uint64_t offset, std::span<std::byte> buffer) {
  NACRE_TRY(check_transfer(offset, buffer.data(), buffer.size()));
  return read_whole(offset, buffer.size(), [&](std::size_t done, off_t at) {
    return ::pread(descriptor_, buffer.data() + done, buffer.size() - done, at);
  });
}

Status PosixFile::write_at(std::uint64_t offset, Bytes bytes) {
  NACRE_TRY(check_transfer(offset, bytes.data(), bytes.size()));
  return write_whole(offset, bytes.size(), [&](std::size_t done, off_t at) {
    return ::pwrite(descriptor_, bytes.data() + done, bytes.size() - done, at);
  });
}

template <class Pieces>
Result<std::size_t> PosixFile::check_pieces(std::uint64_t offset, const Pieces& pieces) const {
  std::size_t whole = 0;
  for (const auto& piece : pieces) {
    NACRE_TRY(check_transfer(offset + whole, piece.data(), piece.size()));
    whole += piece.size();
  }
  return whole;
}

Result<std::size_t> PosixFile::read_vectored_at(std::uint64_t offset,
                                                std::span<const std::span<std::byte>> buffers) {
  const std::size_t whole = NACRE_TRY(check_pieces(offset, buffers));
  std::vector<iovec> parts;
  return read_whole(offset, whole, [&](std::size_t done, off_t at) {
    gather_parts(buffers, done, parts);
    return ::preadv(descriptor_, parts.data(), static_cast<int>(parts.size()), at);
  });
}

Status PosixFile::write_vectored_at(std::uint64_t offset, std::span<const Bytes> pieces) {
  const std::size_t whole = NACRE_TRY(check_pieces(offset, pieces));
  std::vector<iovec> parts;
  return write_whole(offset, whole, [&](std::size_t done, off_t at) {
    gather_parts(pieces, done, parts);
    return ::pwritev(descriptor_, parts.data(), static_cast<int>(parts.size()), at);
  });
}

Status PosixFile::preallocate(std::uint64_t offset, std::uint64_t bytes) {
  if (!fits_a_file(offset, bytes)) {
    return failure(EOVERFLOW, "reserve space").with_offset(offset);
  }
  if (bytes == 0) return {};
  const int failed = uninterrupted([&] {
    return ::fallocate(descriptor_, 0, static_cast<off_t>(offset), static_cast<off_t>(bytes));
  });
  if (failed == 0) return {};
  if (errno == EOPNOTSUPP || errno == ENOSYS) return write_zeros_past_end(offset, bytes);
  return failure(errno, "reserve space").with_offset(offset);
}

// A file system without fallocate reserves what is written. Below the end of the file something may
// have been written already, which must stay.
Status PosixFile::write_zeros_past_end(std::uint64_t offset, std::uint64_t bytes) {
  const std::uint64_t end = offset + bytes;
  std::uint64_t at = std::max(offset, NACRE_TRY(size()));
  while (at < end) {
    const std::uint64_t piece = std::min<std::uint64_t>(end - at, kZeros.size());
    NACRE_TRY(write_at(at, Bytes(kZeros).first(piece)));
    at += piece;
  }
  return {};
}

Status PosixFile::resize(std::uint64_t bytes) {
  if (!fits_a_file(0, bytes)) return failure(EOVERFLOW, "resize the file").with_offset(bytes);
  if (uninterrupted([&] { return ::ftruncate(descriptor_, static_cast<off_t>(bytes)); }) != 0) {
    return failure(errno, "resize the file").with_offset(bytes);
  }
  return {};
}

// A failed sync drops what it could not write, and the next one succeeds without it: hence no
// second try, not even after EINTR (Rebello et al., "Can Applications Recover from fsync
// Failures?", USENIX ATC 2020).

Status PosixFile::sync_data() {
  if (::fdatasync(descriptor_) != 0) return failure(errno, "make written data durable");
  return {};
}

Status PosixFile::sync() {
  if (::fsync(descriptor_) != 0) return failure(errno, "make the file durable");
  return {};
}

Result<std::uint64_t> PosixFile::size() {
  struct stat status{};
  if (::fstat(descriptor_, &status) != 0) return failure(errno, "read the size of the file");
  if (!S_ISBLK(status.st_mode)) return static_cast<std::uint64_t>(status.st_size);
  std::uint64_t bytes = 0;
  if (::ioctl(descriptor_, BLKGETSIZE64, &bytes) != 0) {
    return failure(errno, "read the size of the block device");
  }
  return bytes;
}

Status PosixFile::lock_exclusive() {
  if (set_file_lock(descriptor_, F_WRLCK) == 0) {
    locked_ = true;
    return {};
  }
  // fcntl(2): POSIX lets a conflict be either of the two.
  if (errno == EACCES) errno = EAGAIN;
  return failure(errno, "lock the file");
}

Error PosixFile::failure(int sys_errno, const char* action) const {
  return error_from_errno(sys_errno, action, path_);
}

Status PosixFile::check_transfer(std::uint64_t offset, const void* memory,
                                 std::size_t bytes) const {
  if (!fits_a_file(offset, bytes)) {
    return Error(ErrorCode::kInvalidArgument, "the range lies beyond the largest possible file")
        .with_path(path_.string())
        .with_offset(offset);
  }
  if (direct_ &&
      (offset | bytes | reinterpret_cast<std::uintptr_t>(memory)) % kDirectAlignment != 0) {
    return Error(ErrorCode::kInvalidArgument,
                 "a file opened with `direct` takes offset, size and memory in multiples of 4096")
        .with_path(path_.string())
        .with_offset(offset);
  }
  return {};
}

}  // namespace nacre
