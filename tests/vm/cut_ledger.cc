#include "tests/vm/cut_ledger.h"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <utility>

namespace nacre::test {
namespace {

off_t offset_of(std::uint32_t writer) { return static_cast<off_t>(writer * sizeof(std::uint64_t)); }

/// Of the ledger: not a finding about what is under test.
Error ledger_error() {
  return Error(ErrorCode::kInvalidArgument, "the ledger cannot be used").with_errno(errno);
}

}  // namespace

Result<CutLedger> CutLedger::open(const std::filesystem::path& path) {
  const int descriptor = ::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600);
  if (descriptor < 0) return ledger_error();
  return CutLedger(descriptor);
}

CutLedger::CutLedger(CutLedger&& other) noexcept
    : descriptor_(std::exchange(other.descriptor_, -1)) {}

CutLedger::~CutLedger() {
  if (descriptor_ >= 0) ::close(descriptor_);
}

Status CutLedger::note(std::uint32_t writer, std::uint64_t sequence) {
  const ssize_t written = ::pwrite(descriptor_, &sequence, sizeof sequence, offset_of(writer));
  if (written != sizeof sequence) return ledger_error();
  return {};
}

Result<std::uint64_t> CutLedger::acknowledged(std::uint32_t writer) const {
  std::uint64_t sequence = 0;
  if (::pread(descriptor_, &sequence, sizeof sequence, offset_of(writer)) < 0) {
    return ledger_error();
  }
  return sequence;
}

}  // namespace nacre::test
