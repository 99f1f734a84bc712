#include "mmap/segment_pool.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <cstring>
#include <memory>
#include <new>
#include <optional>
#include <string>
#include <utility>

#include "lib/base/try.h"

namespace nacre {
namespace {

constexpr std::string_view kSegmentSuffix = ".seg";
constexpr std::string_view kTemporarySuffix = ".tmp";
constexpr std::size_t kIdDigits = 16;
constexpr std::size_t kFillBytes = std::size_t{1} << 20;

/// Zeroed memory that O_DIRECT accepts.
class AlignedBuffer {
 public:
  explicit AlignedBuffer(std::size_t bytes)
      : data_(static_cast<std::byte*>(::operator new(bytes, std::align_val_t{4096}))),
        bytes_(bytes) {
    std::memset(data_, 0, bytes);
  }
  ~AlignedBuffer() { ::operator delete(data_, std::align_val_t{4096}); }
  AlignedBuffer(const AlignedBuffer&) = delete;
  AlignedBuffer& operator=(const AlignedBuffer&) = delete;
  std::span<std::byte> span() noexcept { return {data_, bytes_}; }

 private:
  std::byte* data_;
  std::size_t bytes_;
};

Error at(const Error& error, const std::filesystem::path& path) {
  return Error(error).with_path(path.string());
}

}  // namespace

SegmentId segment_id_of(std::string_view name) noexcept {
  if (name.size() != kIdDigits + kSegmentSuffix.size() || !name.ends_with(kSegmentSuffix)) {
    return SegmentId{};
  }
  SegmentId id;
  const char* end = name.data() + kIdDigits;
  const auto [stop, error] = std::from_chars(name.data(), end, id.value, 16);
  return error == std::errc{} && stop == end ? id : SegmentId{};
}

std::string segment_file_name(SegmentId id) {
  return fmt::format("{:016x}{}", id.value, kSegmentSuffix);
}

Result<DecodedHeader> read_segment_header(FileSystem& file_system,
                                          const std::filesystem::path& path) {
  const auto file = NACRE_TRY(file_system.open(path, {}));
  return read_segment_header(*file);
}

Result<DecodedHeader> read_segment_header(File& file) {
  std::array<std::byte, kSegmentDataOffset> header{};
  const std::size_t got = NACRE_TRY(file.read_at(0, header));
  auto decoded = decode_segment_header(Bytes(header).first(got));
  if (!decoded) return at(decoded.error(), file.path());
  const std::uint64_t size = NACRE_TRY(file.size());
  if (size != decoded->state.segment_bytes) {
    return Error(ErrorCode::kCorruption,
                 fmt::format("the segment file has {} bytes where its header says {}: it was cut "
                             "short or grown by something else; restore it from a copy",
                             size, decoded->state.segment_bytes))
        .with_path(file.path().string());
  }
  return decoded;
}

SegmentPool::SegmentPool(FileSystem& file_system, pmem::Domain* domain, Executor& executor,
                         Options options)
    : file_system_(file_system),
      domain_(domain),
      options_(std::move(options)),
      background_(executor) {}

SegmentPool::~SegmentPool() { background_.wait(); }

std::filesystem::path SegmentPool::segment_path(SegmentId id) const {
  return options_.directory / segment_file_name(id);
}

Result<FoundSegment> SegmentPool::examine_file(const std::string& name, SegmentId id) {
  const std::filesystem::path path = options_.directory / name;
  const DecodedHeader header = NACRE_TRY(read_segment_header(file_system_, path));
  if (header.state.log_uuid != options_.log_uuid) {
    return Error(ErrorCode::kCorruption,
                 fmt::format("the segment belongs to another log ({}, this one is {}); move it "
                             "out of this directory",
                             header.state.log_uuid.to_string(), options_.log_uuid.to_string()))
        .with_path(path.string());
  }
  if (header.state.id != id || header.state.segment_bytes != options_.segment_bytes) {
    return Error(ErrorCode::kCorruption,
                 fmt::format("the file is segment {:x} of {} bytes by its header, which is not "
                             "what its name and this log say; rename it back or move it away",
                             header.state.id.value, header.state.segment_bytes))
        .with_path(path.string());
  }
  return FoundSegment{.state = header.state, .slot = header.slot};
}

Result<std::vector<FoundSegment>> SegmentPool::find_segments(std::vector<Error>& problems) {
  std::vector<FoundSegment> found;
  std::uint64_t last_id = 0;
  for (const std::string& name : NACRE_TRY(file_system_.list_directory(options_.directory))) {
    const SegmentId id = segment_id_of(name);
    if (id == SegmentId{}) continue;
    last_id = std::max(last_id, id.value);
    auto segment = examine_file(name, id);
    if (segment) {
      found.push_back(*segment);
    } else {
      problems.push_back(segment.error());
    }
  }
  MutexLock lock(mutex_);
  last_id_ = std::max(last_id_, last_id);
  return found;
}

Status SegmentPool::adopt(const std::vector<FoundSegment>& found) {
  for (const std::string& name : NACRE_TRY(file_system_.list_directory(options_.directory))) {
    if (name.ends_with(kTemporarySuffix)) {
      NACRE_TRY(file_system_.remove(options_.directory / name));
    }
  }
  for (const FoundSegment& segment : found) {
    if (segment.state.use == SegmentUse::kFree)
      give_back(segment.state, segment.slot, false, nullptr);
  }
  return {};
}

std::shared_ptr<Segment> SegmentPool::open(const FoundSegment& found) {
  return std::make_shared<Segment>(*this, found.state, found.slot, false, nullptr);
}

Result<std::shared_ptr<Segment>> SegmentPool::take() {
  FreeSegment taken;
  bool ready = false;
  {
    MutexLock lock(mutex_);
    if (!free_.empty()) {
      taken = std::move(free_.back());
      free_.pop_back();
      ready = true;
    }
  }
  if (!ready) taken = NACRE_TRY(create());
  auto segment = std::make_shared<Segment>(*this, taken.state, taken.slot, taken.settled,
                                           std::move(taken.region));
  if (Status mapped = segment->map(pmem::MapContent::kFresh); !mapped) {
    give_back(taken.state, taken.slot, taken.settled, nullptr);
    return mapped.error();
  }
  return segment;
}

void SegmentPool::prepare() {
  std::optional<FreeSegment> spare;
  {
    MutexLock lock(mutex_);
    if (free_.size() + preparing_ >= options_.spare_segments) {
      if (free_.empty() || free_.back().region != nullptr) return;
      spare = std::move(free_.back());
      free_.pop_back();
    }
    ++preparing_;
  }
  background_.run([this, ready = std::move(spare)]() mutable {
    if (!ready.has_value()) {
      if (auto created = create()) ready = *std::move(created);
    }
    // The append path must not pay for mapping either.
    if (ready.has_value()) {
      auto region = map_file(ready->state.id, options_.segment_bytes, pmem::MapContent::kFresh);
      if (region) ready->region = std::move(*region);
      if (ready->region != nullptr) ready->region->populate();
    }
    MutexLock lock(mutex_);
    --preparing_;
    if (ready.has_value()) free_.push_back(*std::move(ready));
  });
}

void SegmentPool::let_go(std::shared_ptr<pmem::Region> region) {
  background_.run([last = std::move(region)]() mutable { last.reset(); });
}

Result<std::unique_ptr<pmem::Region>> SegmentPool::map_file(SegmentId id, std::size_t bytes,
                                                            pmem::MapContent content) {
  if (domain_ == nullptr) {
    return Error(ErrorCode::kUnsupported, "the log was opened for reading only")
        .with_path(segment_path(id).string());
  }
  NACRE_TRY(check_place());
  auto file = NACRE_TRY(file_system_.open(segment_path(id), domain_->open_options()));
  // A copy of a log may have holes. Room is made for them before anything is written, where it is
  // `no_space`; a store into a hole on a full disk would be a SIGBUS.
  if (content == pmem::MapContent::kKeep) NACRE_TRY(file->preallocate(0, bytes));
  return domain_->map(std::move(file), bytes, content);
}

Result<std::shared_ptr<const FileView>> SegmentPool::view_file(SegmentId id, ViewAccess access) {
  return FileView::open(file_system_, segment_path(id), options_.segment_bytes, access);
}

Status SegmentPool::sync_file(SegmentId id) {
  auto file = NACRE_TRY(file_system_.open(segment_path(id), {.writable = true}));
  return file->sync_data();
}

bool SegmentPool::survives_power_loss() const noexcept {
  return domain_ == nullptr || domain_->info().survives_power_loss;
}

void SegmentPool::give_back(const SegmentState& state, std::size_t slot, bool settled,
                            std::shared_ptr<pmem::Region> region) {
  {
    MutexLock lock(mutex_);
    if (free_.size() < kMaxFreeSegments) {
      free_.push_back(
          {.state = state, .slot = slot, .settled = settled, .region = std::move(region)});
      return;
    }
  }
  if (!check_place()) return;
  // A free segment holds nothing, so a removal that fails or is undone by a crash costs only space.
  static_cast<void>(file_system_.remove(segment_path(state.id)));
}

SegmentId SegmentPool::next_id() {
  MutexLock lock(mutex_);
  return SegmentId{++last_id_};
}

Result<SegmentPool::FreeSegment> SegmentPool::create() {
  NACRE_TRY(check_place());
  SegmentState state;
  state.log_uuid = options_.log_uuid;
  state.id = next_id();
  state.segment_bytes = options_.segment_bytes;
  state.sequence = 1;
  state.use = SegmentUse::kFree;
  const std::filesystem::path path = segment_path(state.id);
  std::filesystem::path temporary = path;
  temporary += kTemporarySuffix;
  if (Status filled = fill(temporary, state); !filled) {
    // On a full disk the half-made file must not keep the little space there is.
    static_cast<void>(file_system_.remove(temporary));
    return filled.error();
  }
  NACRE_TRY(file_system_.rename(temporary, path));
  // The name must be durable before the content counts: a lane's header may point to this file.
  NACRE_TRY(file_system_.sync_directory(options_.directory));
  return FreeSegment{.state = state, .slot = 0, .settled = true, .region = nullptr};
}

Status SegmentPool::fill(const std::filesystem::path& path, const SegmentState& state) {
  auto file = NACRE_TRY(file_system_.open(
      path, {.writable = true, .create = true, .direct = domain_->open_options().direct}));
  NACRE_TRY(file->preallocate(0, options_.segment_bytes));
  AlignedBuffer buffer(std::min<std::size_t>(kFillBytes, options_.segment_bytes));
  // The first commit to a block that was never written would have to journal that it is now. Where
  // no commit reaches the media, it is enough that there is room.
  const std::uint64_t filled = survives_power_loss() ? options_.segment_bytes : 0;
  for (std::uint64_t offset = 0; offset < filled;) {
    const std::size_t bytes =
        std::min<std::uint64_t>(buffer.span().size(), options_.segment_bytes - offset);
    NACRE_TRY(file->write_at(offset, buffer.span().first(bytes)));
    offset += bytes;
  }
  const SegmentSlot slot = encode_segment_slot(state);
  std::memcpy(buffer.span().data(), &slot, sizeof slot);
  NACRE_TRY(file->write_at(0, buffer.span().first(kSegmentSlotBytes)));
  // Size, extents and header must be durable before the name is.
  return file->sync();
}

}  // namespace nacre
