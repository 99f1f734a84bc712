// Copies a file with 32 transfers in flight: async_copy SOURCE TARGET
//
// Each slot has a buffer and an operation that reads a piece, writes it, and goes on to the next
// piece. io_uring carries them out where it may, POSIX calls elsewhere.

#include <nacre/io.h>

#include <cstdint>
#include <iostream>
#include <vector>

namespace {

constexpr std::size_t kSlots = 32;
constexpr std::size_t kPieceBytes = std::size_t{256} << 10;

class Copy {
 public:
  Copy(nacre::IoBackend& backend, nacre::File& source, nacre::File& target, std::uint64_t bytes)
      : backend_(backend), source_(backend, source), target_(backend, target), bytes_(bytes) {}

  nacre::Status run() {
    for (std::size_t i = 0; i < kSlots; ++i) {
      auto piece = std::span(memory_).subspan(i * kPieceBytes, kPieceBytes);
      slots_[i].request.buffers.push_back(nacre::IoBuffer::borrow(piece, registered_.slot()));
      read_next(slots_[i]);
    }
    std::vector<nacre::IoOperation*> ended(kSlots);
    // What is in flight is reaped in any case: until then it uses the buffers.
    while (in_flight_ > 0) {
      const std::size_t count = backend_.reap(ended, nacre::IoBackend::kForever);
      in_flight_ -= count;
      for (std::size_t i = 0; i < count; ++i) go_on(*ended[i]);
    }
    return outcome_;
  }

 private:
  void go_on(nacre::IoOperation& slot) {
    if (!slot.outcome) outcome_ = slot.outcome;
    if (!outcome_) return;
    if (slot.request.kind == nacre::IoKind::kWrite) return read_next(slot);
    slot.request.kind = nacre::IoKind::kWrite;
    slot.request.file = &target_;
    slot.request.buffers.front().set_size(slot.transferred);
    submit(slot);
  }

  void read_next(nacre::IoOperation& slot) {
    if (next_ >= bytes_) return;
    slot.request.kind = nacre::IoKind::kRead;
    slot.request.file = &source_;
    slot.request.offset = next_;
    slot.request.buffers.front().set_size(kPieceBytes);
    next_ += kPieceBytes;
    submit(slot);
  }

  void submit(nacre::IoOperation& slot) {
    nacre::IoOperation* const operation = &slot;
    ++in_flight_;
    backend_.submit(std::span(&operation, 1), /*reap_follows=*/false);
  }

  nacre::IoBackend& backend_;
  std::vector<std::byte> memory_ = std::vector<std::byte>(kSlots * kPieceBytes);
  nacre::IoFile source_;
  nacre::IoFile target_;
  nacre::IoMemory registered_{backend_, memory_};
  std::vector<nacre::IoOperation> slots_ = std::vector<nacre::IoOperation>(kSlots);
  std::uint64_t bytes_;
  std::uint64_t next_ = 0;
  std::size_t in_flight_ = 0;
  nacre::Status outcome_;
};

nacre::Status copy(const char* from, const char* to) {
  nacre::PosixFileSystem files;
  auto backend = nacre::make_io_backend(files, {.depth = kSlots});
  if (!backend) return backend.error();
  auto source = files.open(from, {});
  if (!source) return source.error();
  auto target = files.open(to, {.writable = true, .create = true});
  if (!target) return target.error();
  auto bytes = (*source)->size();
  if (!bytes) return bytes.error();
  if (auto sized = (*target)->resize(*bytes); !sized) return sized;
  if (auto copied = Copy(**backend, **source, **target, *bytes).run(); !copied) return copied;
  return (*target)->sync();
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 3) {
    std::cerr << "usage: async_copy SOURCE TARGET\n";
    return 2;
  }
  const nacre::Status done = copy(argv[1], argv[2]);
  if (!done) std::cerr << done.error().to_string() << "\n";
  return done ? 0 : 1;
}
