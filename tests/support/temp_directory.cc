#include "tests/support/temp_directory.h"

#include <cstdlib>

#include <string>
#include <system_error>

#include "lib/base/assert.h"

namespace nacre::test {

TempDirectory::TempDirectory() : TempDirectory(std::filesystem::temp_directory_path()) {}

TempDirectory TempDirectory::on_tmpfs() { return TempDirectory("/dev/shm"); }

TempDirectory::TempDirectory(const std::filesystem::path& parent) {
  std::string name = (parent / "nacre-test-XXXXXX").string();
  const bool created = mkdtemp(name.data()) != nullptr;
  NACRE_ASSERT(created);
  path_ = name;
}

TempDirectory::~TempDirectory() {
  // A test may have taken away its own right to look into a directory.
  std::error_code ignored;
  std::filesystem::permissions(path_, std::filesystem::perms::owner_all,
                               std::filesystem::perm_options::add, ignored);
  std::filesystem::remove_all(path_, ignored);
}

}  // namespace nacre::test
