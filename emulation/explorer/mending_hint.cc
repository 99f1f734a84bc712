#include "emulation/explorer/mending_hint.h"

#include <fmt/format.h>

#include <optional>

#include "emulation/simulation/line_model.h"
#include "emulation/simulation/name_table.h"

namespace nacre {
namespace {

MediaAddress line_of(MediaAddress address) { return address - address % kLineBytes; }

class Hint {
 public:
  Hint(const Trace& trace, const LostStore& lost, CallSites& sites)
      : trace_(trace), lost_(lost), sites_(sites), store_(trace.events()[lost.event]) {}

  std::string of_cached() const {
    const auto flush = last_flush(&Hint::covers);
    if (!flush) return not_flushed();
    const Event& flushed = trace_.events()[*flush];
    if (was_killed(*flush)) {
      return fmt::format(
          "flushed{}, but the process was killed before it fenced: recovery has to flush it",
          at(*flush));
    }
    if (const auto fence = find_fence(*flush, flushed.thread)) {
      return fmt::format(
          "flushed{} by thread {}, but fenced{} by thread {}: a fence waits only for what its own "
          "thread has flushed",
          at(*flush), flushed.thread, at(*fence), trace_.events()[*fence].thread);
    }
    // As store_u64 does, which nobody takes for a flush.
    if (flushed.site == store_.site) return lacking("not fenced", "fence after it");
    return fmt::format("flushed{}, but not fenced {}: fence after that flush", at(*flush),
                       before());
  }

  std::string of_streamed() const {
    if (was_killed(lost_.event)) {
      return "streamed past the cache, but the process was killed before it fenced: recovery has "
             "to "
             "flush it";
    }
    if (const auto fence = find_fence(lost_.event, store_.thread)) {
      return fmt::format(
          "streamed by thread {}, but fenced{} by thread {}: a fence waits only for what its own "
          "thread has streamed",
          store_.thread, at(*fence), trace_.events()[*fence].thread);
    }
    return fmt::format("streamed past the cache, but not fenced {}: fence after it", before());
  }

  std::string of_written() const {
    std::size_t ended = limit();
    for (std::size_t i = lost_.event; i < limit(); ++i) {
      const Event& event = trace_.events()[i];
      const bool of_file = event.file == store_.file;
      if (event.kind == EventKind::kWriteEnd && event.value == lost_.event) ended = i;
      if (event.kind == EventKind::kWriteFailed && event.value == lost_.event) {
        return "the write failed, and no later sync says whether it is there: write it again";
      }
      if (event.kind != EventKind::kSyncEnd || !of_file || event.value < lost_.event) continue;
      if (!event.flag) {
        return fmt::format(
            "the sync{} failed, and no later one makes up for it: write it again, elsewhere",
            at(i));
      }
      if (event.value < ended) {
        return fmt::format("the sync{} was submitted before this write had ended: sync after it",
                           at(i));
      }
    }
    return lacking("the file was not synced", "sync it once the write has returned");
  }

  std::string of_names() const {
    const NameOperation operation = NameOperation::from_text(as_text(trace_.written(store_)));
    const std::string_view from = parent_of(operation.path);
    const std::string_view to = operation.target.empty() ? from : parent_of(operation.target);
    if (from == to) {
      return lacking("the directory was not synced", fmt::format("sync the directory {}", from));
    }
    return lacking("not both of its directories were synced",
                   fmt::format("sync the directories {} and {}", from, to));
  }

  std::string lacking(std::string_view what, std::string_view remedy) const {
    return fmt::format("{} {}: {}", what, before(), remedy);
  }

 private:
  using Test = bool (Hint::*)(const Event& flush) const;

  /// Whether its process was killed before it could do more about it.
  bool was_killed(std::size_t event) const {
    for (std::size_t i = event; i < limit(); ++i) {
      if (trace_.events()[i].kind == EventKind::kKilled) return true;
    }
    return false;
  }
  std::size_t limit() const { return std::min(lost_.relying, lost_.crash); }
  /// " at list.cc:42"; nothing where that is not known.
  std::string at(std::size_t event) const {
    const std::string place = sites_.describe_briefly(trace_.calls(trace_.events()[event]));
    return place.empty() ? "" : " at " + place;
  }
  std::string before() const {
    if (lost_.relying >= lost_.crash) return "before the crash";
    return fmt::format("before what was stored{}", at(lost_.relying));
  }

  std::optional<std::size_t> last_flush(Test matches) const {
    for (std::size_t i = limit(); i-- > lost_.event;) {
      const Event& event = trace_.events()[i];
      if (event.kind == EventKind::kFlush && (this->*matches)(event)) return i;
    }
    return std::nullopt;
  }
  bool covers(const Event& flush) const {
    const MediaAddress line = line_of(store_.address);
    return line_of(flush.address) <= line && line < flush.address + flush.value;
  }
  /// A flush that ends in the line before, as one does whose length was rounded the wrong way.
  bool falls_short(const Event& flush) const {
    const MediaAddress line = line_of(store_.address);
    const MediaAddress end = flush.address + flush.value;
    return flush.thread == store_.thread && end <= line && line - end < kLineBytes;
  }
  /// By another thread than `thread`: its own would have kept the store.
  std::optional<std::size_t> find_fence(std::size_t behind, std::uint16_t thread) const {
    for (std::size_t i = behind; i < limit(); ++i) {
      const Event& event = trace_.events()[i];
      if (event.kind == EventKind::kFence && event.thread != thread) return i;
    }
    return std::nullopt;
  }

  std::string not_flushed() const {
    if (const auto flush = last_flush(&Hint::falls_short)) {
      const Event& event = trace_.events()[*flush];
      return fmt::format("the flush{} ends at {:#x}, short of these bytes: flush them too",
                         at(*flush), event.address + event.value);
    }
    for (std::size_t i = lost_.event; i-- > 0;) {
      const Event& event = trace_.events()[i];
      if (event.kind == EventKind::kFlush && event.thread == store_.thread && covers(event)) {
        return fmt::format("last flushed{}, before it was stored: flush after it, and fence",
                           at(i));
      }
      if (event.kind == EventKind::kBeginOperation) break;
    }
    return lacking("not flushed", "flush it, and fence");
  }

  const Trace& trace_;
  const LostStore& lost_;
  CallSites& sites_;
  const Event& store_;
};

}  // namespace

std::string mending_hint(const Trace& trace, MemoryModel model, const LostStore& lost,
                         CallSites& sites) {
  const Hint hint(trace, lost, sites);
  switch (trace.events()[lost.event].kind) {
    case EventKind::kStore:
      if (model == MemoryModel::kCacheLine) return hint.of_cached();
      if (model == MemoryModel::kDurableCache) return hint.lacking("not fenced", "fence after it");
      return hint.lacking("not synced", "commit (msync) a range that holds it");
    case EventKind::kStream:
      if (model == MemoryModel::kMappedPages) {
        return hint.lacking("not synced", "commit (msync) a range that holds it");
      }
      return hint.of_streamed();
    case EventKind::kWriteBegin:
      return hint.of_written();
    case EventKind::kResize:
      return hint.lacking("the file's size was not synced", "sync the file");
    case EventKind::kNames:
      return hint.of_names();
    default:
      return {};
  }
}

}  // namespace nacre
