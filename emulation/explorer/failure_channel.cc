#include "emulation/explorer/failure_channel.h"

#include <sys/mman.h>

#include <cstdint>
#include <cstring>
#include <new>
#include <string>
#include <string_view>

#include "emulation/explorer/packer.h"
#include "lib/base/assert.h"

namespace nacre {
namespace {

void pack(Packer& packer, const CrashGranule& granule) {
  packer.add(granule.path);
  packer.add(granule.address);
  packer.add(granule.bytes);
  packer.add(std::uint64_t{granule.garbage});
  packer.add(std::uint64_t{granule.newest});
  packer.add(granule.candidate);
  packer.add(granule.candidates);
  packer.add(granule.content);
  packer.add(granule.kept_store);
  packer.add(granule.lost_store);
  packer.add(granule.kept_event);
  packer.add(granule.lost_event);
  packer.add(granule.hint);
  packer.add_each(granule.pieces, [&](const CrashBytes& piece) {
    packer.add(piece.address);
    packer.add(piece.oldest);
    packer.add(piece.kept);
    packer.add(piece.newest);
  });
}

void unpack(Unpacker& unpacker, CrashGranule& granule) {
  granule.path = unpacker.text();
  granule.address = unpacker.number();
  granule.bytes = unpacker.number();
  granule.garbage = unpacker.number() != 0;
  granule.newest = unpacker.number() != 0;
  granule.candidate = unpacker.number();
  granule.candidates = unpacker.number();
  granule.content = unpacker.text();
  granule.kept_store = unpacker.text();
  granule.lost_store = unpacker.text();
  granule.kept_event = unpacker.number();
  granule.lost_event = unpacker.number();
  granule.hint = unpacker.text();
  unpacker.take_each(granule.pieces, [&](CrashBytes& piece) {
    piece.address = unpacker.number();
    piece.oldest = unpacker.text();
    piece.kept = unpacker.text();
    piece.newest = unpacker.text();
  });
}

std::string pack(const CrashFailure& failure) {
  Packer packer;
  const auto add_granule = [&](const CrashGranule& granule) { pack(packer, granule); };
  packer.add(failure.message);
  packer.add(failure.crash_point);
  packer.add(failure.site);
  packer.add(failure.reproduction);
  packer.add(std::uint64_t{failure.others_newest});
  packer.add(failure.point);
  packer.add_each(failure.granules, add_granule);
  packer.add_each(failure.overtaken, add_granule);
  return packer.text();
}

CrashFailure unpack(std::string_view text) {
  Unpacker unpacker(text);
  const auto take_granule = [&](CrashGranule& granule) { unpack(unpacker, granule); };
  CrashFailure failure;
  failure.message = unpacker.text();
  failure.crash_point = unpacker.text();
  failure.site = unpacker.text();
  failure.reproduction = unpacker.text();
  failure.others_newest = unpacker.number() != 0;
  failure.point = unpacker.number();
  unpacker.take_each(failure.granules, take_granule);
  unpacker.take_each(failure.overtaken, take_granule);
  return failure;
}

std::string pack_briefly(const CrashFailure& failure) {
  CrashFailure brief;
  brief.message = failure.message;
  brief.crash_point = failure.crash_point;
  brief.site = failure.site;
  brief.reproduction = failure.reproduction;
  brief.point = failure.point;
  return pack(brief);
}

}  // namespace

FailureChannel::FailureChannel() {
  void* const memory = ::mmap(nullptr, sizeof(Shared), PROT_READ | PROT_WRITE,
                              MAP_SHARED | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  NACRE_ASSERT(memory != MAP_FAILED);
  // Not its text, which costs memory where it is touched.
  shared_ = new (memory) Shared;
}

FailureChannel::~FailureChannel() { ::munmap(shared_, sizeof *shared_); }

void FailureChannel::send(const CrashFailure& failure) {
  if (!put(pack(failure)) && !put(pack_briefly(failure))) {
    shared_->untold.fetch_add(1, std::memory_order_release);  // Pairs with untold().
  }
}

bool FailureChannel::put(std::string_view packed) {
  const std::uint64_t begin = shared_->written.load(std::memory_order_relaxed);
  const std::uint64_t bytes = packed.size();
  if (sizeof bytes + bytes > kMaxBytes - begin) return false;
  std::memcpy(&shared_->text[begin], &bytes, sizeof bytes);
  packed.copy(&shared_->text[begin + sizeof bytes], bytes);
  // Pairs with receive().
  shared_->written.store(begin + sizeof bytes + bytes, std::memory_order_release);
  return true;
}

std::optional<CrashFailure> FailureChannel::receive() {
  if (read_ == shared_->written.load(std::memory_order_acquire)) return std::nullopt;
  std::uint64_t bytes = 0;
  std::memcpy(&bytes, &shared_->text[read_], sizeof bytes);
  const std::string_view packed(&shared_->text[read_ + sizeof bytes], bytes);
  read_ += sizeof bytes + bytes;
  return unpack(packed);
}

}  // namespace nacre
