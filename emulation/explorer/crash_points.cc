#include "emulation/explorer/crash_points.h"

#include <algorithm>
#include <utility>

#include "emulation/simulation/visible_bytes.h"

namespace nacre {

CrashPoints::CrashPoints(const Trace& trace, const CrashModel& model, DefiniteBytes& definite,
                         const Options& options)
    : trace_(trace), kills_(options.kills), models_(make_persistence_models(model, definite)) {
  for (; now_.event < options.first; ++now_.event) {
    for (const auto& model_part : models_) model_part->apply(trace_, now_.event);
  }
}

bool CrashPoints::next(CrashPoint& point) {
  while (true) {
    if (changed_ && is_moment()) {
      changed_ = false;
      point = take(CrashKind::kPowerCut);
      return true;
    }
    if (visibly_changed_ && is_worth_a_kill()) {
      visibly_changed_ = false;
      point = take(CrashKind::kKill);
      return true;
    }
    if (at_end()) return false;
    step();
  }
}

bool CrashPoints::is_moment() const {
  if (at_end() || just_ended_) return true;
  if (trace_.events()[now_.event].kind == EventKind::kBeginOperation) return true;
  return std::ranges::any_of(models_,
                             [&](const auto& model) { return model->narrows(trace_, now_.event); });
}

bool CrashPoints::is_worth_a_kill() const {
  return kills_ && (is_moment() || changes_what_is_visible(trace_.events()[now_.event]));
}

CrashPoint CrashPoints::take(CrashKind kind) {
  CrashPoint point = now_;
  point.kind = kind;
  point.is_answered |= at_end();
  if (kind == CrashKind::kKill) {
    point.number = kill_count_++;
  } else {
    point.number = now_.number++;
  }
  ++now_.index;
  return point;
}

void CrashPoints::step() {
  const Event& event = trace_.events()[now_.event];
  just_ended_ = false;
  changed_ = true;
  visibly_changed_ |= changes_what_is_visible(event);
  pass(event);
  for (const auto& model : models_) model->apply(trace_, now_.event);
  ++now_.event;
}

void CrashPoints::pass(const Event& event) {
  switch (event.kind) {
    case EventKind::kBeginOperation:
      now_.operation = static_cast<std::ptrdiff_t>(event.value);
      ++now_.marks;
      // A kill before it asks for no less.
      return;
    case EventKind::kEndOperation:
      ++now_.marks;
      just_ended_ = true;
      break;
    case EventKind::kPromiseDurable:
      now_.promised = event.value;
      just_ended_ = true;
      break;
    case EventKind::kAnswered:
      now_.is_answered = true;
      just_ended_ = true;
      break;
    default:
      return;
  }
  visibly_changed_ = true;
}

void CrashPoints::collect(CrashState& state) const {
  for (const auto& model : models_) model->collect(state);
}

}  // namespace nacre
