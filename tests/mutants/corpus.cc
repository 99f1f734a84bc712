#include "tests/mutants/corpus.h"

#include <fmt/format.h>

#include <cctype>
#include <span>
#include <utility>

#include "tests/mutants/programs.h"

namespace nacre::mutants {
namespace {

using MutantFunction = CrashReport (*)(const CrashTestOptions&, Variant);
using CorrectFunction = CrashReport (*)(const CrashTestOptions&);
using Models = std::vector<CrashModel>;

struct MutantEntry {
  const char* number;
  const char* name;
  const Models* caught_under;
  /// The twin without the bug passes under these.
  const Models* mended_under;
  const char* says;
  const char* where;
  MutantFunction explore;
};

struct CorrectEntry {
  int number;
  const char* name;
  const Models* models;
  CorrectFunction explore;
};

CrashModel strict(CrashModel model) {
  model.strict = true;
  return model;
}

const Models kLines = {CrashModel::cache_line()};
/// Where caches survive, what is not flushed is no bug, but the order of stores still counts.
const Models kMemory = {CrashModel::cache_line(), CrashModel::durable_cache()};
const Models kStrictMemory = {CrashModel::cache_line(), strict(CrashModel::cache_line()),
                              CrashModel::durable_cache()};
const Models kPages = {CrashModel::mapped_pages(), strict(CrashModel::mapped_pages())};
const Models kAll = {CrashModel::cache_line(), strict(CrashModel::cache_line()),
                     CrashModel::durable_cache(), CrashModel::mapped_pages(),
                     strict(CrashModel::mapped_pages())};

CrashModel with_names(NameModel names) {
  CrashModel model;
  model.names = names;
  return model;
}

const Models kFiles = {with_names(NameModel::kPosixMinimum),
                       with_names(NameModel::kOrderedJournal)};

const MutantEntry kMutants[] = {
    {"1", "pointer published before its payload is flushed", &kLines, &kMemory, "the list holds",
     "in push", &pointer_before_payload},
    {"2", "fence missing between log and commit", &kLines, &kMemory, "the ledger holds",
     "in transfer", &commit_without_fence},
    {"3", "unaligned tail not flushed", &kLines, &kMemory, "a record lacks its tail", "append",
     &unaligned_tail},
    {"4", "commit word stored early and evicted before its payload", &kMemory, &kMemory,
     "the table of slots holds", "in put", &evicted_commit},
    {"5", "two words in one epoch that need atomicity", &kMemory, &kMemory, "the blob holds",
     "in replace", &two_words_one_epoch},
    {"6", "multi-chunk header order", &kMemory, &kMemory, "has no header", "in allocate",
     &chunk_header_order},
    {"7", "stale undo entries replayed by the next abort", &kMemory, &kMemory, "the array holds",
     "set one", &stale_undo},
    {"8", "a free that drops a merged flush range", &kLines, &kMemory, "the block holds", "replace",
     &dropped_flush_range},
    {"9", "a fault only past a log-extension threshold", &kLines, &kMemory, "the array holds",
     "large transaction", &past_log_extension},
    {"10", "freed pointer not persisted", &kLines, &kMemory, "points to a block that is free",
     "give back", &unpersisted_null},
    {"11", "crash during format", &kMemory, &kMemory, "the pool holds [77, 77, 77]", "in format",
     &crash_in_format},
    {"12", "old deleted before new is durable", &kMemory, &kMemory, "the entry holds []",
     "in update", &deleted_before_durable},
    {"12b", "old file removed before the new one is durable", &kFiles, &kFiles, "the file holds []",
     "put", &removed_before_durable},
    {"13", "recovery uses volatile state not yet rebuilt", &kMemory, &kMemory, "the queue holds",
     "append", &volatile_state_in_recovery},
    {"14", "recovery not idempotent", &kMemory, &kMemory, "the pair holds",
     "in the recovery from that", &recovery_not_idempotent},
    {"15", "meta page before data under msync", &kPages, &kPages, "the mapped value holds",
     "in replace", &meta_before_data},
    {"16", "rename without a directory fsync", &kFiles, &kFiles, "the file holds []", "put",
     &rename_without_directory_sync},
    {"17", "old WAL unsynced, new WAL durable (a hole)", &kPages, &kPages, "no prefix", "append",
     &hole_between_logs},
    {"17b", "old log file unsynced, next one durable", &kFiles, &kFiles, "no prefix", "append",
     &hole_between_files},
    {"18", "multi-block record with its middle missing accepted", &kPages, &kPages, "the log holds",
     "in append", &middle_missing},
    {"18b", "record of three blocks in a file, its middle missing", &kFiles, &kFiles,
     "the log holds", "in append", &middle_block_missing},
    {"19", "recycled WAL resurrects a stale tail", &kMemory, &kMemory, "the log holds [11, 2, 3]",
     "in append 11", &stale_tail},
    {"20", "recorded size larger than synced size", &kPages, &kPages, "the log holds", "append",
     &size_past_sync},
    {"20b", "manifest counts more than was synced", &kFiles, &kFiles, "the log holds", "append",
     &recorded_past_sync},
    {"21", "fsync's EIO retried as success", &kFiles, &kFiles, "the log holds [11]", "append",
     &failed_sync_retried},
    {"22", "thread A flushes, thread B fences", &kLines, &kMemory, "the table holds", "in append",
     &fence_of_another_thread},
    {"23", "non-temporal copy and publish without a fence", &kMemory, &kMemory, "the mailbox holds",
     "in send", &streamed_without_fence},
    {"23b", "last word of a streamed line taken for its commit", &kMemory, &kMemory,
     "the log holds [0]", "in append", &streamed_line_order},
    {"24", "acknowledgement that depends on another thread's undurable value", &kLines, &kMemory,
     "returned by 'find 3': true", "", &undurable_acknowledgement},
    {"25", "self-checksum without address accepts a misdirected block", &kFiles, &kFiles,
     "block 2 holds 11", "write block 1", &misdirected_block},
};

const CorrectEntry kCorrect[] = {
    {1, "commit ordered only by being in one cache line", &kStrictMemory, &one_line_commit},
    {2, "undo log", &kStrictMemory, &undo_log},
    {3, "redo log proven by a checksum", &kStrictMemory, &checksummed_redo_log},
    {4, "copy-on-write pointer swap", &kStrictMemory, &pointer_swap},
    {5, "two-slot header", &kAll, &two_slot_header},
    {6, "append log proven by checksums", &kAll, &checksummed_log},
    {7, "ring buffer", &kStrictMemory, &ring_buffer},
    {8, "hash slot with a commit of 8 bytes", &kStrictMemory, &hash_slot},
    {9, "linked list through plain pointers", &kStrictMemory, &linked_list},
    {10, "two meta pages under msync", &kPages, &two_meta_pages},
    {11, "counter by store_u64", &kAll, &counter},
};

}  // namespace

std::string_view kind_name(ProgramKind kind) noexcept {
  return kind == ProgramKind::kMutant ? "mutant" : "correct";
}

std::string CorpusCase::identifier() const {
  std::string text = fmt::format("{}_{}_{}_{}", kind_name(kind), number, name, model.name());
  std::string identifier;
  for (const char letter : text) {
    const bool is_kept = std::isalnum(static_cast<unsigned char>(letter)) != 0;
    if (is_kept) identifier += letter;
    if (!is_kept && !identifier.ends_with('_')) identifier += '_';
  }
  return identifier;
}

std::vector<CorpusCase> all_cases() {
  std::vector<CorpusCase> cases;
  for (const MutantEntry& entry : kMutants) {
    const auto add = [&](const CrashModel& model, ProgramKind kind) {
      const bool is_mutant = kind == ProgramKind::kMutant;
      const Variant variant = is_mutant ? Variant::kMutant : Variant::kCorrect;
      cases.push_back(
          {.number = fmt::format("{}{}", entry.number, is_mutant ? "" : " mended"),
           .name = entry.name,
           .kind = kind,
           .model = model,
           .has_files = entry.caught_under == &kFiles,
           .explore = [explore = entry.explore, variant](
                          const CrashTestOptions& options) { return explore(options, variant); },
           .says = entry.says,
           .where = entry.where});
    };
    for (const CrashModel& model : *entry.caught_under) add(model, ProgramKind::kMutant);
    for (const CrashModel& model : *entry.mended_under) add(model, ProgramKind::kCorrect);
  }
  for (const CorrectEntry& entry : kCorrect) {
    for (const CrashModel& model : *entry.models) {
      cases.push_back({.number = fmt::format("C{}", entry.number),
                       .name = entry.name,
                       .kind = ProgramKind::kCorrect,
                       .model = model,
                       .has_files = false,
                       .explore = entry.explore,
                       .says = {},
                       .where = {}});
    }
  }
  return cases;
}

CrashReport run_case(const CorpusCase& program) {
  CrashTestOptions options;
  options.machine.model = program.model;
  options.machine.region_bytes = std::size_t{32} << 10;
  options.machine.max_file_bytes = std::size_t{32} << 10;
  options.machine.capacity_bytes = std::size_t{1} << 20;
  return program.explore(options);
}

std::string complaint(const CorpusCase& program, const CrashReport& report) {
  if (program.kind == ProgramKind::kCorrect) {
    // With threads, of every schedule that was tried.
    if (report.passed() && report.tried_each_state) return {};
    return "a correct program did not pass with every state tried";
  }
  if (report.verdict != CrashVerdict::kFailed) return "the mutant was not caught";
  const CrashFailure& failure = report.failures.front();
  if (failure.message.find(program.says) == std::string::npos) {
    return fmt::format("the mutant was caught for another reason: nothing says \"{}\"",
                       program.says);
  }
  if (failure.crash_point.find(program.where) == std::string::npos) {
    return fmt::format("the mutant was caught elsewhere: the crash is not at \"{}\"",
                       program.where);
  }
  return {};
}

}  // namespace nacre::mutants
