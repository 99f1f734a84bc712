#include "tools/demo_source.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstdio>
#include <memory>
#include <utility>

#include "lib/base/try.h"
#include "nacre/clock.h"
#include "nacre/wal.h"
#include "tools/byte_source.h"
#include "tools/output.h"
#include "tools/progress.h"

namespace nacre::tools {
namespace {

constexpr std::size_t kCopyBytes = std::size_t{64} << 10;
constexpr const char* kAptCommand = "apt-cache dumpavail 2>/dev/null";
constexpr const char* kDpkgStatus = "/var/lib/dpkg/status";

Status copy_to_file(const ByteSource& source, const std::filesystem::path& path) {
  const int descriptor = ::open(path.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
  if (descriptor < 0) {
    const int cause = errno;
    return Error(ErrorCode::kIo, "cannot create a copy of the source")
        .with_errno(cause)
        .with_path(path.string());
  }
  std::array<std::byte, kCopyBytes> buffer;
  SystemClock clock;
  Progress progress("reading the source", 0, clock);
  std::uint64_t copied = 0;
  Status status;
  while (status) {
    const Result<std::size_t> count = source(buffer);
    if (!count) status = count.error();
    if (!count || *count == 0) break;
    status = write_all(descriptor, Bytes(buffer).first(*count));
    copied += *count;
    progress.update(copied, 0, copied);
  }
  ::close(descriptor);
  return status;
}

// What the command prints. A command that is missing or fails prints nothing.
Status copy_command_output(const char* command, const std::filesystem::path& path) {
  const std::unique_ptr<FILE, int (*)(FILE*)> pipe(::popen(command, "re"), &::pclose);
  if (pipe == nullptr) return copy_to_file([](auto) { return std::size_t{0}; }, path);
  return copy_to_file(
      [&](std::span<std::byte> buffer) -> Result<std::size_t> {
        return ::fread(buffer.data(), 1, buffer.size(), pipe.get());
      },
      path);
}

Status count_records(DemoSource& source) {
  InputFile input = NACRE_TRY(InputFile::open(source.file.string()));
  RecordReader reader(
      input.source(),
      {.format = source.format, .max_record_bytes = kMaxRecordBytes, .input_name = input.name()});
  while (NACRE_TRY(reader.next())) {
    source.records += 1;
    source.bytes += reader.record().size();
  }
  return {};
}

Result<DemoSource> lines_of(const std::string& input, const std::filesystem::path& directory) {
  DemoSource source{.description = input == "-" ? "standard input" : input,
                    .file = input,
                    .format = RecordFormat::kLines};
  std::error_code failed;
  if (input == "-" || !std::filesystem::is_regular_file(input, failed)) {
    InputFile file = NACRE_TRY(InputFile::open(input));
    source.file = directory / "source";
    NACRE_TRY(copy_to_file(file.source(), source.file));
  }
  NACRE_TRY(count_records(source));
  if (source.records > 0) return source;
  return Error(ErrorCode::kInvalidArgument, "there is no record in the input; name another file")
      .with_path(source.description);
}

Result<DemoSource> package_records(const std::filesystem::path& directory) {
  DemoSource source{.description = "apt-cache dumpavail",
                    .file = directory / "source",
                    .format = RecordFormat::kStanzas};
  NACRE_TRY(copy_command_output(kAptCommand, source.file));
  NACRE_TRY(count_records(source));
  if (source.records > 0) return source;

  std::error_code failed;
  if (std::filesystem::is_regular_file(kDpkgStatus, failed)) {
    source.description =
        fmt::format("{}, because 'apt-cache dumpavail' printed nothing", kDpkgStatus);
    InputFile file = NACRE_TRY(InputFile::open(kDpkgStatus));
    NACRE_TRY(copy_to_file(file.source(), source.file));
    NACRE_TRY(count_records(source));
    if (source.records > 0) return source;
  }
  return Error(ErrorCode::kNotFound,
               "this machine has no package records ('apt-cache dumpavail' printed nothing); name "
               "a file, whose lines become the records: nacre demo FILE");
}

}  // namespace

Result<DemoSource> prepare_demo_source(const std::string& input,
                                       const std::filesystem::path& directory) {
  return input.empty() ? package_records(directory) : lines_of(input, directory);
}

}  // namespace nacre::tools
