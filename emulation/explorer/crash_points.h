#pragma once

// Walks through what was recorded, and stops at each moment worth a crash.
//
// Between two events that make something durable the set of possible states only grows, so that a
// crash before the second one covers every moment between them. Beside these there is one before
// each operation begins and after each ends, since what the check may ask for changes there.
//
// A process that is killed leaves everything that is visible, so that there is one more moment for
// that before each step that changes what is visible. What makes things durable changes nothing of
// it, and leaves less to lose: a kill before covers one after.

#include <cstddef>
#include <memory>
#include <vector>

#include "emulation/simulation/machine.h"
#include "emulation/simulation/persistence_model.h"
#include "nacre/emulation/crash_model.h"

namespace nacre {

enum class CrashKind : std::uint8_t {
  kPowerCut,  ///< The media keep what the model says.
  kKill,      ///< The process ends, and the power stays: all that was visible stays so.
};

struct CrashPoint {
  std::size_t index = 0;   ///< Counts crash points from 0.
  std::size_t number = 0;  ///< The same among those of its kind.
  CrashKind kind = CrashKind::kPowerCut;
  std::size_t event = 0;  ///< The crash comes before this event; past the last one at the end.
  std::size_t marks = 0;  ///< Beginnings and endings of operations before it.
  std::size_t promised = 0;
  std::ptrdiff_t operation = -1;  ///< The one begun last, if any.
  /// Where recovery crashes: it has found what it returns.
  bool is_answered = false;
};

class CrashPoints {
 public:
  struct Options {
    bool kills = false;     ///< Also those of CrashKind::kKill.
    std::size_t first = 0;  ///< Only those before this event or a later one.
  };

  /// Lifetime: `trace` and `definite` outlive this; `definite` holds what was there before.
  CrashPoints(const Trace& trace, const CrashModel& model, DefiniteBytes& definite,
              const Options& options);

  /// Moves on to the next crash point. Of two at one event the power cut comes first. False when
  /// there is none.
  bool next(CrashPoint& point);
  /// Adds what is open at the point `next` stopped at.
  void collect(CrashState& state) const;

 private:
  bool at_end() const noexcept { return now_.event == trace_.events().size(); }
  bool is_moment() const;
  bool is_worth_a_kill() const;
  CrashPoint take(CrashKind kind);
  void step();
  void pass(const Event& event);

  const Trace& trace_;
  bool kills_;
  std::vector<std::unique_ptr<PersistenceModel>> models_;
  CrashPoint now_;
  std::size_t kill_count_ = 0;
  bool changed_ = true;           // Since the last power cut.
  bool visibly_changed_ = false;  // Since the last kill: the media, or what may be asked for.
  bool just_ended_ = false;       // An operation, or a promise or an answer was given.
};

}  // namespace nacre
