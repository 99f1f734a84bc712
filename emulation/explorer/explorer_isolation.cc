// A state in a process of its own, for recovery that leaves something behind in the one it runs in.

#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <utility>

#include "emulation/explorer/explorer.h"
#include "emulation/explorer/explorer_level.h"
#include "emulation/explorer/process_end.h"
#include "emulation/explorer/search_text.h"
#include "lib/base/assert.h"

namespace nacre {

void Explorer::run_isolated(Chooser& chooser, const Budget* nested, bool repeats) {
  int status = 0;
  const std::size_t failures = failures_;
  const auto passes = [&] {
    run_and_tell(1, chooser, nested, /*repeats=*/false);
    return failures_ == failures;
  };
  const SearchEnd end = run_in_child(passes, status);
  if (progress_.position.is_cut) progress_.counts.leave_out_states(cut_choices_text());
  if (end == SearchEnd::kFailed) ++failures_;  // Told by the child.
  if (end == SearchEnd::kNotYet || end == SearchEnd::kHung) {
    tell_as_it_is(1, process_end_text(status, progress_, end, options_.recovery_seconds));
  }
  if (end != SearchEnd::kFinished || !repeats) return;

  const std::vector<Choice> choices = levels_[1]->choices;
  ChoicePath same(choices);
  const SearchEnd second =
      run_in_child([&] { return !run_state(1, same, /*nested=*/nullptr); }, status);
  if (second != SearchEnd::kFinished || levels_[1]->choices != choices) {
    tell_as_it_is(1, not_deterministic_text(second == SearchEnd::kFinished
                                                ? "read other bytes of those that are open"
                                                : "did not pass"));
  }
  levels_[1]->choices = choices;
}

SearchEnd Explorer::run_in_child(const std::function<bool()>& passes, int& status) {
  progress_.state_end = SearchEnd::kNotYet;
  const pid_t child = ::fork();
  NACRE_ASSERT(child >= 0);
  if (child == 0) {
    end_with_parent();
    for (std::size_t level = 1; level < levels_.size(); ++level) levels_[level]->core().detach();
    watch_for_hangs(progress_, progress_.state_end, options_.recovery_seconds);
    progress_.state_end = passes() ? SearchEnd::kFinished : SearchEnd::kFailed;
    ::_exit(0);
  }
  while (::waitpid(child, &status, 0) < 0 && errno == EINTR) {
  }
  levels_[1]->choices = progress_.position.path();
  return progress_.state_end;
}

}  // namespace nacre
