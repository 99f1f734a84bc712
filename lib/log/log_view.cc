// The read-only look at a log that another process may be writing.

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "lib/base/assert.h"
#include "lib/base/try.h"
#include "lib/io/absolute_path.h"
#include "lib/log/catalog.h"
#include "lib/log/message_format.h"
#include "mmap/superblock.h"
#include "nacre/log.h"
#include "wal/log_listing.h"
#include "wal/tail_cursor.h"

namespace nacre {
namespace {

/// So often a summary is begun anew because the writer beside us gave up what it was reading.
constexpr int kMaxLooks = 100;

}  // namespace

class ViewCursor {
 public:
  explicit ViewCursor(std::unique_ptr<wal::TailCursor> cursor) : cursor_(std::move(cursor)) {}

  Result<bool> next() {
    if (!NACRE_TRY(in_offsets(cursor_->next()))) return false;
    const RecordView& record = cursor_->record();
    const auto message = decode_message(record.lsn, record.payload);
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

Result<bool> ViewReader::next() {
  NACRE_ASSERT(cursor_ != nullptr && "this ViewReader was moved from");
  return cursor_->next();
}

const MessageView& ViewReader::message() const noexcept {
  NACRE_ASSERT(cursor_ != nullptr && "this ViewReader was moved from");
  return cursor_->message();
}

struct LogView::Impl {
  PosixFileSystem kernel_files;
  FileSystem* given_files = nullptr;
  std::filesystem::path directory;
  Superblock superblock;

  FileSystem& file_system() { return given_files == nullptr ? kernel_files : *given_files; }
  wal::LogLocation location() const { return {directory, superblock.uuid}; }
  Result<Catalog> catalog() { return read_catalog(file_system(), directory, superblock.uuid); }
  Result<wal::LogListing> listing() { return wal::list_log(file_system(), location()); }
  Result<std::unique_ptr<wal::TailCursor>> cursor(std::uint32_t lane, Lsn from) {
    return in_offsets(wal::TailCursor::open(file_system(), location(), lane, from));
  }
  Result<PartitionSummary> summarise(std::uint32_t lane, const wal::LogListing& listing);
};

LogView::LogView(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
LogView::LogView(LogView&&) noexcept = default;
LogView& LogView::operator=(LogView&&) noexcept = default;
LogView::~LogView() = default;

Result<LogView> LogView::open(const std::filesystem::path& directory, Environment environment) {
  auto impl = std::make_unique<Impl>();
  impl->given_files = environment.file_system;
  // What it names must not change when the process changes its directory.
  impl->directory = NACRE_TRY(absolute_path(directory));
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

Result<PartitionSummary> LogView::Impl::summarise(std::uint32_t lane,
                                                  const wal::LogListing& listing) {
  const auto segments = NACRE_TRY(wal::find_lane(file_system(), location(), lane, listing));
  PartitionSummary summary;
  if (segments.empty()) return summary;
  summary.segments = segments.size();
  summary.bytes = segments.size() * superblock.segment_bytes;
  summary.begin = offset_of(segments.front().base_lsn);
  summary.end = offset_of(segments.back().base_lsn);
  const auto reader = NACRE_TRY(cursor(lane, segments.back().base_lsn));
  while (NACRE_TRY(in_offsets(reader->next()))) summary.end = Offset{reader->record().lsn.value};
  return summary;
}

Result<std::vector<PartitionSummary>> LogView::partitions() {
  const Catalog catalog = NACRE_TRY(impl_->catalog());
  wal::LogListing listing = NACRE_TRY(impl_->listing());
  std::vector<PartitionSummary> summaries;
  for (const CatalogTopic& topic : catalog.topics) {
    for (std::uint32_t i = 0; i < topic.partitions; ++i) {
      auto summary = impl_->summarise(topic.first_lane + i, listing);
      // A writer that truncates may have given up what was the newest segment a moment ago.
      for (int look = 1; !summary && summary.error().code() == ErrorCode::kNotFound; ++look) {
        if (look == kMaxLooks) return summary.error();
        listing = NACRE_TRY(impl_->listing());
        summary = impl_->summarise(topic.first_lane + i, listing);
      }
      summaries.push_back(NACRE_TRY(std::move(summary)));
      summaries.back().topic = topic.name;
      summaries.back().partition = i;
    }
  }
  return summaries;
}

Result<std::uint64_t> LogView::free_segments() {
  const wal::LogListing listing = NACRE_TRY(impl_->listing());
  return static_cast<std::uint64_t>(
      std::ranges::count(listing.segments, SegmentUse::kFree, &SegmentState::use));
}

Result<ViewReader> LogView::reader(std::string_view topic, std::uint32_t partition) {
  return read_from(topic, partition, Lsn{});
}

Result<ViewReader> LogView::reader(std::string_view topic, std::uint32_t partition, Offset from) {
  return read_from(topic, partition, NACRE_TRY(checked_lsn(from)));
}

Result<ViewReader> LogView::read_from(std::string_view topic, std::uint32_t partition, Lsn from) {
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
  auto cursor = NACRE_TRY(impl_->cursor(found->first_lane + partition, from));
  return ViewReader(std::make_unique<ViewCursor>(std::move(cursor)));
}

}  // namespace nacre
