#include "lib/io/directory_lock.h"

#include <fmt/format.h>
#include <unistd.h>

#include <array>
#include <cctype>
#include <cerrno>
#include <chrono>
#include <csignal>
#include <string>
#include <thread>
#include <utility>

#include "lib/base/try.h"

namespace nacre {
namespace {

constexpr auto kLookAgain = std::chrono::milliseconds(1);

/// The pid in the LOCK file, or "unknown".
std::string holder_of(File& file) {
  std::array<std::byte, 32> buffer{};
  const auto got = file.read_at(0, buffer);
  std::string digits;
  if (!got) return "unknown";
  for (const char c : as_text(Bytes(buffer).first(*got))) {
    if (std::isdigit(static_cast<unsigned char>(c)) == 0) break;
    digits.push_back(c);
  }
  return digits.empty() ? "unknown" : digits;
}

bool has_died(const std::string& holder) {
  if (holder == "unknown") return false;
  return ::kill(static_cast<pid_t>(std::stol(holder)), 0) != 0 && errno == ESRCH;
}

/// Takes the lock; from a holder that has died, when the kernel has ended what it had under way.
Status take(File& file) {
  for (int waited_ms = 0;; ++waited_ms) {
    Status locked = file.lock_exclusive();
    if (locked || locked.error().code() != ErrorCode::kBusy) return locked;
    if (waited_ms >= DirectoryLock::kPatienceMs || !has_died(holder_of(file))) return locked;
    // Nobody tells of it.
    std::this_thread::sleep_for(kLookAgain);
  }
}

}  // namespace

Result<DirectoryLock> DirectoryLock::acquire(FileSystem& file_system,
                                             const std::filesystem::path& directory) {
  const std::filesystem::path path = directory / "LOCK";
  auto file = NACRE_TRY(file_system.open(path, {.writable = true, .create = true}));
  if (Status locked = take(*file); !locked) {
    if (locked.error().code() != ErrorCode::kBusy) return locked.error();
    return Error(ErrorCode::kBusy,
                 fmt::format(
                     "another writer has this directory open (pid {}, or a child that it forked); "
                     "close it first; a LogView or a StoreView can read what is in it meanwhile",
                     holder_of(*file)))
        .with_path(path.string());
  }
  // Always of one length, so that it goes over the last holder's in place.
  const std::string pid = fmt::format("{:<15}\n", ::getpid());
  const Status noted = file->write_at(0, as_bytes(pid));
  // The lock is held either way; on a full disk whoever is refused just does not learn by whom.
  if (!noted && noted.error().code() != ErrorCode::kNoSpace) return noted.error();
  return DirectoryLock(std::move(file));
}

}  // namespace nacre
