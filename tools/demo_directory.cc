#include "tools/demo_directory.h"

#include <cstdlib>
#include <system_error>
#include <utility>
#include <vector>

#include "lib/base/try.h"
#include "pmem/probe.h"

namespace nacre::tools {
namespace {

constexpr const char* kMarkerName = ".nacre-demo";

Result<std::filesystem::path> find_base(DomainRequest request) {
  std::vector<std::filesystem::path> candidates = {"build"};
  // NOLINTNEXTLINE(concurrency-mt-unsafe): nothing here changes the environment.
  if (const char* temporary = std::getenv("TMPDIR")) candidates.emplace_back(temporary);
  candidates.emplace_back("/var/tmp");
  candidates.emplace_back(".");
  PosixFileSystem file_system;
  Error last(ErrorCode::kUnsupported, "no directory for the demo; name one with --dir");
  for (const std::filesystem::path& candidate : candidates) {
    std::error_code failed;
    if (!std::filesystem::is_directory(candidate, failed)) continue;
    const auto probe = pmem::probe_directory(file_system, candidate);
    const auto domain =
        probe ? pmem::decide_domain(*probe, request) : Result<DomainInfo>(probe.error());
    if (domain) return candidate;
    last = domain.error();
  }
  return last;
}

Error failure(std::string what, std::error_code code, const std::filesystem::path& path) {
  return Error(ErrorCode::kIo, std::move(what)).with_errno(code.value()).with_path(path.string());
}

// Everything but the marker, whose lock we hold.
Status empty(const std::filesystem::path& path) {
  std::error_code failed;
  std::vector<std::filesystem::path> entries;
  for (const auto& entry : std::filesystem::directory_iterator(path, failed)) {
    if (entry.path().filename() != kMarkerName) entries.push_back(entry.path());
  }
  for (const std::filesystem::path& entry : entries) {
    if (!failed) std::filesystem::remove_all(entry, failed);
  }
  if (failed) return failure("cannot remove what an earlier demo has left", failed, path);
  return {};
}

}  // namespace

Result<DemoDirectory> prepare_demo_directory(const std::string& wanted, DomainRequest request) {
  const std::filesystem::path path =
      wanted.empty() ? NACRE_TRY(find_base(request)) / "nacre-demo" : std::filesystem::path(wanted);
  std::error_code failed;
  std::filesystem::create_directories(path, failed);
  if (failed) return failure("cannot create the directory for the demo", failed, path);
  const std::filesystem::path marker = path / kMarkerName;
  const bool ours = std::filesystem::exists(marker, failed);
  if (!ours && !std::filesystem::is_empty(path, failed)) {
    return Error(ErrorCode::kInvalidArgument,
                 "the directory for the demo is not empty; name a new one with --dir")
        .with_path(path.string());
  }
  PosixFileSystem file_system;
  DemoDirectory directory{
      .path = path,
      .log = path / "log",
      .stats = path / "writer-stats",
      .marker = NACRE_TRY(file_system.open(marker, {.writable = true, .create = true}))};
  NACRE_TRY(directory.marker->lock_exclusive());
  NACRE_TRY(empty(path));
  return directory;
}

}  // namespace nacre::tools
