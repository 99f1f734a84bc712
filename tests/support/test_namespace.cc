#include "tests/support/test_namespace.h"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <cstring>

namespace nacre::test {

TestNamespace test_namespace() {
  const char* const named = std::getenv("NACRE_TEST_NVME");
  if (named == nullptr) {
    return {.refusal = "NACRE_TEST_NVME names no NVMe namespace that may be overwritten"};
  }
  TestNamespace found{.character_device = named};
  const std::string name = found.character_device.filename().string();
  if (!name.starts_with("ng")) {
    found.refusal = "NACRE_TEST_NVME has to name a character device such as /dev/ng0n1";
    return found;
  }
  found.block_device = found.character_device.parent_path() / ("nvme" + name.substr(2));
  // The kernel refuses it while a file system is mounted from there.
  const int claim = ::open(found.block_device.c_str(), O_RDONLY | O_EXCL | O_CLOEXEC);
  if (claim < 0) {
    found.refusal = found.block_device.string() + ": " + std::strerror(errno);
  } else {
    ::close(claim);
  }
  return found;
}

}  // namespace nacre::test
