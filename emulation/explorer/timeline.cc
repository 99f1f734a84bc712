#include "emulation/explorer/timeline.h"

#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <memory>
#include <string>
#include <string_view>
#include <utility>

#include "emulation/explorer/describe_state.h"
#include "emulation/explorer/explorer.h"
#include "emulation/explorer/packer.h"
#include "lib/base/assert.h"

namespace nacre {
namespace {

constexpr std::size_t kMaxSteps = 2000;

bool is_mark(EventKind kind) {
  return kind == EventKind::kBeginOperation || kind == EventKind::kEndOperation ||
         kind == EventKind::kPromiseDurable;
}

bool orders(EventKind kind) {
  return kind == EventKind::kFence || kind == EventKind::kMemorySync ||
         kind == EventKind::kSyncEnd || kind == EventKind::kSyncNames;
}

std::uint64_t bytes_of(const Event& event) {
  switch (event.kind) {
    case EventKind::kFlush:
    case EventKind::kMemorySync:
      return event.value;
    default:
      return event.bytes;
  }
}

/// Whether `next` stores from the same line of the program to where `step` has ended, or to the
/// next word: a store is known by the bytes it has changed.
bool continues(const CrashStep& step, const Event& last, const Event& next,
               const std::string& site) {
  constexpr std::uint64_t kWordBytes = 8;
  const std::uint64_t last_word = (step.address + step.bytes - 1) / kWordBytes;
  return (next.kind == EventKind::kStore || next.kind == EventKind::kStream) &&
         next.kind == last.kind && next.thread == last.thread && site == step.site &&
         next.address >= step.address + step.bytes && next.address / kWordBytes <= last_word + 1;
}

void add_steps(CrashTimeline& timeline, const Trace& trace, CallSites& sites) {
  const auto& events = trace.events();
  for (std::size_t i = 0; i < events.size(); ++i) {
    const Event& event = events[i];
    if (is_mark(event.kind)) continue;
    std::string site = sites.describe(trace.calls(event));
    CrashStep* const last = timeline.steps.empty() ? nullptr : &timeline.steps.back();
    if (last != nullptr && last->end == i && continues(*last, events[i - 1], event, site)) {
      last->end = i + 1;
      last->bytes = event.address + event.bytes - last->address;
      continue;
    }
    if (timeline.steps.size() == kMaxSteps) {
      ++timeline.steps_left_out;
      continue;
    }
    timeline.steps.push_back({.begin = i,
                              .end = i + 1,
                              .kind = std::string(event_kind_name(event.kind)),
                              .orders = orders(event.kind),
                              .thread = event.thread,
                              .address = event.address,
                              .bytes = bytes_of(event),
                              .site = std::move(site)});
  }
}

void add_operations(CrashTimeline& timeline, const Trace& trace,
                    std::span<const CrashOperation> operations) {
  const auto& events = trace.events();
  for (const CrashOperation& operation : operations) {
    timeline.operations.push_back({.name = operation.name,
                                   .thread = operation.thread,
                                   .begin = events.size(),
                                   .end = events.size()});
  }
  for (std::size_t i = 0; i < events.size(); ++i) {
    if (events[i].kind == EventKind::kBeginOperation) {
      timeline.operations[events[i].value].begin = i;
    }
    if (events[i].kind == EventKind::kEndOperation) timeline.operations[events[i].value].end = i;
  }
}

std::string pack(const CrashTimeline& timeline) {
  Packer packer;
  packer.add_each(timeline.operations, [&](const CrashSpan& span) {
    packer.add(span.name);
    packer.add(std::uint64_t{span.thread});
    packer.add(span.begin);
    packer.add(span.end);
  });
  packer.add_each(timeline.steps, [&](const CrashStep& step) {
    packer.add(step.begin);
    packer.add(step.end);
    packer.add(step.kind);
    packer.add(std::uint64_t{step.orders});
    packer.add(std::uint64_t{step.thread});
    packer.add(step.address);
    packer.add(step.bytes);
    packer.add(step.site);
  });
  packer.add(timeline.steps_left_out);
  packer.add_each(timeline.points, [&](const CrashPointSummary& point) {
    packer.add(point.event);
    packer.add(std::uint64_t{point.kill});
    packer.add(point.description);
    packer.add(point.site);
    packer.add(point.granules);
    packer.add(point.product);
  });
  return packer.text();
}

CrashTimeline unpack(std::string_view text) {
  Unpacker unpacker(text);
  CrashTimeline timeline;
  unpacker.take_each(timeline.operations, [&](CrashSpan& span) {
    span.name = unpacker.text();
    span.thread = static_cast<std::uint16_t>(unpacker.number());
    span.begin = unpacker.number();
    span.end = unpacker.number();
  });
  unpacker.take_each(timeline.steps, [&](CrashStep& step) {
    step.begin = unpacker.number();
    step.end = unpacker.number();
    step.kind = unpacker.text();
    step.orders = unpacker.number() != 0;
    step.thread = static_cast<std::uint16_t>(unpacker.number());
    step.address = unpacker.number();
    step.bytes = unpacker.number();
    step.site = unpacker.text();
  });
  timeline.steps_left_out = unpacker.number();
  unpacker.take_each(timeline.points, [&](CrashPointSummary& point) {
    point.event = unpacker.number();
    point.kill = unpacker.number() != 0;
    point.description = unpacker.text();
    point.site = unpacker.text();
    point.granules = unpacker.number();
    point.product = unpacker.real();
  });
  return timeline;
}

CrashTimeline record_here(const CrashProgram& program, const CrashTestOptions& options,
                          const ThreadScheduleOptions& schedule) {
  const auto progress = std::make_unique<SearchProgress>();
  progress->schedule = schedule;
  Explorer explorer(program, options, *progress, [](const CrashFailure&) {});
  return explorer.record() ? explorer.timeline() : CrashTimeline();
}

std::string read_to_end(int descriptor) {
  std::string text;
  std::array<char, 4096> buffer;
  while (true) {
    const ssize_t got = ::read(descriptor, buffer.data(), buffer.size());
    if (got < 0 && errno == EINTR) continue;
    if (got <= 0) return text;
    text.append(buffer.data(), static_cast<std::size_t>(got));
  }
}

[[noreturn]] void write_and_end(int descriptor, std::string_view text) {
  while (!text.empty()) {
    const ssize_t put = ::write(descriptor, text.data(), text.size());
    if (put < 0 && errno == EINTR) continue;
    if (put <= 0) ::_exit(1);
    text.remove_prefix(static_cast<std::size_t>(put));
  }
  // Not exit(): what the parent has registered and buffered is the parent's.
  ::_exit(0);
}

}  // namespace

CrashTimeline describe_timeline(const Trace& trace, std::span<const CrashOperation> operations,
                                CrashPoints& points, CallSites& sites) {
  CrashTimeline timeline;
  add_operations(timeline, trace, operations);
  add_steps(timeline, trace, sites);
  for (CrashPoint point; points.next(point);) {
    CrashState state;
    if (point.kind == CrashKind::kPowerCut) points.collect(state);
    CrashPointSummary summary;
    summary.kill = point.kind == CrashKind::kKill;
    summary.event = point.event;
    summary.description = describe_point(point, trace, operations);
    summary.granules = state.granules.size();
    summary.product = 1;
    if (point.event < trace.events().size()) {
      const auto calls = trace.calls(trace.events()[point.event]);
      if (!calls.empty()) summary.site = sites.describe(calls);
    }
    for (const Granule& granule : state.granules) {
      summary.product *= static_cast<double>(granule.candidates.size());
    }
    timeline.points.push_back(std::move(summary));
  }
  return timeline;
}

CrashTimeline record_timeline(const CrashProgram& program, const CrashTestOptions& options,
                              const ThreadScheduleOptions& schedule) {
  if (options.in_process) return record_here(program, options, schedule);
  std::array<int, 2> ends{};
  NACRE_ASSERT(::pipe(ends.data()) == 0);
  const pid_t child = ::fork();
  NACRE_ASSERT(child >= 0);
  if (child == 0) {
    ::close(ends[0]);
    write_and_end(ends[1], pack(record_here(program, options, schedule)));
  }
  ::close(ends[1]);
  const std::string packed = read_to_end(ends[0]);
  ::close(ends[0]);
  int status = 0;
  while (::waitpid(child, &status, 0) < 0 && errno == EINTR) {
  }
  return WIFEXITED(status) && WEXITSTATUS(status) == 0 ? unpack(packed) : CrashTimeline();
}

}  // namespace nacre
