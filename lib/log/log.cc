#include "nacre/log.h"

#include <fmt/format.h>

#include <algorithm>
#include <mutex>
#include <string>
#include <utility>

#include "lib/base/assert.h"
#include "lib/base/try.h"
#include "lib/log/catalog.h"
#include "lib/log/message_format.h"
#include "lib/log/partition_core.h"
#include "wal/lane_set.h"
#include "wal/log_metrics.h"

namespace nacre {
namespace {

/// The catalog of a log whose segments are of lanes below `lanes`.
Result<Catalog> catalog_of_log(FileSystem& file_system, const std::filesystem::path& directory,
                               const Uuid& uuid, std::uint32_t lanes) {
  auto catalog = read_catalog(file_system, directory, uuid);
  if (!catalog && catalog.error().code() == ErrorCode::kNotFound) {
    // A log has a catalog from its creation on.
    return Error(ErrorCode::kCorruption,
                 "the file CATALOG of this log has been lost; nothing was changed; restore it from "
                 "a copy")
        .with_path(catalog.error().path());
  }
  if (catalog && lanes > catalog->next_lane()) {
    return catalog_too_old(directory, lanes - 1, *catalog);
  }
  return catalog;
}

}  // namespace

struct Log::Impl {
  wal::LaneSetHandle set;
  mutable std::mutex mutex;  // Guards what follows. Below a partition's, above a lane's.
  Catalog catalog;
  std::vector<std::unique_ptr<TopicCore>> topics;  // Never shrinks; handles point into it.
  bool closed = false;

  const TopicCore* add_topic(const CatalogTopic& entry) {
    std::vector<std::unique_ptr<PartitionCore>> partitions;
    for (std::uint32_t i = 0; i < entry.partitions; ++i) {
      partitions.push_back(std::make_unique<PartitionCore>(set->lane(entry.first_lane + i),
                                                           set->environment().clock()));
    }
    topics.push_back(std::make_unique<TopicCore>(entry.name, std::move(partitions)));
    return topics.back().get();
  }

  const TopicCore* find(std::string_view name) const {
    const auto found =
        std::ranges::find_if(topics, [name](const auto& topic) { return topic->name() == name; });
    return found == topics.end() ? nullptr : found->get();
  }

  std::vector<PartitionCore*> partitions() const {
    std::vector<PartitionCore*> all;
    for (const auto& topic : topics) {
      for (const auto& partition : topic->partitions()) all.push_back(partition.get());
    }
    return all;
  }

