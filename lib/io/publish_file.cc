#include "lib/io/publish_file.h"

#include <utility>

#include "lib/base/assert.h"

namespace nacre {

IoTicket publish_file(IoScheduler& scheduler, FilePublication publication, IoCallback done) {
  NACRE_ASSERT(publication.content.size() <= kMaxPublishedBuffers);
  NACRE_ASSERT(publication.target.parent_path() == publication.temporary.parent_path());
  std::vector<IoRequest> steps;
  steps.reserve(kPublishSteps);
  const auto step = [&](IoKind kind) -> IoRequest& {
    IoRequest& made = steps.emplace_back();
    made.kind = kind;
    made.io_class = publication.io_class;
    made.timeout_ns = publication.timeout_ns;
    return made;
  };

  IoRequest write;
  write.buffers = std::move(publication.content);
  if (const std::uint64_t bytes = write.buffer_bytes(); bytes > 0) {
    // A full disk is noticed before anything has been written.
    IoRequest& allocate = step(IoKind::kAllocate);
    allocate.file = publication.file;
    allocate.bytes = bytes;
    IoRequest& content = step(IoKind::kWrite);
    content.file = publication.file;
    content.buffers = std::move(write.buffers);
  }
  // The content must be durable before the name points to it: a rename may reach the journal before
  // the data it names.
  step(IoKind::kSync).file = publication.file;
  IoRequest& rename = step(IoKind::kRename);
  rename.path = publication.temporary;
  rename.target = publication.target;
  // The new name must be durable before anybody is told of it.
  step(IoKind::kSyncDirectory).path = publication.target.parent_path();

  IoRequest undo;
  undo.kind = IoKind::kRemove;
  undo.path = publication.temporary;
  return scheduler.submit_chain(std::move(steps), &undo, std::move(done));
}

}  // namespace nacre
