#include "tests/emulation/publish_trace.h"

#include <gtest/gtest.h>

#include <algorithm>

namespace nacre::test {
namespace {

bool is_step(FileOperation operation) {
  return std::ranges::find(kPublishOrder, operation) != kPublishOrder.end();
}

/// One step more. A write of several parts may be several operations.
void take_step(PublishTrace& seen, const FileEvent& event, const FileEvent* before) {
  EXPECT_FALSE(seen.failed.has_value()) << "went on behind a step that had failed";
  EXPECT_FALSE(seen.undo.has_value()) << "went on behind the undo";
  EXPECT_TRUE(before == nullptr || before->started < event.started) << "began out of order";
  const bool goes_on = before != nullptr && before->operation == FileOperation::kWrite &&
                       event.operation == FileOperation::kWrite;
  if (goes_on && !seen.failed) --seen.steps;
  ASSERT_LT(seen.steps, kPublishOrder.size());
  EXPECT_EQ(file_operation_name(event.operation), file_operation_name(kPublishOrder[seen.steps]));
  if (event.error) {
    seen.failed = event;
  } else {
    ++seen.steps;
  }
}

}  // namespace

bool PublishTrace::undo_struck() const noexcept {
  return undo && undo->fault &&
         (undo->fault->effect == FaultEffect::kError || undo->fault->effect == FaultEffect::kSkip);
}

PublishTrace trace_publication(const std::vector<FileEvent>& trace,
                               const std::filesystem::path& temporary, bool has_content) {
  PublishTrace seen{.steps = has_content ? std::size_t{0} : std::size_t{2}};
  const FileEvent* before = nullptr;
  bool created = false;
  for (const FileEvent& event : trace) {
    if (event.path == temporary && event.operation == FileOperation::kCreate) created = true;
    const bool ours = event.path == temporary || (created && event.path == temporary.parent_path());
    if (!ours) continue;
    if (event.operation == FileOperation::kRemove) {
      EXPECT_FALSE(seen.undo.has_value()) << "removed twice";
      EXPECT_TRUE(before == nullptr || before->started < event.started);
      seen.undo = event;
    } else if (is_step(event.operation)) {
      take_step(seen, event, before);
      before = &event;
    }
  }
  EXPECT_TRUE(created) << "the trace does not reach back to where " << temporary << " was made";
  return seen;
}

}  // namespace nacre::test
