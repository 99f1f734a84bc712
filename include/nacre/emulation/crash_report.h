#pragma once

// What exploring the crashes of a workload found.

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace nacre {

enum class CrashVerdict : std::uint8_t {
  kExhaustive,    ///< Every state that the model allows was tried, and every check passed.
  kBounded,       ///< Every check passed, but the budget did not last for every state.
  kFailed,        ///< A state failed; see `failures`.
  kInconclusive,  ///< Nothing was tested; see `problem`. Counts as a failure.
};

/// "EXHAUSTIVE", "BOUNDED", "FAILED", "INCONCLUSIVE".
std::string_view crash_verdict_name(CrashVerdict verdict) noexcept;

/// Sixteen bytes in hexadecimal, with ".." where they are not part of what is described.
struct CrashBytes {
  std::uint64_t address = 0;
  std::string oldest;  ///< As they were before anything that the crash may lose.
  std::string kept;    ///< As the crash left them.
  std::string newest;  ///< As the program saw them last.
};

/// Bytes whose content makes the difference.
struct CrashGranule {
  /// The file that holds them, by its newest name; empty: the region.
  std::string path;
  std::uint64_t address = 0;   ///< In the file or the region, as those of `pieces`.
  std::size_t bytes = 0;       ///< 0: not bytes, but what `content` says.
  bool garbage = false;        ///< Nobody wrote them: the device was writing something there.
  bool newest = false;         ///< The crash kept the newest of its contents.
  std::size_t candidate = 0;   ///< Which of them it kept, the oldest being 0.
  std::size_t candidates = 0;  ///< How many there were.
  std::string content;         ///< In hexadecimal, up to 64 bytes; or what it means.
  /// The newest store in what was kept, and the one that was lost first, where there is one.
  std::string kept_store;
  std::string lost_store;
  /// One more than the events of these among the workload's; 0 where recovery stored it.
  std::size_t kept_event = 0;
  std::size_t lost_event = 0;
  std::string hint;  ///< What would have kept the store that was lost.
  /// The first 8 rows whose contents differ.
  std::vector<CrashBytes> pieces;
};

struct CrashFailure {
  std::string message;      ///< What the check, or the explorer, said.
  std::string crash_point;  ///< Such as "before the fence in push 3".
  std::string site;         ///< The place in the program that stood behind the crash point.
  /// The smallest set found that fails, when everything else that recovery reads is as old as it
  /// can be, or as new.
  std::vector<CrashGranule> granules;
  bool others_newest = false;
  /// Where the others are old: those that recovery read and that were written before something
  /// that the crash kept. Often the ones that should have been durable by then.
  std::vector<CrashGranule> overtaken;  ///< Those of one place in the program as one.
  std::size_t point = 0;                ///< The index of the crash point in the workload.
  std::string reproduction;             ///< For `CrashTestOptions::reproduce`.
};

/// An operation among the events of the workload.
struct CrashSpan {
  std::string name = {};
  std::uint16_t thread = 0;
  std::size_t begin = 0;  ///< Its first event.
  std::size_t end = 0;    ///< One past its last.
};

/// Events that one place in the program made one after the other, such as the stores of a copy.
struct CrashStep {
  std::size_t begin = 0;  ///< The first event.
  std::size_t end = 0;    ///< One past the last.
  std::string kind;       ///< Such as "store", "flush", "fence".
  /// Whether it makes writes durable, as a fence does, rather than to write.
  bool orders = false;
  std::uint16_t thread = 0;
  std::uint64_t address = 0;
  std::uint64_t bytes = 0;
  std::string site;
};

struct CrashPointSummary {
  std::size_t event = 0;  ///< The crash comes before this event of the workload.
  bool kill = false;      ///< The process is killed there, and the power stays.
  std::string description;
  std::string site;
  std::size_t granules = 0;  ///< With more than one content.
  double product = 0;        ///< Their combinations.
  std::uint64_t states = 0;  ///< Recoveries that were run.
  std::uint64_t nested_states = 0;
  std::size_t outcomes = 0;  ///< Different states that recovery found.
};

/// What the workload did, where it was crashed, and how often.
struct CrashTimeline {
  std::vector<CrashSpan> operations;
  std::vector<CrashStep> steps;  ///< The first 2000.
  std::size_t steps_left_out = 0;
  std::vector<CrashPointSummary> points;
};

/// A place in the program that makes something durable: a flush, fence, sync, or durable write.
struct CrashSite {
  const void* address = nullptr;  ///< In this process.
  std::string place;              ///< Such as "list.cc:42 in List::push".
  std::string kind;               ///< Such as "fence".
  /// Moving it may change something: for what it is, or for what is stored behind it before its
  /// operation, or recovery, ends.
  bool can_move = false;
};

/// What is done to such a place, to see whether a test misses it.
enum class CrashMutation : std::uint8_t {
  kDrop,  ///< It makes nothing durable.
  kMove,  ///< It does so a step later: behind the next store, or where the operation ends.
};

struct CrashReport {
  CrashVerdict verdict = CrashVerdict::kInconclusive;
  std::string problem;  ///< Why nothing was tested; what to do.
  /// Why not every state was tried, where it is not the budget alone; what to do.
  std::string limit;
  std::string model;
  std::uint64_t seed = 0;
  std::size_t operations = 0;
  std::size_t events = 0;
  std::size_t crash_points = 0;
  std::size_t open_points = 0;          ///< Crash points with more than one state.
  std::size_t kill_points = 0;          ///< Moments at which the process was killed.
  std::size_t recovery_kills = 0;       ///< How often a recovery was killed.
  std::size_t schedules = 0;            ///< Of the workload's threads: tried. 0 when it has none.
  std::size_t different_schedules = 0;  ///< Of them, those that did something else.
  std::size_t preemptions = 0;          ///< In each of them, at most.
  bool tried_each_state = false;        ///< Of what was crashed; with threads, of those schedules.
  std::size_t sequences = 0;            ///< Of operations, against a model: tried.
  std::vector<std::string> steps;       ///< The fewest that fail, as far as was tried.
  std::size_t steps_before = 0;         ///< How many the sequence had.
  std::uint64_t states = 0;             ///< Recoveries that were run.
  std::uint64_t nested_states = 0;      ///< Of them, after a crash in recovery.
  double product = 0;                   ///< All states without the reduction by what is read.
  std::size_t distinct_outcomes = 0;    ///< Different recovered states, at most 64 a crash point.
  double seconds = 0;
  std::vector<CrashFailure> failures;
  std::vector<CrashSite> ordering_sites;  ///< Where `CrashTestOptions::note_sites` asked for them.
  CrashTimeline timeline;                 ///< Where `CrashTestOptions::timeline` asked for it.

  bool passed() const noexcept {
    return verdict == CrashVerdict::kExhaustive || verdict == CrashVerdict::kBounded;
  }
  /// For a terminal.
  std::string to_string() const;
  /// All of it, as one object.
  std::string to_json() const;
  /// A page that needs nothing beside itself.
  std::string to_html() const;
};

}  // namespace nacre
