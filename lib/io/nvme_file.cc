#include "lib/io/nvme_file.h"

#include <fcntl.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <bit>
#include <cerrno>
#include <string>
#include <string_view>
#include <system_error>
#include <utility>

#include <fmt/format.h>

#include "lib/base/try.h"
#include "lib/io/errno_error.h"
#include "lib/io/file_lock.h"

namespace nacre {
namespace {

/// What a command's memory has to be aligned to (Base Specification, physical region pages).
constexpr std::size_t kMemoryAlignment = 4;

constexpr std::uint8_t kOpcodeIdentify = 0x06;
constexpr std::uint32_t kIdentifyNamespace = 0;
constexpr std::uint32_t kIdentifyController = 1;

// The structure of a ring's commands ends with a word that is not used, and that of ioctl(2) with a
// result in its place.
static_assert(sizeof(nvme_passthru_cmd) == sizeof(nvme_uring_cmd));

/// Where sysfs tells of a character device.
std::filesystem::path sysfs_of(const struct stat& status) {
  return fmt::format("/sys/dev/char/{}:{}", major(status.st_rdev), minor(status.st_rdev));
}

/// Sends `command` with `memory`. Returns the device's status, or an errno as a negative number.
int call(int descriptor, unsigned long request, nvme_uring_cmd command, void* memory) {
  command.addr = reinterpret_cast<std::uint64_t>(memory);
  auto passed = std::bit_cast<nvme_passthru_cmd>(command);
  const int status = ::ioctl(descriptor, request, &passed);
  return status < 0 ? -errno : status;
}

using Answer = std::array<std::byte, kNvmeIdentifyBytes>;

Status identify(int descriptor, std::uint32_t id, std::uint32_t what, Answer& answer,
                const std::filesystem::path& path) {
  nvme_uring_cmd command{};
  command.opcode = kOpcodeIdentify;
  command.nsid = what == kIdentifyNamespace ? id : 0;
  command.cdw10 = what;
  command.data_len = static_cast<std::uint32_t>(answer.size());
  const int status = call(descriptor, NVME_IOCTL_ADMIN_CMD, command, answer.data());
  constexpr std::string_view kAction = "ask the NVMe namespace for its size";
  if (status > 0) return nvme_error(status, kAction, path);
  if (status == -EACCES || status == -EPERM) {
    return Error(ErrorCode::kIo,
                 fmt::format("cannot {}: permission denied; before Linux 6.2 commands take "
                             "CAP_SYS_ADMIN, whatever the mode of the device file",
                             kAction))
        .with_errno(-status)
        .with_path(path.string());
  }
  if (status < 0) return error_from_errno(-status, kAction, path);
  return {};
}

Result<NvmeNamespace> ask(int descriptor, const std::filesystem::path& path) {
  const int id = ::ioctl(descriptor, NVME_IOCTL_ID);
  if (id < 0) return error_from_errno(errno, "ask the NVMe namespace for its number", path);
  const auto number = static_cast<std::uint32_t>(id);
  Answer of_namespace{};
  Answer of_controller{};
  NACRE_TRY(identify(descriptor, number, kIdentifyNamespace, of_namespace, path));
  NACRE_TRY(identify(descriptor, number, kIdentifyController, of_controller, path));
  auto space = parse_nvme_namespace(number, of_namespace, of_controller);
  if (!space) return std::move(space).error().with_path(path.string());
  return space;
}

/// The block device of the namespace whose character device `descriptor` is, by the kernel's names:
/// /dev/nvme0n1 of /dev/ng0n1.
std::filesystem::path block_device_of(int descriptor) {
  struct stat status{};
  if (::fstat(descriptor, &status) != 0) return {};
  std::error_code failed;
  const auto known = std::filesystem::canonical(sysfs_of(status), failed);
  const std::string name = known.filename().string();
  if (failed || !name.starts_with("ng")) return {};
  return "/dev/nvme" + name.substr(2);
}

}  // namespace

bool NvmeFile::is_one(const struct stat& status) {
  if (!S_ISCHR(status.st_mode)) return false;
  std::error_code failed;
  const auto subsystem = std::filesystem::read_symlink(sysfs_of(status) / "subsystem", failed);
  return !failed && subsystem.filename() == "nvme-generic";
}

Result<std::unique_ptr<NvmeFile>> NvmeFile::make(int descriptor, const OpenOptions& options,
                                                 std::filesystem::path path) {
  auto space = ask(descriptor, path);
  if (!space) {
    ::close(descriptor);
    return space.error();
  }
  return std::make_unique<NvmeFile>(descriptor, options, *space, std::move(path));
}

NvmeFile::NvmeFile(int descriptor, const OpenOptions& options, const NvmeNamespace& space,
                   std::filesystem::path path)
    : descriptor_(descriptor),
      writable_(options.writable),
      durable_(options.data_sync),
      space_(space),
      path_(std::move(path)) {}

NvmeFile::~NvmeFile() {
  if (locked_) static_cast<void>(set_file_lock(descriptor_, F_UNLCK));
  if (claim_ >= 0) ::close(claim_);
  ::close(descriptor_);
}

Status NvmeFile::check_transfer(std::uint64_t offset, const void* memory, std::size_t bytes,
                                bool writes) const {
  const auto refused = [&](int sys_errno, ErrorCode code, std::string why) {
    return Error(code, std::move(why))
        .with_errno(sys_errno)
        .with_path(path_.string())
        .with_offset(offset);
  };
  if ((offset | bytes) % space_.block_bytes != 0 ||
      reinterpret_cast<std::uintptr_t>(memory) % kMemoryAlignment != 0) {
    return refused(
        EINVAL, ErrorCode::kInvalidArgument,
        fmt::format("this NVMe namespace takes offset and size in multiples of its block "
                    "of {} bytes, and memory aligned to {}",
                    space_.block_bytes, kMemoryAlignment));
  }
  if (!writes) return {};
  // The kernel lets whoever may send any command write by a descriptor that is open for reading.
  if (!writable_)
    return error_from_errno(EBADF, "write to the namespace", path_).with_offset(offset);
  if (bytes > space_.bytes() || offset > space_.bytes() - bytes) {
    return refused(
        ENOSPC, ErrorCode::kNoSpace,
        fmt::format("the NVMe namespace ends at {} bytes and cannot grow; write within it",
                    space_.bytes()));
  }
  return {};
}

/// Sends `command` up to `tries` times, which is once for what may not be tried twice.
Status NvmeFile::carry_out(nvme_uring_cmd command, void* memory, const char* action,
                           unsigned tries) {
  int status = call(descriptor_, NVME_IOCTL_IO_CMD, command, memory);
  for (unsigned tried = 1; tried < tries; ++tried) {
    const bool passing = status == -EINTR || (status > 0 && nvme_may_retry(status));
    if (!passing) break;
    status = call(descriptor_, NVME_IOCTL_IO_CMD, command, memory);
  }
  if (status > 0) return nvme_error(status, action, path_);
  if (status < 0) return error_from_errno(-status, action, path_);
  return {};
}

Result<std::size_t> NvmeFile::read_at(std::uint64_t offset, std::span<std::byte> buffer) {
  NACRE_TRY(check_transfer(offset, buffer.data(), buffer.size(), /*writes=*/false));
  const std::uint64_t left = space_.bytes() - std::min(space_.bytes(), offset);
  const std::size_t whole = std::min<std::uint64_t>(buffer.size(), left);
  for (std::size_t done = 0; done < whole;) {
    const std::size_t bytes = std::min<std::size_t>(whole - done, space_.max_command_bytes);
    Status read = carry_out(nvme_read(space_, offset + done, bytes), buffer.data() + done,
                            "read the namespace", kNvmeTries);
    if (!read) return std::move(read).error().with_offset(offset + done);
    done += bytes;
  }
  return whole;
}

Status NvmeFile::write_at(std::uint64_t offset, Bytes bytes) {
  NACRE_TRY(check_transfer(offset, bytes.data(), bytes.size(), /*writes=*/true));
  for (std::size_t done = 0; done < bytes.size();) {
    const std::size_t part = std::min<std::size_t>(bytes.size() - done, space_.max_command_bytes);
    // The kernel's structure is one for both directions, and so without `const`.
    void* const memory = const_cast<std::byte*>(bytes.data() + done);
    Status written = carry_out(nvme_write(space_, offset + done, part, durable_), memory,
                               "write to the namespace", kNvmeTries);
    if (!written) return std::move(written).error().with_offset(offset + done);
    done += part;
  }
  return {};
}

Status NvmeFile::preallocate(std::uint64_t offset, std::uint64_t) {
  return Error(ErrorCode::kUnsupported,
               "an NVMe namespace reserves no space: all of its blocks are there, with whatever "
               "they hold; write them, or use a file system")
      .with_errno(EOPNOTSUPP)
      .with_path(path_.string())
      .with_offset(offset);
}

Status NvmeFile::resize(std::uint64_t bytes) {
  return Error(ErrorCode::kUnsupported,
               fmt::format("an NVMe namespace has a fixed size, this one {} bytes; keep the length "
                           "of what it holds elsewhere, or use a file system",
                           space_.bytes()))
      .with_errno(EOPNOTSUPP)
      .with_path(path_.string())
      .with_offset(bytes);
}

Status NvmeFile::sync_data() {
  return carry_out(nvme_flush(space_), nullptr, "make written data durable", 1);
}

// The lock is for those who use the character device, the claim for all others: the kernel refuses
// it while a file system is mounted from the block device, and a mount while it is held.
Status NvmeFile::lock_exclusive() {
  if (locked_) return {};
  if (set_file_lock(descriptor_, F_WRLCK) != 0) {
    // fcntl(2): POSIX lets a conflict be either of the two.
    return error_from_errno(errno == EACCES ? EAGAIN : errno, "lock the namespace", path_);
  }
  const std::filesystem::path block_device = block_device_of(descriptor_);
  if (!block_device.empty()) {
    claim_ = ::open(block_device.c_str(), O_CLOEXEC | O_RDONLY | O_EXCL);
    if (claim_ < 0 && errno == EBUSY) {
      static_cast<void>(set_file_lock(descriptor_, F_UNLCK));
      return Error(
                 ErrorCode::kBusy,
                 fmt::format("the namespace is in use as {}: mounted, a part of a volume, or held "
                             "by another program; end that first",
                             block_device.string()))
          .with_errno(EBUSY)
          .with_path(path_.string());
    }
  }
  locked_ = true;
  return {};
}

}  // namespace nacre
