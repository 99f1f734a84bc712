#pragma once

// One level of a search: a machine that recovers, and the crash it recovers from.

#include <utility>
#include <vector>

#include "emulation/explorer/crash_resolver.h"
#include "emulation/explorer/explorer.h"
#include "emulation/simulation/machine.h"
#include "emulation/simulation/media_bytes.h"

namespace nacre {

/// Notes what another one chooses.
class RecordedChooser final : public Chooser {
 public:
  RecordedChooser() = default;
  RecordedChooser(Chooser& inner, std::vector<Choice>& choices, SearchPosition* position)
      : inner_(&inner), choices_(&choices), position_(position) {}
  void rewind() override { inner_->rewind(); }
  std::uint32_t choose(std::uint32_t granule, std::uint32_t count) override {
    const Choice choice{granule, inner_->choose(granule, count), count};
    choices_->push_back(choice);
    if (position_ != nullptr) position_->add(choice);
    return choice.chosen;
  }

 private:
  Chooser* inner_ = nullptr;
  std::vector<Choice>* choices_ = nullptr;
  SearchPosition* position_ = nullptr;
};

struct Explorer::Level {
  explicit Level(SimulatedMachine made)
      : machine(std::move(made)), resolver(machine.core().media()), definite(core().media()) {}

  Machine& core() { return machine.core(); }
  const Machine& core() const { return machine.core(); }
  /// What the next level crashes into.
  const Trace& trace() const { return is_killed() ? since_power_cut : core().trace(); }
  bool is_killed() const { return point.kind == CrashKind::kKill; }

  SimulatedMachine machine;
  CrashResolver resolver;
  SavedBytes definite;
  CrashState state;  // Of the crash point under way.
  // By granule: the level whose crash has opened it. Those further in leave open what they do not
  // read.
  std::vector<std::size_t> origins;
  CrashPoint point;
  CrashProgram::State found;  // By the recovery under way, once it has returned.
  // After a kill, which loses nothing: what was done before it, and what recovery did.
  Trace since_power_cut;
  std::vector<CrashProgram::State> outcomes;  // Different ones at this crash point.
  std::vector<Choice> choices;                // Of the run under way.
  RecordedChooser chooser;
};

}  // namespace nacre
