#include "bench/scratch.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <string>
#include <utility>
#include <vector>

#include "lib/base/try.h"

namespace nacre::bench {
namespace {

Error system_error(std::string message, const std::filesystem::path& path, int error) {
  const ErrorCode code = error == ENOSPC ? ErrorCode::kNoSpace : ErrorCode::kIo;
  return Error(code, std::move(message)).with_errno(error).with_path(path);
}

Status write_fully(int fd, std::span<const std::byte> bytes, const std::filesystem::path& path) {
  while (!bytes.empty()) {
    const ssize_t written = write(fd, bytes.data(), bytes.size());
    if (written < 0 && errno == EINTR) continue;
    if (written <= 0) return system_error("cannot write", path, errno);
    bytes = bytes.subspan(static_cast<std::size_t>(written));
  }
  return {};
}

Result<std::span<std::byte>> map(int fd, std::size_t bytes, int protection, int flags,
                                 const std::filesystem::path& path) {
  void* data = mmap(nullptr, bytes, protection, MAP_SHARED | flags, fd, 0);
  if (data == MAP_FAILED) return system_error("cannot map", path, errno);
  return std::span(static_cast<std::byte*>(data), bytes);
}

/// What a child sends through its pipe: one byte that tells a value from a message, then either.
constexpr char kValue = 'v';
constexpr char kMessage = 'e';

[[noreturn]] void answer_and_exit(int pipe, const std::function<Result<double>()>& body) {
  const Result<double> result = body();
  std::string answer;
  if (result) {
    answer.assign(1, kValue);
    answer.append(reinterpret_cast<const char*>(&*result), sizeof(double));
  } else {
    answer = kMessage + result.error().to_string();
  }
  const bool sent = write_fully(pipe, std::as_bytes(std::span(answer)), "the pipe").has_value();
  _exit(sent ? 0 : 1);
}

std::string read_to_end(int fd) {
  std::string text;
  std::array<char, 512> part;
  for (;;) {
    const ssize_t got = read(fd, part.data(), part.size());
    if (got < 0 && errno == EINTR) continue;
    if (got <= 0) return text;
    text.append(part.data(), static_cast<std::size_t>(got));
  }
}

}  // namespace

Result<ScratchDirectory> ScratchDirectory::create(const std::filesystem::path& parent) {
  std::string name = (parent / "nacre-bench-XXXXXX").string();
  if (mkdtemp(name.data()) == nullptr) {
    return system_error("cannot create a scratch directory", parent, errno);
  }
  return ScratchDirectory(name);
}

ScratchDirectory::ScratchDirectory(ScratchDirectory&& other) noexcept
    : path_(std::exchange(other.path_, {})) {}

ScratchDirectory::~ScratchDirectory() {
  if (path_.empty()) return;
  std::error_code ignored;
  std::filesystem::remove_all(path_, ignored);
}

Descriptor::Descriptor(Descriptor&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}

Descriptor::~Descriptor() {
  if (fd_ >= 0) close(fd_);
}

Result<Descriptor> create_written_file(const std::filesystem::path& path, std::size_t bytes) {
  Descriptor file(open(path.c_str(), O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600));
  if (file.get() < 0) return system_error("cannot create", path, errno);
  if (const int error = posix_fallocate(file.get(), 0, static_cast<off_t>(bytes)); error != 0) {
    return system_error("cannot preallocate", path, error);
  }
  const std::vector<std::byte> zeros(std::size_t{1} << 20);
  for (std::size_t left = bytes; left > 0;) {
    const std::size_t part = std::min(left, zeros.size());
    NACRE_TRY(write_fully(file.get(), std::span(zeros).first(part), path));
    left -= part;
  }
  if (fsync(file.get()) != 0) return system_error("cannot sync", path, errno);
  return file;
}

Result<MappedFile> MappedFile::create(const std::filesystem::path& path, std::size_t bytes) {
  const Descriptor file = NACRE_TRY(create_written_file(path, bytes));
  return MappedFile(NACRE_TRY(map(file.get(), bytes, PROT_READ | PROT_WRITE, MAP_POPULATE, path)));
}

Result<MappedFile> MappedFile::open(const std::filesystem::path& path, bool populate) {
  const Descriptor file(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
  struct stat info{};
  if (file.get() < 0 || fstat(file.get(), &info) != 0) {
    return system_error("cannot open", path, errno);
  }
  return MappedFile(NACRE_TRY(map(file.get(), static_cast<std::size_t>(info.st_size), PROT_READ,
                                  populate ? MAP_POPULATE : 0, path)));
}

MappedFile::MappedFile(MappedFile&& other) noexcept : bytes_(std::exchange(other.bytes_, {})) {}

MappedFile::~MappedFile() {
  if (!bytes_.empty()) munmap(bytes_.data(), bytes_.size());
}

Result<double> measure_in_child(const std::function<Result<double>()>& body) {
  std::array<int, 2> ends{};
  if (pipe(ends.data()) != 0) return system_error("cannot make a pipe", {}, errno);
  const pid_t child = fork();
  if (child == 0) answer_and_exit(ends[1], body);
  close(ends[1]);
  const Descriptor from_child(ends[0]);
  if (child < 0) return system_error("cannot fork", {}, errno);
  const std::string answer = read_to_end(from_child.get());
  int status = 0;
  while (waitpid(child, &status, 0) < 0 && errno == EINTR) {
  }
  if (answer.size() == 1 + sizeof(double) && answer[0] == kValue) {
    double value = 0;
    std::memcpy(&value, answer.data() + 1, sizeof(value));
    return value;
  }
  if (answer.starts_with(kMessage)) return Error(ErrorCode::kIo, answer.substr(1));
  return Error(ErrorCode::kIo, fmt::format("the measuring child died, wait status {:#x}", status));
}

}  // namespace nacre::bench
