#pragma once

// Which bytes a crash may leave, given what was done so far: one part of the crash model.

#include "emulation/simulation/granule.h"
#include "emulation/simulation/trace.h"
#include "nacre/types.h"

namespace nacre {

/// Takes what has become definite.
class DefiniteBytes {
 public:
  virtual ~DefiniteBytes() = default;
  virtual Bytes read(MediaAddress address, std::size_t bytes) const = 0;
  virtual void write(MediaAddress address, Bytes bytes) = 0;
};

class PersistenceModel {
 public:
  virtual ~PersistenceModel() = default;

  /// Whether the event with that index would make anything definite that is not so yet: a moment
  /// worth a crash.
  virtual bool narrows(const Trace& trace, std::size_t index) const = 0;
  /// Takes in the event with that index in `trace`.
  virtual void apply(const Trace& trace, std::size_t index) = 0;
  /// Adds every granule with more than one candidate.
  virtual void collect(CrashState& state) const = 0;
  /// Forgets all that is pending: it is definite, or a crash has decided it.
  virtual void clear() = 0;
};

}  // namespace nacre
