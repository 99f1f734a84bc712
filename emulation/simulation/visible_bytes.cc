#include "emulation/simulation/visible_bytes.h"

#include <cstring>
#include <span>
#include <vector>

#include "emulation/simulation/name_table.h"

namespace nacre {
namespace {

std::uint64_t number_at(const DefiniteBytes& bytes, MediaAddress address) {
  std::uint64_t value = 0;
  std::memcpy(&value, bytes.read(address, sizeof value).data(), sizeof value);
  return value;
}

void put_number(DefiniteBytes& bytes, MediaAddress address, std::uint64_t value) {
  bytes.write(address, std::as_bytes(std::span(&value, 1)));
}

void put_zeros(DefiniteBytes& bytes, MediaAddress address, std::uint64_t count) {
  bytes.write(address, std::vector<std::byte>(count));
}

void carry_out(const Trace& trace, std::size_t index, DefiniteBytes& bytes) {
  const Event& event = trace.events()[index];
  switch (event.kind) {
    case EventKind::kStore:
    case EventKind::kStream:
      bytes.write(event.address, trace.written(event));
      break;
    case EventKind::kWriteBegin:
      bytes.write(event.address, trace.written(event));
      put_number(bytes, event.file, event.value);
      break;
    case EventKind::kResize: {
      const std::uint64_t before = number_at(bytes, event.file);
      if (event.value < before) put_zeros(bytes, event.address + event.value, before - event.value);
      put_number(bytes, event.file, event.value);
      break;
    }
    case EventKind::kZeroPastEnd:
      put_zeros(bytes, event.address, event.value);
      break;
    case EventKind::kNames: {
      Names names = trace.names()->at(number_at(bytes, event.address));
      NameOperation::from_text(as_text(trace.written(event))).apply(names);
      put_number(bytes, event.address, trace.names()->index_of(names));
      break;
    }
    default:
      break;
  }
}

}  // namespace

void make_visible(const Trace& trace, std::size_t count, const DefiniteBytes& before,
                  DefiniteBytes& bytes) {
  // All else says what it leaves, whatever was there; an operation on names does not.
  for (std::size_t i = 0; i < count; ++i) {
    const Event& event = trace.events()[i];
    if (event.kind != EventKind::kNames) continue;
    put_number(bytes, event.address, number_at(before, event.address));
    break;
  }
  for (std::size_t i = 0; i < count; ++i) carry_out(trace, i, bytes);
}

bool changes_what_is_visible(const Event& event) noexcept {
  switch (event.kind) {
    case EventKind::kStore:
    case EventKind::kStream:
    case EventKind::kWriteBegin:
    case EventKind::kResize:
    case EventKind::kNames:
      return true;
    default:
      return false;
  }
}

}  // namespace nacre
