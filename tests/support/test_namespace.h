#pragma once

// The NVMe namespace that tests may overwrite: the character device that NACRE_TEST_NVME names
// (/dev/ng0n1). Nothing is written to any other, and nothing to one that is in use.

#include <filesystem>
#include <string>

namespace nacre::test {

struct TestNamespace {
  /// Empty where the variable is not set.
  std::filesystem::path character_device = {};
  /// The same bytes through the block layer, by the kernel's names: /dev/nvme0n1.
  std::filesystem::path block_device = {};
  /// Why it may not be written to; empty when it may.
  std::string refusal = {};
};

TestNamespace test_namespace();

}  // namespace nacre::test
