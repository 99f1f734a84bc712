#include "tests/mutants/file_values.h"

#include <span>
#include <utility>

#include "lib/base/assert.h"

namespace nacre::mutants {

std::unique_ptr<File> open_file(FileSystem& files, const std::filesystem::path& path) {
  Result<std::unique_ptr<File>> file = files.open(path, {.writable = true, .create = true});
  NACRE_ASSERT(file);
  return *std::move(file);
}

void write_values(File& file, std::uint64_t offset, const Values& values) {
  must(file.write_at(offset, std::as_bytes(std::span(values))));
}

Values read_values(FileSystem& files, const std::filesystem::path& path, std::uint64_t offset,
                   std::size_t count) {
  const Result<std::unique_ptr<File>> file = files.open(path, {});
  if (!file) return {};
  Values values(count);
  NACRE_ASSERT((*file)->read_at(offset, std::as_writable_bytes(std::span(values))));
  return values;
}

void must(const Status& status) { NACRE_ASSERT(status); }

}  // namespace nacre::mutants
