#include "lib/log/verify.h"

#include "lib/base/try.h"
#include "lib/log/catalog.h"

namespace nacre {

Result<wal::VerifyReport> verify_directory(FileSystem& file_system, Executor& executor,
                                           const std::filesystem::path& directory,
                                           const wal::OnScanned& on_scanned) {
  wal::VerifyReport report =
      NACRE_TRY(wal::verify_lanes(file_system, executor, directory, on_scanned));
  if (report.superblock.kind != LogKind::kMessageLog) return report;
  const auto catalog = read_catalog(file_system, directory, report.superblock.uuid);
  if (!catalog) {
    report.damage.push_back(catalog.error());
  } else if (!report.lanes.empty() && report.lanes.back() >= catalog->next_lane()) {
    report.damage.push_back(catalog_too_old(directory, report.lanes.back(), *catalog));
  }
  return report;
}

}  // namespace nacre
