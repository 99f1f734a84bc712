// The read-only look at a log that another process may be writing.

#include <fmt/format.h>

#include <optional>
#include <utility>

#include "lib/base/try.h"
#include "lib/log/catalog.h"
#include "lib/log/message_format.h"
#include "mmap/superblock.h"
#include "nacre/log.h"
#include "wal/tail_cursor.h"

namespace nacre {

class ViewCursor {
 public:
  explicit ViewCursor(std::unique_ptr<wal::TailCursor> cursor) : cursor_(std::move(cursor)) {}

  Result<bool> next() {
    if (!NACRE_TRY(cursor_->next())) return false;
    const RecordView& record = cursor_->record();
    std::optional<MessageView> message;
    NACRE_TRY(
        cursor_->look([&]() noexcept { message = decode_message(record.lsn, record.payload); }));
    if (!message) return not_a_message(record.lsn);
    message_ = *message;
    return true;
  }
  const MessageView& message() const noexcept { return message_; }

 private:
  std::unique_ptr<wal::TailCursor> cursor_;
  MessageView message_;
};

ViewReader::ViewReader(std::unique_ptr<ViewCursor> cursor) : cursor_(std::move(cursor)) {}
ViewReader::ViewReader(ViewReader&&) noexcept = default;
ViewReader& ViewReader::operator=(ViewReader&&) noexcept = default;
ViewReader::~ViewReader() = default;
Result<bool> ViewReader::next() { return cursor_->next(); }
const MessageView& ViewReader::message() const noexcept { return cursor_->message(); }

struct LogView::Impl {
  PosixFileSystem kernel_files;
  FileSystem* given_files = nullptr;
  std::filesystem::path directory;
  Superblock superblock;

  FileSystem& file_system() { return given_files == nullptr ? kernel_files : *given_files; }
  std::filesystem::path segment_directory() const { return directory / kSegmentDirectoryName; }
  Result<Catalog> catalog() { return read_catalog(file_system(), directory, superblock.uuid); }
  Result<std::vector<SegmentState>> segments() {
    return wal::list_segments(file_system(), segment_directory(), superblock.uuid);
  }
  Result<std::unique_ptr<wal::TailCursor>> cursor(std::uint32_t lane, Lsn from) {
    return wal::TailCursor::open(
        file_system(),
        {.segment_directory = segment_directory(), .log_uuid = superblock.uuid, .lane = lane},
        from);
  }
};

LogView::LogView(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
LogView::LogView(LogView&&) noexcept = default;
LogView& LogView::operator=(LogView&&) noexcept = default;
LogView::~LogView() = default;

Result<LogView> LogView::open(const std::filesystem::path& directory, Environment environment) {
  auto impl = std::make_unique<Impl>();
  impl->given_files = environment.file_system;
  impl->directory = directory;
  auto superblock = read_superblock(impl->file_system(), directory);
  if (!superblock && superblock.error().code() == ErrorCode::kNotFound) {
    return Error(ErrorCode::kNotFound, "there is no nacre log in this directory")
        .with_path(directory.string());
  }
  impl->superblock = NACRE_TRY(std::move(superblock));
  if (impl->superblock.kind != LogKind::kMessageLog) {
    return Error(ErrorCode::kInvalidArgument,
                 fmt::format("this directory holds a {}, not a message log",
                             log_kind_name(impl->superblock.kind)))
        .with_path(directory.string());
  }
  return LogView(std::move(impl));
}

const Uuid& LogView::uuid() const noexcept { return impl_->superblock.uuid; }
std::uint64_t LogView::segment_bytes() const noexcept { return impl_->superblock.segment_bytes; }

Result<std::vector<PartitionSummary>> LogView::partitions() {
  const Catalog catalog = NACRE_TRY(impl_->catalog());
  const auto all = NACRE_TRY(impl_->segments());
  std::vector<PartitionSummary> summaries;
  for (const CatalogTopic& topic : catalog.topics) {
    for (std::uint32_t i = 0; i < topic.partitions; ++i) {
      const std::uint32_t lane = topic.first_lane + i;
      const auto segments = wal::lane_segments_of(all, lane);
      PartitionSummary summary;
      summary.topic = topic.name;
      summary.partition = i;
      summary.segments = segments.size();
      summary.bytes = segments.size() * impl_->superblock.segment_bytes;
      if (!segments.empty()) {
        summary.begin = offset_of(segments.front().base_lsn);
        const SegmentState& newest = segments.back();
        summary.end = offset_of(newest.base_lsn);
        const auto cursor = NACRE_TRY(impl_->cursor(lane, newest.base_lsn));
        while (NACRE_TRY(cursor->next())) summary.end = Offset{cursor->record().lsn.value};
      }
      summaries.push_back(std::move(summary));
    }
  }
  return summaries;
}

Result<std::uint64_t> LogView::free_segments() {
  std::uint64_t free = 0;
  for (const SegmentState& state : NACRE_TRY(impl_->segments())) {
    free += state.use == SegmentUse::kFree ? 1 : 0;
  }
  return free;
}

Result<ViewReader> LogView::reader(std::string_view topic, std::uint32_t partition, Offset from) {
  const Catalog catalog = NACRE_TRY(impl_->catalog());
  const CatalogTopic* const found = catalog.find(topic);
  if (found == nullptr) {
    return Error(ErrorCode::kNotFound,
                 fmt::format("there is no topic \"{}\"; `nacre stat` lists those there are", topic))
        .with_path(impl_->directory.string());
  }
  if (partition >= found->partitions) {
    return Error(ErrorCode::kNotFound,
                 fmt::format("topic \"{}\" has no partition {}; it has {}, counted from 0", topic,
                             partition, found->partitions))
        .with_path(impl_->directory.string());
  }
  auto cursor = NACRE_TRY(impl_->cursor(found->first_lane + partition, lsn_of(from)));
  return ViewReader(std::make_unique<ViewCursor>(std::move(cursor)));
}

}  // namespace nacre
