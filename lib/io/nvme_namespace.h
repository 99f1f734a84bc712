#pragma once

// A namespace of an NVMe device, as commands meet it that go past the block layer: its geometry,
// the commands that read, write and flush it, and what their status says.
//
// Follows the NVM Express Base Specification 2.0 (Identify Controller, Flush, status codes) and the
// NVM Command Set Specification 1.0 (Identify Namespace, Read, Write). What carries the commands is
// the kernel's (linux/nvme_ioctl.h): its passthrough of io_uring and its ioctl(2) take the same
// structure.
//
// Thread safety: values and pure functions.

#include <linux/nvme_ioctl.h>

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <span>
#include <string_view>

#include "nacre/result.h"

namespace nacre {

struct NvmeNamespace {
  std::uint32_t id = 0;
  std::uint32_t block_bytes = 0;  ///< 512 to 4096; offsets and sizes are multiples of it.
  std::uint64_t blocks = 0;
  std::uint32_t max_command_bytes = 0;  ///< A multiple of `block_bytes`.

  std::uint64_t bytes() const noexcept { return blocks * block_bytes; }
};

/// What the command Identify answers with, of a namespace as of a controller.
inline constexpr std::size_t kNvmeIdentifyBytes = 4096;

/// The namespace `id` by what the device says of it and of its controller. Errors: `unsupported`:
/// metadata beside the blocks, blocks larger than 4096 bytes, or no blocks at all.
Result<NvmeNamespace> parse_nvme_namespace(
    std::uint32_t id, std::span<const std::byte, kNvmeIdentifyBytes> of_namespace,
    std::span<const std::byte, kNvmeIdentifyBytes> of_controller);

/// A read of `bytes`, which is a multiple of the block and at most `max_command_bytes`, at
/// `offset`. Where the bytes go is left to the caller.
nvme_uring_cmd nvme_read(const NvmeNamespace& space, std::uint64_t offset,
                         std::size_t bytes) noexcept;
/// As `nvme_read`. `durable`: by the bit FUA, which has the device write to its media before it
/// answers.
nvme_uring_cmd nvme_write(const NvmeNamespace& space, std::uint64_t offset, std::size_t bytes,
                          bool durable) noexcept;
/// Durability: on success every write that was answered before.
nvme_uring_cmd nvme_flush(const NvmeNamespace& space) noexcept;

/// So often a read or a write is tried that the device has refused for the moment; the block
/// layer's own bound (the parameter nvme_core.max_retries of Linux: 5 more).
inline constexpr unsigned kNvmeTries = 6;
/// Whether the same command may succeed later: `status`, as the kernel hands it over, is without
/// the bit "do not retry".
bool nvme_may_retry(int status) noexcept;

/// The error of a command that ended with `status`, above 0, in words a person can act on; with the
/// errno that the block device of the namespace would have ended with.
Error nvme_error(int status, std::string_view action, const std::filesystem::path& path);

}  // namespace nacre