  Result<const TopicCore*> create(std::string_view name, std::uint32_t partitions) {
    if (closed) {
      return Error(ErrorCode::kClosed, "the log is closed; open it again to create a topic");
    }
    NACRE_TRY(check_topic_name(name));
    if (partitions < 1 || partitions > kMaxPartitions) {
      return Error(ErrorCode::kInvalidArgument,
                   fmt::format("{} partitions; choose 1 to {}", partitions, kMaxPartitions));
    }
    Catalog next = catalog;
    next.topics.push_back(
        {.name = std::string(name), .first_lane = catalog.next_lane(), .partitions = partitions});
    NACRE_TRY(set->check_place());
    // The topic must be in the catalog, durably, before a message is acknowledged in its lanes.
    NACRE_TRY(write_catalog(set->environment().file_system(), set->directory(),
                            set->superblock().uuid, next));
    catalog = std::move(next);
    return add_topic(catalog.topics.back());
  }
};

Log::Log(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
Log::Log(Log&&) noexcept = default;
Log& Log::operator=(Log&&) noexcept = default;
Log::~Log() = default;

Result<Log> Log::open(const std::filesystem::path& directory, LogOptions options) {
  auto impl = std::make_unique<Impl>();
  impl->set = NACRE_TRY(in_offsets(wal::LaneSet::open(
      directory,
      {.kind = LogKind::kMessageLog,
       .ordered_lanes = 0,
       .segment_bytes = options.segment_bytes,
       .spare_segments = options.spare_segments,
       .domain = options.domain,
       .io_engine = options.io_engine,
       .overwrite_protection = options.overwrite_protection,
       .environment = options.environment,
       .on_create = [](FileSystem& file_system, const std::filesystem::path& created,
                       const Uuid& uuid) -> Status {
         if (Status none = check_no_topics(file_system, created); !none) return none;
         return write_catalog(file_system, created, uuid, {});
       },
       // Before recovery changes anything, like all that can be refused.
       .on_examined = [&impl](FileSystem& file_system, const std::filesystem::path& found,
                              const Uuid& uuid, std::uint32_t lanes) -> Status {
         auto catalog = catalog_of_log(file_system, found, uuid, lanes);
         if (!catalog) return catalog.error();
         impl->catalog = *std::move(catalog);
         return {};
       }})));
  for (const CatalogTopic& topic : impl->catalog.topics) impl->add_topic(topic);
  return Log(std::move(impl));
}

Log::Impl& Log::impl() const noexcept {
  NACRE_ASSERT(impl_ != nullptr && "this Log was moved from");
  return *impl_;
}

Result<Topic> Log::create_topic(std::string_view name, std::uint32_t partitions) {
  if (impl().set->in_child()) return wal::in_forked_child();
  const std::lock_guard lock(impl().mutex);
  if (impl().find(name) != nullptr) {
    return Error(ErrorCode::kBusy, fmt::format("the topic \"{}\" exists already", name));
  }
  return Topic(NACRE_TRY(impl().create(name, partitions)));
}

Result<Topic> Log::topic(std::string_view name) const {
  const std::lock_guard lock(impl().mutex);
  const TopicCore* found = impl().find(name);
  if (found == nullptr) {
    return Error(ErrorCode::kNotFound,
                 fmt::format("there is no topic \"{}\"; create it, or look at topics()", name));
  }
  return Topic(found);
}

Result<Topic> Log::open_or_create_topic(std::string_view name, std::uint32_t partitions) {
  if (impl().set->in_child()) return wal::in_forked_child();
  const std::lock_guard lock(impl().mutex);
  if (const TopicCore* found = impl().find(name); found != nullptr) return Topic(found);
  return Topic(NACRE_TRY(impl().create(name, partitions)));
}

std::vector<Topic> Log::topics() const {
  const std::lock_guard lock(impl().mutex);
  std::vector<Topic> all;
  for (const auto& topic : impl().topics) all.push_back(Topic(topic.get()));
  return all;
}

const RecoveryReport& Log::recovery() const noexcept { return impl().set->report(); }
const DomainInfo& Log::domain() const noexcept { return impl().set->domain(); }
const IoBackendInfo* Log::io() const noexcept { return impl().set->io(); }
const Uuid& Log::uuid() const noexcept { return impl().set->superblock().uuid; }

std::string Log::metrics() const {
  PrometheusWriter writer;
  const wal::LaneSet& set = *impl().set;
  wal::write_log_metrics(writer, set.metrics(), set.domain(), set.report());
  const std::vector<Topic> all = topics();
  const auto of_each_partition = [&](auto value) {
    for (const Topic& topic : all) {
      for (std::uint32_t i = 0; i < topic.partitions(); ++i) {
        writer.sample({{"topic", topic.name()}, {"partition", std::to_string(i)}},
                      value(topic.partition(i)));
      }
    }
  };
  writer.gauge("nacre_partition_begin_offset", "The oldest offset that is still there.");
  of_each_partition([](const Partition& partition) { return partition.begin().value; });
  writer.gauge("nacre_partition_end_offset", "One past the newest durable offset.");
  of_each_partition([](const Partition& partition) { return partition.durable_end().value; });
  return writer.text() + set.environment().domain()->metrics();
}

Status Log::close() {
  Impl& open = impl();
  // Before any lock: the parent may have held one when it forked.
  if (open.set->in_child()) return open.set->close();
  std::vector<PartitionCore*> partitions;
  {
    const std::lock_guard lock(open.mutex);
    partitions = open.partitions();
    // Before anything is refused: a log that is not closed is wholly open.
    for (PartitionCore* partition : partitions) NACRE_TRY(partition->check_not_claimed_here());
    open.closed = true;  // No topic is added from here on.
  }
  // Without the log's lock: whoever has a claim open may look at the log before it commits.
  for (PartitionCore* partition : partitions) {
    // An append beside us is in before this, or finds the partition closed.
    const std::lock_guard writing(partition->writer_mutex());
    partition->lane().refuse_writes();
  }
  // Without our locks: a callback that is still to come may look at the log.
  return open.set->close();
}

}  // namespace nacre
