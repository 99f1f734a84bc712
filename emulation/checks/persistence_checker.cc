#include "emulation/checks/persistence_checker.h"

#include <algorithm>
#include <utility>

namespace nacre {
namespace {

constexpr std::size_t kWordBytes = 8;
constexpr std::size_t kLineBytes = 64;

constexpr MediaAddress word_of(MediaAddress address) { return address - address % kWordBytes; }
constexpr MediaAddress line_of(MediaAddress address) { return address - address % kLineBytes; }

}  // namespace

PersistenceChecker::PersistenceChecker(const Trace& trace,
                                       std::span<const CrashOperation> operations)
    : trace_(trace), operations_(operations), lines_(operations.size()) {}

PersistenceReport PersistenceChecker::run() {
  for (const CrashOperation& operation : operations_) {
    report_.operations.emplace_back().name = operation.name;
  }
  for (std::size_t i = 0; i < trace_.events().size(); ++i) step(i);
  for (std::size_t i = 0; i < lines_.size(); ++i) {
    report_.operations[i].lines_written = lines_[i].size();
  }
  CallSites sites;
  for (const auto& [found, seen] : found_) {
    PersistenceFinding finding;
    finding.issue = found.issue;
    finding.site = sites.describe(std::span(&found.site, 1));
    if (found.other != nullptr) finding.other = sites.describe(std::span(&found.other, 1));
    if (seen.operation >= 0) {
      finding.operation = operations_[static_cast<std::size_t>(seen.operation)].name;
    }
    finding.count = seen.count;
    report_.findings.push_back(std::move(finding));
  }
  return std::move(report_);
}

void PersistenceChecker::step(std::size_t index) {
  now_ = index;
  const Event& event = trace_.events()[index];
  OperationCost* const operation = cost();
  switch (event.kind) {
    case EventKind::kStore:
    case EventKind::kStream:
      store(index);
      break;
    case EventKind::kFlush:
      flush(event);
      break;
    case EventKind::kFence:
      fence(event);
      break;
    case EventKind::kBeginOperation:
      operation_ = static_cast<std::ptrdiff_t>(event.value);
      break;
    case EventKind::kEndOperation:
      end_operation(static_cast<std::ptrdiff_t>(event.value));
      break;
    case EventKind::kMemorySync:
      if (operation != nullptr) ++operation->memory_syncs;
      std::erase_if(words_, [&](const auto& word) {
        return word.first >= event.address && word.first < event.address + event.value;
      });
      break;
    case EventKind::kWriteBegin:
      if (operation != nullptr) ++operation->file_writes;
      break;
    case EventKind::kSyncEnd:
      if (operation != nullptr) ++operation->file_syncs;
      break;
    case EventKind::kSyncNames:
      if (operation != nullptr) ++operation->directory_syncs;
      break;
    default:
      break;
  }
}

OperationCost* PersistenceChecker::cost() {
  return operation_ < 0 ? nullptr : &report_.operations[static_cast<std::size_t>(operation_)];
}

void PersistenceChecker::store(std::size_t index) {
  const Event& event = trace_.events()[index];
  const bool streamed = event.kind == EventKind::kStream;
  // A copy is recorded word by word.
  const MediaAddress at = word_of(event.address);
  // An unrolled loop stores from many places; neighbours are what tells that it is one.
  const bool goes_on = now_ == run_last_ + 1 && at + kWordBytes >= run_end_ && at <= run_end_;
  if (!goes_on) run_ = index;
  run_last_ = index;
  run_end_ = at + kWordBytes;
  if (OperationCost* const operation = cost()) {
    ++(streamed ? operation->streamed_words : operation->stored_words);
    lines_[static_cast<std::size_t>(operation_)].insert(line_of(event.address));
  }
  auto [found, is_new] = words_.try_emplace(at);
  Word& word = found->second;
  const bool same_run = !is_new && word.first == run_;
  if (!is_new && !same_run && event.bytes == kWordBytes)
    note(PersistenceIssue::kOverwritten, event.site);
  word = {.event = index,
          .first = run_,
          .operation = operation_,
          .thread = event.thread,
          .streamed = streamed,
          .flushed = false};
}

void PersistenceChecker::flush(const Event& event) {
  for (MediaAddress line = line_of(event.address); line < event.address + event.value;
       line += kLineBytes) {
    if (OperationCost* const operation = cost()) ++operation->flushes;
    flush_line(event, line);
  }
}

void PersistenceChecker::flush_line(const Event& event, MediaAddress line) {
  bool wrote_back = false;
  bool streamed = false;
  for (auto word = words_.lower_bound(line);
       word != words_.end() && word->first < line + kLineBytes; ++word) {
    streamed |= word->second.streamed;
    if (word->second.streamed || word->second.flushed) continue;
    word->second.flushed = true;
    word->second.thread = event.thread;
    wrote_back = true;
  }
  const bool repeated = !flushed_lines_.emplace(line, event.thread).second;
  if (wrote_back) return;
  note(streamed   ? PersistenceIssue::kFlushOfStreamed
       : repeated ? PersistenceIssue::kRepeatedFlush
                  : PersistenceIssue::kCleanFlush,
       event.site);
}

void PersistenceChecker::fence(const Event& event) {
  if (OperationCost* const operation = cost()) ++operation->fences;
  std::vector<Word> settled;
  bool others_wait = false;
  std::erase_if(words_, [&](const auto& entry) {
    const Word& word = entry.second;
    if (!word.flushed && !word.streamed) return false;
    if (word.thread != event.thread) {
      others_wait |= word.flushed;
      return false;
    }
    settled.push_back(word);
    return true;
  });
  std::erase_if(flushed_lines_, [&](const auto& line) { return line.second == event.thread; });
  if (!settled.empty()) {
    look_for_commit(settled);
  } else {
    note(others_wait ? PersistenceIssue::kFenceOfAnotherThread : PersistenceIssue::kEmptyFence,
         event.site);
  }
}

/// The last word stored alone, by one instruction, behind others of other lines, looks like the one
/// that makes them count.
void PersistenceChecker::look_for_commit(const std::vector<Word>& settled) {
  const auto address = [&](const Word& word) { return trace_.events()[word.event].address; };
  const Word& last = *std::ranges::max_element(settled, {}, &Word::event);
  const Event& commit = trace_.events()[last.event];
  if (last.streamed || last.first != last.event || commit.bytes != kWordBytes) return;
  const auto before = std::ranges::find_if(settled, [&](const Word& word) {
    return word.event != last.event && word.operation == last.operation &&
           line_of(address(word)) != line_of(commit.address);
  });
  if (before == settled.end()) return;
  note(PersistenceIssue::kUnorderedCommit, commit.site, trace_.events()[before->event].site);
}

void PersistenceChecker::end_operation(std::ptrdiff_t operation) {
  std::set<std::size_t> told;
  for (const auto& [address, word] : words_) {
    if (word.operation != operation || !told.insert(word.first).second) continue;
    // A run of stores whose beginning was taken care of.
    const Event& first = trace_.events()[word.first];
    const bool part_is_safe = address != word_of(first.address) && !word.streamed &&
                              (!words_.contains(word_of(first.address)) ||
                               words_.at(word_of(first.address)).first != word.first ||
                               words_.at(word_of(first.address)).flushed);
    note(part_is_safe && !word.flushed ? PersistenceIssue::kMissedTail
                                       : PersistenceIssue::kNotDurableAtReturn,
         first.site);
  }
  if (operation == operation_) operation_ = -1;
}

void PersistenceChecker::note(PersistenceIssue issue, const void* site, const void* other) {
  Seen& seen = found_[{issue, site, other}];
  if (seen.count++ == 0) seen = {operation_, now_, 1};
}

}  // namespace nacre
