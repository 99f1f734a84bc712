#include "emulation/explorer/describe_state.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>
#include <vector>

#include "emulation/explorer/mending_hint.h"
#include "emulation/simulation/name_table.h"

namespace nacre {
namespace {

constexpr std::size_t kShownBytes = 64;
constexpr std::size_t kShownRows = 8;

std::string_view event_name(EventKind kind) {
  switch (kind) {
    case EventKind::kFence:
      return "the fence";
    case EventKind::kMemorySync:
      return "the end of the msync";
    case EventKind::kWriteEnd:
      return "the end of the write";
    case EventKind::kSyncEnd:
      return "the end of the sync";
    case EventKind::kSyncNames:
      return "the end of the directory sync";
    case EventKind::kStore:
    case EventKind::kStream:
      return "the store";
    case EventKind::kWriteBegin:
      return "the write";
    case EventKind::kResize:
      return "the resize";
    case EventKind::kNames:
      return "the change of names";
    default:
      return "the next step";
  }
}

std::string hexadecimal(Bytes bytes) {
  std::string text;
  for (const std::byte byte : bytes.first(std::min(bytes.size(), kShownBytes))) {
    text += fmt::format("{:02x}", std::to_integer<unsigned>(byte));
  }
  if (bytes.size() > kShownBytes) text += "...";
  return text;
}

/// Such as "rename /a to /b", of an event's data.
std::string name_words(std::string_view text) {
  const NameOperation operation = NameOperation::from_text(text);
  switch (operation.change) {
    case NameChange::kCreate:
      return "create " + operation.path;
    case NameChange::kMakeDirectory:
      return "create directory " + operation.path;
    case NameChange::kRename:
      return fmt::format("rename {} to {}", operation.path, operation.target);
    case NameChange::kRemove:
      return "remove " + operation.path;
  }
  return "change of names";
}

std::string describe_write(const Candidate& candidate, std::size_t event,
                           const DescribedCrash& crash) {
  if (event == Candidate::kNoEvent) return crash.sites.describe({&candidate.site, 1});
  const Event& made = crash.trace.events()[event];
  const std::string place = crash.sites.describe(crash.trace.calls(made));
  if (made.kind != EventKind::kNames) return place;
  return fmt::format("{}, from {}", name_words(as_text(crash.trace.written(made))), place);
}

constexpr std::size_t kRowBytes = 16;

/// The rows of sixteen bytes, as memory is usually shown, that a granule touches, in order.
std::vector<MediaAddress> touched_rows(const Granule& granule) {
  std::vector<MediaAddress> rows;
  for (const Span& span : granule.spans) {
    MediaAddress row = span.address - span.address % kRowBytes;
    for (; row < span.address + span.bytes; row += kRowBytes) rows.push_back(row);
  }
  std::ranges::sort(rows);
  rows.erase(std::ranges::unique(rows).begin(), rows.end());
  return rows;
}

/// A row once `candidate` has been chosen, in hexadecimal, with ".." for bytes of others.
std::string row_content(MediaAddress row, const Granule& granule, const Candidate& candidate,
                        const DefiniteBytes& definite) {
  std::string text;
  for (MediaAddress at = row; at < row + kRowBytes; ++at) {
    const auto holds = [&](const Span& span) { return at - span.address < span.bytes; };
    if (std::ranges::none_of(granule.spans, holds)) {
      text += "..";
      continue;
    }
    Bytes content = definite.read(at, 1);
    for (const Patch& patch : candidate.patches) {
      const std::size_t into = at - patch.address;
      if (into < patch.bytes.size()) content = patch.bytes.subspan(into, 1);
    }
    text += hexadecimal(content);
  }
  return text;
}

std::vector<CrashBytes> pieces_of(const Granule& granule, const Choice& choice,
                                  const DefiniteBytes& definite) {
  std::vector<CrashBytes> pieces;
  for (const MediaAddress row : touched_rows(granule)) {
    const auto content = [&](const Candidate& candidate) {
      return row_content(row, granule, candidate, definite);
    };
    CrashBytes piece{.address = row,
                     .oldest = content(granule.candidates.front()),
                     .kept = content(granule.candidates[choice.chosen]),
                     .newest = content(granule.candidates.back())};
    if (piece.oldest == piece.newest && piece.oldest == piece.kept) continue;
    if (pieces.size() == kShownRows) break;
    pieces.push_back(std::move(piece));
  }
  return pieces;
}

/// The operation of the thread that `point` interrupts, or else the one begun last; -1: none.
std::ptrdiff_t operation_around(const CrashPoint& point, const Trace& trace) {
  const std::uint16_t thread = trace.events()[point.event].thread;
  for (std::size_t i = point.event; i-- > 0;) {
    const Event& event = trace.events()[i];
    if (event.kind == EventKind::kKilled) break;
    if (event.thread != thread) continue;
    if (event.kind == EventKind::kEndOperation) break;
    if (event.kind == EventKind::kBeginOperation) return static_cast<std::ptrdiff_t>(event.value);
  }
  return point.operation;
}

std::string describe_moment(const CrashPoint& point, const Trace& trace,
                            std::span<const CrashOperation> operations) {
  if (point.event > 0 && trace.events()[point.event - 1].kind == EventKind::kAnswered) {
    return "once recovery had its answer";
  }
  if (point.event == trace.events().size()) return "at the end";
  const Event& event = trace.events()[point.event];
  if (event.kind == EventKind::kBeginOperation) {
    return fmt::format("before {}", operations[event.value].name);
  }
  if (point.event > 0 && trace.events()[point.event - 1].kind == EventKind::kEndOperation) {
    return fmt::format("after {}", operations[trace.events()[point.event - 1].value].name);
  }
  const std::ptrdiff_t operation = operation_around(point, trace);
  return fmt::format(
      "before {}{}", event_name(event.kind),
      operation < 0 ? "" : " in " + operations[static_cast<std::size_t>(operation)].name);
}

}  // namespace

std::string describe_point(const CrashPoint& point, const Trace& trace,
                           std::span<const CrashOperation> operations) {
  const std::string moment = describe_moment(point, trace, operations);
  return point.kind == CrashKind::kKill ? "of the process alone, killed " + moment : moment;
}

std::string_view event_kind_name(EventKind kind) noexcept {
  switch (kind) {
    case EventKind::kStore:
      return "store";
    case EventKind::kStream:
      return "stream";
    case EventKind::kFlush:
      return "flush";
    case EventKind::kFence:
      return "fence";
    case EventKind::kMemorySync:
      return "msync";
    case EventKind::kWriteBegin:
      return "file write";
    case EventKind::kWriteEnd:
      return "file write returns";
    case EventKind::kWriteFailed:
      return "file write fails";
    case EventKind::kResize:
      return "file resize";
    case EventKind::kSyncBegin:
      return "file sync";
    case EventKind::kSyncEnd:
      return "file sync returns";
    case EventKind::kNames:
      return "names";
    case EventKind::kSyncNames:
      return "directory sync";
    case EventKind::kBeginOperation:
      return "begin";
    case EventKind::kEndOperation:
      return "end";
    case EventKind::kPromiseDurable:
      return "promise";
    case EventKind::kAnswered:
      return "answer";
    default:
      return "other";
  }
}

std::size_t event_of(const Granule& granule, const Candidate& candidate,
                     const DescribedCrash& crash) {
  if (candidate.event != Candidate::kNoEvent) return candidate.event;
  if (candidate.site == nullptr || granule.spans.empty()) return Candidate::kNoEvent;
  // The last one of that place in the program that wrote there.
  const auto& events = crash.trace.events();
  for (std::size_t i = std::min(crash.event, events.size()); i-- > 0;) {
    const Event& event = events[i];
    if (event.site != candidate.site) continue;
    const bool overlaps = std::ranges::any_of(granule.spans, [&](const Span& span) {
      // What a file's size says is changed by events on its content, too.
      return (event.address < span.address + span.bytes &&
              span.address < event.address + event.bytes) ||
             event.file == span.address;
    });
    if (overlaps) return i;
  }
  return Candidate::kNoEvent;
}

CrashGranule describe_granule(const Granule& granule, const Choice& choice,
                              const DescribedCrash& crash,
                              std::span<const std::size_t> kept_events) {
  CrashGranule told;
  if (!granule.spans.empty()) told.address = granule.spans.front().address;
  for (const Span& span : granule.spans) told.bytes += span.bytes;
  told.newest = choice.chosen + 1 == choice.count;
  told.candidate = choice.chosen;
  told.candidates = choice.count;
  const Candidate& kept = granule.candidates[choice.chosen];
  if (!kept.meaning.empty()) {
    told.content = kept.meaning;
  } else if (!kept.patches.empty()) {
    told.content = hexadecimal(kept.patches.front().bytes);
  }
  if (kept.site != nullptr) {
    const std::size_t event = event_of(granule, kept, crash);
    told.kept_store = describe_write(kept, event, crash);
    told.kept_event = event + 1;
  }
  told.garbage = kept.is_garbage;
  if (told.garbage) {
    told.hint = fmt::format(
        "the device was writing these {} bytes when the power failed, and may leave anything "
        "there: keep what is durable out of what is written again, or prove it by a checksum",
        told.bytes);
  } else if (!told.newest) {
    const Candidate& lost = granule.candidates[choice.chosen + 1];
    const std::size_t event =
        kept.lost_event != Candidate::kNoEvent ? kept.lost_event : event_of(granule, lost, crash);
    told.lost_store = describe_write(lost, event, crash);
    told.lost_event = event + 1;
    if (event != Candidate::kNoEvent) {
      LostStore store{.event = event, .crash = crash.event, .relying = crash.event};
      for (const std::size_t other : kept_events) {
        if (other > event) store.relying = std::min(store.relying, other);
      }
      told.hint = mending_hint(crash.trace, crash.model, store, crash.sites);
    }
  }
  if (!kept.meaning.empty()) {
    // The bytes are the simulator's own.
    told.bytes = 0;
  } else {
    told.pieces = pieces_of(granule, choice, crash.definite);
  }
  return told;
}

}  // namespace nacre
