#pragma once

// The bytes of a file, read-only: mapped where a kernel file stands behind it, otherwise read into
// memory. Reading a mapped view can raise SIGBUS; see pmem/media_guard.h.

#include <cstddef>
#include <filesystem>
#include <memory>

#include "nacre/file_system.h"
#include "nacre/result.h"
#include "nacre/types.h"

namespace nacre {

enum class ViewAccess : std::uint8_t {
  kOnDemand,  ///< Pages come in as they are touched.
  kWhole,     ///< All pages are brought in at once, for a scan.
};

/// Keeps no descriptor open. Thread safety: immutable.
class FileView {
 public:
  /// Views the first `bytes` bytes of `path`, which has at least as many.
  /// Errors: `not_found`, `corruption` (the file is shorter), `io`.
  static Result<std::shared_ptr<const FileView>> open(FileSystem& file_system,
                                                      const std::filesystem::path& path,
                                                      std::size_t bytes, ViewAccess access);
  ~FileView();
  FileView(const FileView&) = delete;
  FileView& operator=(const FileView&) = delete;

  Bytes bytes() const noexcept { return bytes_; }

 private:
  FileView(Bytes bytes, bool mapped) : bytes_(bytes), mapped_(mapped) {}

  Bytes bytes_;
  bool mapped_;
};

/// A hint that all of `bytes`, which are mapped, are about to be read: has their pages brought in
/// and mapped at once rather than fault by fault.
void expect_reading(Bytes bytes) noexcept;

}  // namespace nacre
