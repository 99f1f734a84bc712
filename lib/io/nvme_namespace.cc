#include "lib/io/nvme_namespace.h"

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>

#include <fmt/format.h>

#include "lib/base/endian.h"

namespace nacre {
namespace {

// Identify Namespace: where a field begins, in bytes.
constexpr std::size_t kNamespaceSize = 0;        // NSZE, in blocks.
constexpr std::size_t kFormatCount = 25;         // NLBAF, less one.
constexpr std::size_t kFormatInUse = 26;         // FLBAS.
constexpr std::size_t kFormats = 128;            // LBAF0; 4 bytes each.
constexpr std::size_t kFormatBlockExponent = 2;  // LBADS, behind two bytes of metadata size.
// Identify Controller.
constexpr std::size_t kMaxTransferExponent = 77;  // MDTS.

/// MDTS counts in the controller's smallest page (CAP.MPSMIN), which is this one for every
/// controller that a Linux of 4-KiB pages can drive. A larger one would only allow more.
constexpr unsigned kPageExponent = 12;
/// A command carries no more, whatever the device takes. The kernel refuses memory in more pieces
/// than its driver describes at a time (127 pages before Linux 6.11), or than an address
/// translation in between maps at once (256 KiB); each page may be a piece.
constexpr std::uint32_t kMaxCommandBytes = 128U << 10;
constexpr unsigned kLeastBlockExponent = 9;
constexpr unsigned kMostBlockExponent = 12;

constexpr std::uint8_t kOpcodeFlush = 0x00;
constexpr std::uint8_t kOpcodeWrite = 0x01;
constexpr std::uint8_t kOpcodeRead = 0x02;
constexpr std::uint32_t kForceUnitAccess = 1U << 30;  // Of command dword 12.

constexpr int kStatusBits = 0x7ff;  // Type and code.
constexpr int kDoNotRetry = 0x4000;

struct Meaning {
  int status;
  ErrorCode code;
  int block_errno;  // As the driver of the block device reports it.
  std::string_view name;
  std::string_view advice;
};

constexpr std::string_view kLookAtHealth = "look into the device's health log (`nvme smart-log`)";
constexpr std::string_view kTryLater = "the device cannot do it now; try again later";
constexpr std::string_view kTakesOther =
    "the device does not know the command, or not in this form; use the block device of the "
    "namespace";
constexpr std::string_view kMediaLost =
    "the device has lost what these blocks held; restore them from elsewhere, and look into its "
    "health log (`nvme smart-log`)";
constexpr std::string_view kSeePaths = "the way to the device is cut; look into the kernel's log";

constexpr std::array kMeanings{
    Meaning{0x001, ErrorCode::kUnsupported, EOPNOTSUPP, "invalid command opcode", kTakesOther},
    Meaning{0x002, ErrorCode::kUnsupported, EOPNOTSUPP, "invalid field in command", kTakesOther},
    Meaning{0x004, ErrorCode::kIo, EIO, "data transfer error", kLookAtHealth},
    Meaning{0x005, ErrorCode::kIo, EIO, "commands aborted due to power loss notification",
            kTryLater},
    Meaning{0x006, ErrorCode::kIo, EIO, "internal error", kLookAtHealth},
    Meaning{0x007, ErrorCode::kIo, EIO, "command abort requested",
            "it took too long or the device was reset; look into the kernel's log"},
    Meaning{0x00b, ErrorCode::kIo, EOPNOTSUPP, "invalid namespace or format",
            "the namespace was deleted or formatted anew; open it again"},
    Meaning{0x01d, ErrorCode::kBusy, EIO, "sanitize in progress", kTryLater},
    Meaning{0x020, ErrorCode::kIo, EIO, "namespace is write protected",
            "take the protection away (`nvme set-feature`, feature 0x84)"},
    Meaning{0x021, ErrorCode::kBusy, EREMOTEIO, "command interrupted", kTryLater},
    Meaning{0x022, ErrorCode::kIo, EIO, "transient transport error", kTryLater},
    Meaning{0x080, ErrorCode::kIo, EREMOTEIO, "LBA out of range",
            "the namespace is smaller than it was when it was opened; open it again"},
    Meaning{0x081, ErrorCode::kNoSpace, ENOSPC, "capacity exceeded",
            "the device has promised more than it has; free some of its blocks"},
    Meaning{0x082, ErrorCode::kBusy, EREMOTEIO, "namespace not ready", kTryLater},
    Meaning{0x083, ErrorCode::kBusy, EBADE, "reservation conflict",
            "another host has reserved the namespace"},
    Meaning{0x084, ErrorCode::kBusy, EIO, "format in progress", kTryLater},
    Meaning{0x180, ErrorCode::kUnsupported, EOPNOTSUPP, "conflicting attributes", kTakesOther},
    Meaning{0x181, ErrorCode::kIo, EILSEQ, "invalid protection information", kTakesOther},
    Meaning{0x182, ErrorCode::kIo, ENODATA, "attempted write to read only range", kLookAtHealth},
    Meaning{0x280, ErrorCode::kIo, ENODATA, "write fault", kLookAtHealth},
    Meaning{0x281, ErrorCode::kIo, ENODATA, "unrecovered read error", kMediaLost},
    Meaning{0x282, ErrorCode::kIo, EILSEQ, "end-to-end guard check error", kMediaLost},
    Meaning{0x283, ErrorCode::kIo, EILSEQ, "end-to-end application tag check error", kMediaLost},
    Meaning{0x284, ErrorCode::kIo, EILSEQ, "end-to-end reference tag check error", kMediaLost},
    Meaning{0x285, ErrorCode::kIo, ENODATA, "compare failure", kLookAtHealth},
    Meaning{0x286, ErrorCode::kIo, ENODATA, "access denied",
            "the blocks are locked; unlock them with the device's security commands"},
    Meaning{0x287, ErrorCode::kIo, ENODATA, "deallocated or unwritten logical block",
            "nothing has been written there, and the device says so; write before reading"},
    Meaning{0x370, ErrorCode::kIo, ENOLINK, "host pathing error", kSeePaths},
    Meaning{0x371, ErrorCode::kIo, ENOLINK, "command aborted by host", kSeePaths},
};

Meaning meaning_of(int status) noexcept {
  const int bits = status & kStatusBits;
  const auto found = std::ranges::find(kMeanings, bits, &Meaning::status);
  if (found != kMeanings.end()) return *found;
  constexpr std::array<std::string_view, 4> kTypes{"of the general kind", "of this command's",
                                                   "of the media", "of the path to the device"};
  const auto type = static_cast<std::size_t>(bits >> 8);
  return {bits, ErrorCode::kIo, EIO, type < kTypes.size() ? kTypes[type] : "of the vendor's own",
          "look it up in the specification of NVMe, or in the vendor's"};
}

std::uint8_t byte_at(std::span<const std::byte> data, std::size_t at) {
  return std::to_integer<std::uint8_t>(data[at]);
}

template <class LittleEndian>
LittleEndian field_at(std::span<const std::byte> data, std::size_t at) {
  LittleEndian field;
  std::memcpy(&field, data.data() + at, sizeof(field));
  return field;
}

/// FLBAS keeps the lower four bits of the index apart from the upper two, which count from the 17th
/// format on.
std::size_t format_in_use(std::span<const std::byte> of_namespace) {
  const unsigned flbas = byte_at(of_namespace, kFormatInUse);
  const bool has_upper = byte_at(of_namespace, kFormatCount) >= 16;
  return (flbas & 0xfU) | (has_upper ? (flbas >> 1U) & 0x30U : 0U);
}

Error unfit(std::uint32_t id, std::string why) {
  return Error(ErrorCode::kUnsupported, fmt::format("namespace {} cannot be used: {}", id, why));
}

/// A transfer's logical blocks: the first in dwords 10 and 11, how many, less one, in dword 12.
nvme_uring_cmd transfer(std::uint8_t opcode, const NvmeNamespace& space, std::uint64_t offset,
                        std::size_t bytes) noexcept {
  const std::uint64_t first = offset / space.block_bytes;
  nvme_uring_cmd command{};
  command.opcode = opcode;
  command.nsid = space.id;
  command.data_len = static_cast<std::uint32_t>(bytes);
  command.cdw10 = static_cast<std::uint32_t>(first);
  command.cdw11 = static_cast<std::uint32_t>(first >> 32U);
  command.cdw12 = static_cast<std::uint32_t>(bytes / space.block_bytes - 1);
  return command;
}

}  // namespace

Result<NvmeNamespace> parse_nvme_namespace(
    std::uint32_t id, std::span<const std::byte, kNvmeIdentifyBytes> of_namespace,
    std::span<const std::byte, kNvmeIdentifyBytes> of_controller) {
  const std::size_t format = kFormats + 4 * format_in_use(of_namespace);
  const unsigned metadata_bytes = field_at<le16>(of_namespace, format);
  const unsigned exponent = byte_at(of_namespace, format + kFormatBlockExponent);
  NvmeNamespace space{.id = id, .blocks = field_at<le64>(of_namespace, kNamespaceSize)};
  if (space.blocks == 0) {
    return unfit(id, "it has no blocks (inactive, or of another command set than NVM)");
  }
  if (metadata_bytes != 0) {
    return unfit(id, fmt::format("its blocks carry {} bytes of metadata; format it without "
                                 "(`nvme format`), which erases it",
                                 metadata_bytes));
  }
  if (exponent < kLeastBlockExponent || exponent > kMostBlockExponent) {
    return unfit(id, fmt::format("its blocks are of 2^{} bytes; format it with 512 to 4096 "
                                 "(`nvme format`), which erases it",
                                 exponent));
  }
  space.block_bytes = 1U << exponent;
  const unsigned transfer_exponent = byte_at(of_controller, kMaxTransferExponent);
  space.max_command_bytes = kMaxCommandBytes;
  // 0 stands for no limit.
  if (transfer_exponent != 0 && transfer_exponent + kPageExponent < 32) {
    space.max_command_bytes = std::min(kMaxCommandBytes, 1U << (transfer_exponent + kPageExponent));
  }
  return space;
}

nvme_uring_cmd nvme_read(const NvmeNamespace& space, std::uint64_t offset,
                         std::size_t bytes) noexcept {
  return transfer(kOpcodeRead, space, offset, bytes);
}

nvme_uring_cmd nvme_write(const NvmeNamespace& space, std::uint64_t offset, std::size_t bytes,
                          bool durable) noexcept {
  nvme_uring_cmd command = transfer(kOpcodeWrite, space, offset, bytes);
  if (durable) command.cdw12 |= kForceUnitAccess;
  return command;
}

nvme_uring_cmd nvme_flush(const NvmeNamespace& space) noexcept {
  nvme_uring_cmd command{};
  command.opcode = kOpcodeFlush;
  command.nsid = space.id;
  return command;
}

bool nvme_may_retry(int status) noexcept { return (status & kDoNotRetry) == 0; }

Error nvme_error(int status, std::string_view action, const std::filesystem::path& path) {
  const Meaning meaning = meaning_of(status);
  return Error(meaning.code, fmt::format("cannot {}: NVMe status 0x{:03x}, {}: {}", action,
                                         status & kStatusBits, meaning.name, meaning.advice))
      .with_errno(meaning.block_errno)
      .with_path(path.string());
}

}  // namespace nacre
