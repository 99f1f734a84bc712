#include "emulation/simulation/simulated_file.h"

#include <algorithm>
#include <cerrno>
#include <limits>
#include <utility>
#include <vector>

#include "emulation/simulation/turn_scheduler.h"
#include "lib/base/try.h"
#include "lib/io/errno_error.h"

namespace nacre {
namespace {

constexpr std::size_t kDirectAlignment = 4096;
constexpr auto kMaxOffset = static_cast<std::uint64_t>(std::numeric_limits<std::int64_t>::max());

bool fits_a_file(std::uint64_t offset, std::uint64_t bytes) {
  return bytes <= kMaxOffset && offset <= kMaxOffset - bytes;
}

}  // namespace

SimulatedFile::SimulatedFile(SimulatedFiles& files, SimulatedFiles::Inode inode,
                             const OpenOptions& options, std::filesystem::path path)
    : files_(files),
      inode_(inode),
      options_(options),
      path_(std::move(path)),
      epoch_(files.epoch()) {}

SimulatedFile::~SimulatedFile() {
  if (epoch_ == files_.epoch()) files_.unlock(inode_, this);
}

Result<std::size_t> SimulatedFile::read_at(std::uint64_t offset, std::span<std::byte> buffer) {
  NACRE_TRY(check_open());
  NACRE_TRY(check_transfer(offset, buffer.data(), buffer.size()));
  if (offset >= files_.max_file_bytes()) return 0;
  const std::size_t room = files_.max_file_bytes() - offset;
  return files_.read(inode_, offset, buffer.first(std::min(buffer.size(), room)));
}

Status SimulatedFile::write_at(std::uint64_t offset, Bytes bytes) {
  const void* const site = __builtin_return_address(0);
  const SchedulingPoints points;
  NACRE_TRY(check_open());
  NACRE_TRY(check_transfer(offset, bytes.data(), bytes.size()));
  NACRE_TRY(check_growth(offset, bytes.size(), "write to the file"));
  if (bytes.empty() || files_.write(inode_, offset, bytes, options_.data_sync, site)) return {};
  return failure(EIO, "write to the file").with_offset(offset);
}

Status SimulatedFile::write_vectored_at(std::uint64_t offset, std::span<const Bytes> parts) {
  const void* const site = __builtin_return_address(0);
  const SchedulingPoints points;
  NACRE_TRY(check_open());
  const std::vector<std::byte> whole = NACRE_TRY(gather(offset, parts));
  if (whole.empty() || files_.write(inode_, offset, whole, options_.data_sync, site)) return {};
  return failure(EIO, "write to the file").with_offset(offset);
}

Result<std::size_t> SimulatedFile::begin_write(std::uint64_t offset, std::span<const Bytes> parts) {
  const void* const site = __builtin_return_address(0);
  const SchedulingPoints points;
  NACRE_TRY(check_open());
  return files_.begin_write(inode_, offset, NACRE_TRY(gather(offset, parts)), site);
}

Status SimulatedFile::end_write(std::uint64_t offset, std::size_t begun, bool durable) {
  const void* const site = __builtin_return_address(0);
  const SchedulingPoints points;
  NACRE_TRY(check_open());
  if (files_.end_write(inode_, begun, durable || options_.data_sync, site)) return {};
  return failure(EIO, "write to the file").with_offset(offset);
}

Result<std::vector<std::byte>> SimulatedFile::gather(std::uint64_t offset,
                                                     std::span<const Bytes> parts) const {
  std::vector<std::byte> whole;
  for (const Bytes part : parts) {
    NACRE_TRY(check_transfer(offset + whole.size(), part.data(), part.size()));
    whole.insert(whole.end(), part.begin(), part.end());
  }
  NACRE_TRY(check_growth(offset, whole.size(), "write to the file"));
  return whole;
}

Status SimulatedFile::preallocate(std::uint64_t offset, std::uint64_t bytes) {
  const void* const site = __builtin_return_address(0);
  const SchedulingPoints points;
  NACRE_TRY(check_open());
  if (!fits_a_file(offset, bytes)) {
    return failure(EOVERFLOW, "reserve space").with_offset(offset);
  }
  if (bytes == 0) return {};
  NACRE_TRY(check_growth(offset, bytes, "reserve space"));
  if (offset + bytes > files_.size(inode_)) files_.resize(inode_, offset + bytes, site);
  return {};
}

Status SimulatedFile::resize(std::uint64_t bytes) {
  const void* const site = __builtin_return_address(0);
  const SchedulingPoints points;
  NACRE_TRY(check_open());
  if (!fits_a_file(0, bytes)) return failure(EOVERFLOW, "resize the file").with_offset(bytes);
  // ftruncate(2) has another errno for this than write(2).
  if (!options_.writable) return failure(EINVAL, "resize the file").with_offset(bytes);
  if (bytes > files_.max_file_bytes()) return failure(EFBIG, "resize the file").with_offset(bytes);
  files_.resize(inode_, bytes, site);
  return {};
}

// As far as files are simulated the two are one: the size is needed to read what was written, and
// there is no other metadata.

Status SimulatedFile::sync_data() {
  const void* const site = __builtin_return_address(0);
  const SchedulingPoints points;
  NACRE_TRY(check_open());
  if (files_.sync(inode_, site)) return {};
  return failure(EIO, "make written data durable");
}

Status SimulatedFile::sync() {
  const void* const site = __builtin_return_address(0);
  const SchedulingPoints points;
  NACRE_TRY(check_open());
  if (files_.sync(inode_, site)) return {};
  return failure(EIO, "make the file durable");
}

Result<std::uint64_t> SimulatedFile::size() {
  NACRE_TRY(check_open());
  return files_.size(inode_);
}

Status SimulatedFile::lock_exclusive() {
  NACRE_TRY(check_open());
  if (!options_.writable) return failure(EBADF, "lock the file");
  return files_.lock(inode_, this) ? Status() : failure(EAGAIN, "lock the file");
}

Status SimulatedFile::check_open() const {
  if (epoch_ == files_.epoch()) return {};
  return Error(ErrorCode::kClosed,
               "the machine has crashed since this file was opened; open it anew in the recovery")
      .with_path(path_.string());
}

Status SimulatedFile::check_transfer(std::uint64_t offset, const void* memory,
                                     std::size_t bytes) const {
  if (!fits_a_file(offset, bytes)) {
    return Error(ErrorCode::kInvalidArgument, "the range lies beyond the largest possible file")
        .with_path(path_.string())
        .with_offset(offset);
  }
  if (options_.direct &&
      (offset | bytes | reinterpret_cast<std::uintptr_t>(memory)) % kDirectAlignment != 0) {
    return Error(ErrorCode::kInvalidArgument,
                 "a file opened with `direct` takes offset, size and memory in multiples of 4096")
        .with_path(path_.string())
        .with_offset(offset);
  }
  return {};
}

Status SimulatedFile::check_growth(std::uint64_t offset, std::uint64_t bytes,
                                   const char* action) const {
  if (!options_.writable) return failure(EBADF, action).with_offset(offset);
  if (offset + bytes > files_.max_file_bytes()) return failure(EFBIG, action).with_offset(offset);
  return {};
}

Error SimulatedFile::failure(int sys_errno, const char* action) const {
  return error_from_errno(sys_errno, action, path_);
}

}  // namespace nacre
