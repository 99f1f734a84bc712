#pragma once

// The programs of the corpus, each in a file of its own, which says what is wrong with it.
//
// A mutant runs with its bug or, as kCorrect, without. Options say the model and the budget.

#include "nacre/emulation/crash_test.h"
#include "tests/mutants/media_words.h"

namespace nacre::mutants {

CrashReport pointer_before_payload(const CrashTestOptions& options, Variant variant);
CrashReport commit_without_fence(const CrashTestOptions& options, Variant variant);
CrashReport unaligned_tail(const CrashTestOptions& options, Variant variant);
CrashReport evicted_commit(const CrashTestOptions& options, Variant variant);
CrashReport two_words_one_epoch(const CrashTestOptions& options, Variant variant);
CrashReport chunk_header_order(const CrashTestOptions& options, Variant variant);
CrashReport stale_undo(const CrashTestOptions& options, Variant variant);
CrashReport dropped_flush_range(const CrashTestOptions& options, Variant variant);
CrashReport past_log_extension(const CrashTestOptions& options, Variant variant);
CrashReport unpersisted_null(const CrashTestOptions& options, Variant variant);
CrashReport crash_in_format(const CrashTestOptions& options, Variant variant);
CrashReport deleted_before_durable(const CrashTestOptions& options, Variant variant);
CrashReport removed_before_durable(const CrashTestOptions& options, Variant variant);
CrashReport volatile_state_in_recovery(const CrashTestOptions& options, Variant variant);
CrashReport recovery_not_idempotent(const CrashTestOptions& options, Variant variant);
CrashReport meta_before_data(const CrashTestOptions& options, Variant variant);
CrashReport rename_without_directory_sync(const CrashTestOptions& options, Variant variant);
CrashReport hole_between_logs(const CrashTestOptions& options, Variant variant);
CrashReport hole_between_files(const CrashTestOptions& options, Variant variant);
CrashReport middle_missing(const CrashTestOptions& options, Variant variant);
CrashReport middle_block_missing(const CrashTestOptions& options, Variant variant);
CrashReport stale_tail(const CrashTestOptions& options, Variant variant);
CrashReport size_past_sync(const CrashTestOptions& options, Variant variant);
CrashReport recorded_past_sync(const CrashTestOptions& options, Variant variant);
CrashReport failed_sync_retried(const CrashTestOptions& options, Variant variant);
CrashReport fence_of_another_thread(const CrashTestOptions& options, Variant variant);
CrashReport streamed_without_fence(const CrashTestOptions& options, Variant variant);
CrashReport streamed_line_order(const CrashTestOptions& options, Variant variant);
CrashReport undurable_acknowledgement(const CrashTestOptions& options, Variant variant);
CrashReport misdirected_block(const CrashTestOptions& options, Variant variant);

CrashReport one_line_commit(const CrashTestOptions& options);
CrashReport undo_log(const CrashTestOptions& options);
CrashReport checksummed_redo_log(const CrashTestOptions& options);
CrashReport pointer_swap(const CrashTestOptions& options);
CrashReport two_slot_header(const CrashTestOptions& options);
CrashReport checksummed_log(const CrashTestOptions& options);
CrashReport ring_buffer(const CrashTestOptions& options);
CrashReport hash_slot(const CrashTestOptions& options);
CrashReport linked_list(const CrashTestOptions& options);
CrashReport two_meta_pages(const CrashTestOptions& options);
CrashReport counter(const CrashTestOptions& options);

}  // namespace nacre::mutants
