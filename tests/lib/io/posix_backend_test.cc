#include "lib/io/posix_backend.h"

#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <vector>

#include "tests/lib/io/io_buffer_group_contract.h"
#include "tests/support/result_matchers.h"

namespace nacre {
namespace {

using test::IoBackendCase;
using test::IoBackendContract;
using test::IoBufferGroupContract;

IoBackendCase posix(std::string name, std::size_t threads, bool tmpfs, bool direct) {
  return {.name = std::move(name),
          .make = [threads](FileSystem& file_system) -> Result<std::unique_ptr<IoBackend>> {
            return std::make_unique<PosixBackend>(file_system,
                                                  PosixBackend::Options{.threads = threads});
          },
          .tmpfs = tmpfs,
          .direct = direct};
}

std::vector<IoBackendCase> every_case() {
  return {posix("Disk", 4, false, false), posix("DiskDirect", 4, false, true),
          posix("DiskDirectNoThreads", 0, false, true), posix("OneThread", 1, false, false),
          posix("Tmpfs", 4, true, false)};
}

INSTANTIATE_TEST_SUITE_P(Posix, IoBackendContract, testing::ValuesIn(every_case()),
                         [](const auto& the) { return the.param.name; });
INSTANTIATE_TEST_SUITE_P(Posix, IoBufferGroupContract, testing::ValuesIn(every_case()),
                         [](const auto& the) { return the.param.name; });

}  // namespace
}  // namespace nacre
