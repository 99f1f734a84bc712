#pragma once

// Turns a SIGBUS while reading mapped media (a hole, a file cut short, a poisoned block) into a
// value, so that it can become an Error that names file and offset.
//
// A process has one SIGBUS disposition: the handler is installed at first use and hands every fault
// it does not own to the handler that stood there before.

#include <cstddef>
#include <type_traits>

#include "nacre/types.h"

namespace nacre::pmem {

using GuardedBody = void (*)(void* context) noexcept;

/// Runs `body(context)`, which may read `range`. Returns null, or the address of the first SIGBUS
/// inside `range`, in which case `body` was abandoned where it stood: it must hold no lock and no
/// object with a destructor. Nests. Thread safety: any thread.
const std::byte* catch_media_fault(Bytes range, GuardedBody body, void* context) noexcept;

/// As above for a callable.
template <class Body>
const std::byte* catch_media_fault(Bytes range, Body&& body) noexcept {
  return catch_media_fault(
      range,
      [](void* context) noexcept { (*static_cast<std::remove_reference_t<Body>*>(context))(); },
      &body);
}

}  // namespace nacre::pmem
