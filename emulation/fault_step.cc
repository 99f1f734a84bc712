#include "emulation/fault_step.h"

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <utility>

#include "lib/base/try.h"
#include "lib/io/io_errors.h"
#include "lib/io/lent_buffer.h"

namespace nacre {
namespace {

std::optional<FileOperation> operation_of(IoKind kind) noexcept {
  switch (kind) {
    case IoKind::kRead:
      return FileOperation::kRead;
    case IoKind::kWrite:
      return FileOperation::kWrite;
    case IoKind::kSync:
      return FileOperation::kSync;
    case IoKind::kSyncData:
      return FileOperation::kSyncData;
    case IoKind::kAllocate:
      return FileOperation::kPreallocate;
    case IoKind::kTruncate:
      return FileOperation::kResize;
    case IoKind::kAdvise:
      return std::nullopt;
    case IoKind::kRename:
      return FileOperation::kRename;
    case IoKind::kRemove:
      return FileOperation::kRemove;
    case IoKind::kSyncDirectory:
      return FileOperation::kSyncDirectory;
  }
  return std::nullopt;
}

FileEvent event_of(const IoRequest& request, FileOperation operation) {
  FileEvent event{.operation = operation, .path = request.path, .target = request.target};
  if (request.file == nullptr) return event;
  event.path = request.file->file().path();
  event.offset = request.offset;
  event.bytes = request.buffers.empty() ? request.bytes : request.buffer_bytes();
  return event;
}

bool changes_size(IoKind kind) noexcept {
  return kind == IoKind::kWrite || kind == IoKind::kAllocate || kind == IoKind::kTruncate;
}

/// The part [from, from + bytes) of what `buffers` hold together.
std::vector<IoBuffer> part_of(const std::vector<IoBuffer>& buffers, std::uint64_t from,
                              std::uint64_t bytes) {
  std::vector<IoBuffer> part;
  for (const IoBuffer& buffer : buffers) {
    if (from >= buffer.size()) {
      from -= buffer.size();
      continue;
    }
    const std::size_t taken = std::min<std::uint64_t>(buffer.size() - from, bytes);
    if (taken > 0) {
      part.push_back(IoBuffer::borrow(buffer.bytes().subspan(from, taken), buffer.slot()));
    }
    from = 0;
    bytes -= taken;
  }
  return part;
}

}  // namespace

bool FaultStep::transfers() const noexcept {
  return request().kind == IoKind::kRead || request().kind == IoKind::kWrite;
}

/// Whether it may only be cut between blocks. A file nobody has told us about may be O_DIRECT.
bool FaultStep::direct() const noexcept {
  if (file_ != nullptr && file_->options.has_value()) return file_->options->direct;
  return request().offset % kFaultBlock == 0 && request().transfer_bytes() % kFaultBlock == 0;
}

bool FaultStep::durable() const noexcept {
  return request().durable || (file_->options.has_value() && file_->options->data_sync);
}

/// Whatever is refused for its alignment is refused whole.
bool FaultStep::may_be_cut() const noexcept {
  return direct() ? request().offset % kFaultBlock == 0 && goal_ % kFaultBlock == 0
                  : file_->options.has_value();
}

void FaultStep::end_with(Status outcome) {
  ended_ = true;
  outcome_ = std::move(outcome);
}

void FaultStep::begin(FaultContext& context, IoOperation& asked, FaultDeviceFile* file) {
  context_ = &context;
  asked_ = &asked;
  file_ = file;
  fault_.reset();
  planned_ = ended_ = counts_space_ = measured_ = false;
  outcome_ = {};
  goal_ = done_ = torn_ = bytes_before_ = 0;
  shift_ = 0;
  errno_at_end_ = 0;
  one_piece_left_ = true;
  lent_ = false;
  if (Status sound = check_request(request()); !sound) return end_with(std::move(sound));
  const std::optional<FileOperation> operation = operation_of(request().kind);
  if (!operation) return;

  planned_ = true;
  event_ = event_of(request(), *operation);
  if (file_ != nullptr) {
    event_.options = file_->options.value_or(OpenOptions{.writable = true});
    event_.options.data_sync = durable();
  }
  fault_ = context.plan.begin(event_);
  goal_ = request().transfer_bytes();
  counts_space_ = context.space.limited() && changes_size(request().kind);
  const int sys_errno = context.errno_instead(event_, fault_);
  event_.injected = fault_.has_value() || sys_errno != 0;
  if (sys_errno != 0) return end_with(FaultContext::error_of(event_, sys_errno));
  if (!strikes_data(fault_)) return;
  if (fault_->effect == FaultEffect::kSkip) {
    done_ = goal_;
    end_with({});
  } else if (request().kind == IoKind::kWrite) {
    strike_write();
  } else if (fault_->effect == FaultEffect::kLostUnsynced) {
    end_with(context.lose_unsynced(file_->file, event_, *fault_));
  }
}

void FaultStep::strike_write() {
  if (fault_->effect == FaultEffect::kMisdirectedWrite) {
    shift_ = static_cast<std::int64_t>(moved(request().offset, fault_->misdirect_bytes)) -
             static_cast<std::int64_t>(request().offset);
  } else {
    limit_write(fault_->torn_bytes, fault_->sys_errno);
  }
}

/// Only the first `bytes` arrive, and then it fails with `sys_errno`, unless that is 0.
void FaultStep::limit_write(std::uint64_t bytes, int sys_errno) {
  goal_ = std::min(bytes, goal_);
  torn_ = direct() ? goal_ % kFaultBlock : 0;
  goal_ -= torn_;
  errno_at_end_ = sys_errno;
}

/// Before the first piece of what may grow the file.
void FaultStep::find_room() {
  measured_ = true;
  if (Status measured = measure_room(); !measured) end_with(std::move(measured));
}

Status FaultStep::measure_room() {
  bytes_before_ = NACRE_TRY(file_->file.size());
  std::uint64_t end_limit = 0;
  {
    MutexLock lock(context_->space.mutex);
    end_limit = saturating_sum(bytes_before_, context_->space.available());
  }
  const bool truncates = request().kind == IoKind::kTruncate;
  const std::uint64_t from = truncates ? 0 : request().offset;
  const std::uint64_t bytes = truncates                          ? request().offset
                              : request().kind == IoKind::kWrite ? goal_
                                                                 : request().bytes;
  const std::uint64_t room = room_for(from, bytes, end_limit);
  if (room == bytes) return {};
  if (request().kind != IoKind::kWrite) return FaultContext::error_of(event_, ENOSPC);
  // A struck write is not held to what is left, as in a FaultFile.
  if (strikes_data(fault_)) return {};
  limit_write(direct() ? room - room % kFaultBlock : room, ENOSPC);
  return {};
}

IoOperation* FaultStep::next_piece(SeededRandom* split) {
  if (!ended_ && counts_space_ && !measured_) find_room();
  if (ended_) return nullptr;
  if (transfers()) return transfer_piece(split);
  if (!std::exchange(one_piece_left_, false)) return nullptr;
  if (request().kind == IoKind::kRename || request().kind == IoKind::kRemove) find_replaced();
  fill_piece(0);
  return &piece_;
}

IoOperation* FaultStep::transfer_piece(SeededRandom* split) {
  if (done_ == goal_ && torn_ > 0) {
    if (Status merged = merge_torn_block(); !merged) return end_with(std::move(merged)), nullptr;
    return &piece_;
  }
  // A transfer of nothing is still asked for: it may be refused.
  const bool nothing = goal_ == 0 && errno_at_end_ == 0 && !strikes_data(fault_);
  if (done_ == goal_ && !(nothing && std::exchange(one_piece_left_, false))) return nullptr;
  std::uint64_t bytes = goal_ - done_;
  if (split != nullptr && may_be_cut()) {
    const std::uint64_t unit = direct() ? kFaultBlock : 1;
    // The first piece is never all of it.
    const std::uint64_t units = bytes / unit - (done_ == 0 ? 1 : 0);
    if (units > 0) bytes = unit * (1 + uniform_below(*split, units));
  }
  if (Status ready = prepare_write(request().offset + done_, bytes); !ready) {
    return end_with(std::move(ready)), nullptr;
  }
  fill_piece(bytes);
  return &piece_;
}

void FaultStep::fill_piece(std::uint64_t bytes) {
  IoRequest& piece = piece_.request;
  piece.kind = request().kind;
  piece.io_class = request().io_class;
  piece.durable = request().durable;
  piece.advice = request().advice;
  piece.file = file_ == nullptr ? nullptr : &file_->below_file;
  piece.offset = request().offset;
  piece.bytes = request().bytes;
  piece.path = request().path;
  piece.target = request().target;
  piece.timeout_ns = request().timeout_ns;
  piece.buffers.clear();
  if (transfers()) {
    piece.offset = moved(request().offset + done_, shift_);
    piece.buffers = part_of(request().buffers, done_, bytes);
  }
  piece.group = request().wants_buffer() ? request().group : nullptr;
  if (piece.group != nullptr) piece.bytes = bytes;
  piece_.next_in_chain = nullptr;
  piece_.outcome = {};
  piece_.transferred = 0;
}

/// O_DIRECT takes whole blocks only, but a tear may lie within one: that block is merged from the
/// new bytes and what is there.
Status FaultStep::merge_torn_block() {
  if (torn_block_ == nullptr) torn_block_ = std::make_unique<Block>();
  const std::span<std::byte> block(torn_block_->bytes);
  std::ranges::fill(block, std::byte{0});
  static_cast<void>(NACRE_TRY(file_->file.read_at(request().offset + goal_, block)));
  std::byte* to = block.data();
  for (const IoBuffer& part : part_of(request().buffers, goal_, torn_)) {
    std::memcpy(to, part.data(), part.size());
    to += part.size();
  }
  NACRE_TRY(prepare_write(request().offset + goal_, block.size()));
  fill_piece(0);
  piece_.request.buffers.push_back(IoBuffer::borrow(block));
  torn_ = 0;
  return {};
}

Status FaultStep::prepare_write(std::uint64_t offset, std::uint64_t bytes) {
  if (request().kind != IoKind::kWrite || durable()) return {};
  if (!context_->plan.plans(FaultEffect::kLostUnsynced)) return {};
  return context_->unsynced.remember(file_->file, moved(offset, shift_), bytes);
}

void FaultStep::take_piece() {
  if (!piece_.outcome) {
    Status failed = std::move(piece_.outcome);
    // Whoever meant another place is told of that place.
    if (shift_ != 0) failed = std::move(failed).error().with_offset(request().offset + done_);
    return end_with(std::move(failed));
  }
  if (!transfers()) return;
  const bool from_group = piece_.request.group != nullptr;
  const std::uint64_t asked = from_group ? piece_.request.bytes : piece_.request.buffer_bytes();
  if (from_group) keep_lent_buffer();
  if (request().kind == IoKind::kWrite) take_written(piece_.request.offset, asked);
  done_ = std::min(done_ + piece_.transferred, goal_);
  if (piece_.transferred < asked) goal_ = done_;
}

/// The pieces that follow, if any, go into what is left of it.
void FaultStep::keep_lent_buffer() {
  lent_ = true;
  asked_->request.buffers = std::move(piece_.request.buffers);
  asked_->request.buffers.front().set_size(goal_);
}

void FaultStep::take_written(std::uint64_t offset, std::uint64_t bytes) {
  context_->rot.heal(file_->file.path(), offset, bytes);
  if (!durable() || !context_->plan.plans(FaultEffect::kLostUnsynced)) return;
  Status settled = context_->unsynced.settle(file_->file, offset, bytes);
  if (!settled) end_with(std::move(settled));
}

void FaultStep::abandon() { end_with(cancelled_by_caller(request())); }

void FaultStep::finish() {
  if (!ended_ && errno_at_end_ != 0) end_with(FaultContext::error_of(event_, errno_at_end_));
  if (measured_) {
    Status counted = count_growth();
    if (outcome_) outcome_ = std::move(counted);
  }
  if (outcome_ && !one_piece_left_) take_success();
  if (outcome_ && request().kind == IoKind::kRead) spoil_read();
  asked_->outcome = std::move(outcome_);
  asked_->transferred = 0;
  if (asked_->outcome && transfers()) {
    // A write says what it was asked for, whatever has become of it.
    asked_->transferred = request().kind == IoKind::kRead ? done_ : request().buffer_bytes();
  }
  if (lent_) settle_lent_buffer(*asked_);
  piece_.request.buffers.clear();
  if (!planned_) return;
  event_.error.reset();
  if (!asked_->outcome) event_.error = asked_->outcome.error().code();
  context_->plan.end(std::move(event_));
}

Status FaultStep::count_growth() {
  const std::uint64_t after = NACRE_TRY(file_->file.size());
  SpaceBudget& space = context_->space;
  MutexLock lock(space.mutex);
  if (after < bytes_before_) space.give_back(bytes_before_ - after);
  // What a misdirected write grows was not checked beforehand.
  if (after > bytes_before_) {
    space.take(std::min(after - bytes_before_, space.available()));
  }
  return {};
}

/// How much room a file gives back whose name goes.
void FaultStep::find_replaced() {
  if (!context_->space.limited()) return;
  const bool renames = request().kind == IoKind::kRename;
  const Result<FileStat> found = context_->inner.stat(renames ? request().target : request().path);
  if (found && !found->is_directory) bytes_before_ = found->bytes;
}

/// What has become of a file or a name, told to those who keep book of it.
void FaultStep::take_success() {
  switch (request().kind) {
    case IoKind::kSync:
    case IoKind::kSyncData:
      return context_->unsynced.forget(file_->file.path());
    case IoKind::kRename:
      context_->rot.rename(request().path, request().target);
      context_->unsynced.forget(request().path);
      return name_has_gone(request().target);
    case IoKind::kRemove:
      context_->rot.remove(request().path);
      return name_has_gone(request().path);
    default:
      return;
  }
}

void FaultStep::name_has_gone(const std::filesystem::path& path) {
  context_->unsynced.forget(path);
  if (!context_->space.limited()) return;
  MutexLock lock(context_->space.mutex);
  context_->space.give_back(bytes_before_);
}

void FaultStep::spoil_read() {
  const std::filesystem::path& path = file_->file.path();
  if (fault_ && fault_->effect == FaultEffect::kFlippedBit && done_ > 0) {
    const FlippedBit bit = flipped_bit(context_->plan.seed(), request().offset, done_);
    context_->rot.strike(path, bit.offset, bit.mask);
  }
  std::uint64_t offset = request().offset;
  for (const IoBuffer& part : part_of(request().buffers, 0, done_)) {
    context_->rot.apply(path, offset, part.bytes());
    offset += part.size();
  }
}

}  // namespace nacre
