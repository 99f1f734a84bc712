// Which engine carries requests out.

#include <fmt/format.h>

#include <string>
#include <utility>

#include "lib/io/posix_backend.h"
#include "lib/io/uring_backend.h"
#include "nacre/io.h"

namespace nacre {
namespace {

constexpr std::size_t kMaxDepth = 4096;
constexpr std::size_t kMaxThreads = 64;

Status check_options(const IoBackendOptions& options) {
  if (options.depth == 0 || options.depth > kMaxDepth) {
    return Error(ErrorCode::kInvalidArgument,
                 fmt::format("depth is {}; choose 1 to {}", options.depth, kMaxDepth));
  }
  if (options.threads > kMaxThreads) {
    return Error(ErrorCode::kInvalidArgument,
                 fmt::format("threads is {}; choose 0 to {}", options.threads, kMaxThreads));
  }
  return {};
}

std::unique_ptr<IoBackend> make_posix(FileSystem& file_system, const IoBackendOptions& options,
                                      std::string reason) {
  return std::make_unique<PosixBackend>(
      file_system,
      PosixBackend::Options{
          .depth = options.depth, .threads = options.threads, .reason = std::move(reason)});
}

}  // namespace

std::string describe(const IoBackendInfo& info) {
  std::string on;
  std::string off;
  for (const IoFeature& feature : info.features) {
    std::string& list = feature.on ? on : off;
    if (!list.empty()) list += ", ";
    list += feature.name;
  }
  if (on.empty() && off.empty()) return std::string(info.name);
  if (off.empty()) return fmt::format("{} ({})", info.name, on);
  return fmt::format("{} ({}; off: {})", info.name, on, off);
}

Result<std::unique_ptr<IoBackend>> make_io_backend(FileSystem& file_system,
                                                   const IoBackendOptions& options) {
  if (Status sound = check_options(options); !sound) return sound.error();
  if (options.engine == IoEngine::kPosix) {
    const bool told = !options.reason.empty();
    return make_posix(file_system, options, told ? options.reason : "POSIX calls were asked for");
  }
  const bool asked = options.engine == IoEngine::kIoUring;
  if (!asked && dynamic_cast<PosixFileSystem*>(&file_system) == nullptr) {
    return make_posix(file_system, options,
                      "the file system is not the kernel's own, and io_uring would go past it");
  }
  std::string reason = asked ? "io_uring was asked for" : "io_uring is there and allowed";
  if (!options.reason.empty()) reason = options.reason;
  auto ring =
      UringBackend::make(file_system,
                         UringWishes{.depth = options.depth,
                                     .single_thread = options.single_thread,
                                     .kernel_polls_submissions = options.kernel_polls_submissions,
                                     .poll_device = options.poll_device,
                                     .nvme_passthrough = options.nvme_passthrough},
                         std::move(reason));
  if (ring) return std::move(*ring);
  if (asked) return ring.error();
  return make_posix(file_system, options, ring.error().message());
}

}  // namespace nacre
