#pragma once

// A progress line on a terminal, for work that takes more than a second.

#include <cstddef>
#include <cstdint>
#include <string>

#include "nacre/clock.h"

namespace nacre::tools {

struct ProgressState {
  std::string label;          ///< What is going on: "ingesting".
  std::uint64_t done = 0;     ///< Of `total`, in any unit.
  std::uint64_t total = 0;    ///< 0 when unknown: no bar then.
  std::uint64_t records = 0;  ///< 0 when none are counted.
  std::uint64_t bytes = 0;
  std::uint64_t elapsed_ns = 0;
};

/// One line of at most `width` columns, without an end of line. What does not fit is left out,
/// the bar last of all but label and percentage.
std::string render_progress(const ProgressState& state, std::size_t width);

/// Draws on standard error, and only when that is a terminal.
///
/// Thread safety: one thread at a time.
class Progress {
 public:
  /// `clock` outlives this object. `wanted` false draws nothing.
  Progress(std::string label, std::uint64_t total, Clock& clock, bool wanted = true);
  ~Progress();
  Progress(const Progress&) = delete;
  Progress& operator=(const Progress&) = delete;

  /// For work whose size shows only once it has begun.
  void set_total(std::uint64_t total) noexcept { state_.total = total; }
  /// Redraws at most ten times a second. Cheap enough to be called for each record.
  void update(std::uint64_t done, std::uint64_t records, std::uint64_t bytes);
  /// Wipes the line away. Idempotent.
  void clear();

 private:
  void draw(std::uint64_t now_ns);

  Clock& clock_;
  ProgressState state_;
  bool enabled_;
  bool drawn_ = false;
  std::uint64_t start_ns_;
  std::uint64_t next_draw_ns_;
};

/// Columns of the terminal behind `descriptor`; 80 when there is none.
std::size_t terminal_width(int descriptor) noexcept;

}  // namespace nacre::tools
