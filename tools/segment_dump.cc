#include "tools/segment_dump.h"

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <cstring>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "lib/base/try.h"
#include "lib/codec/json_writer.h"
#include "lib/io/absolute_path.h"
#include "lib/log/message_format.h"
#include "lib/store/write_log.h"
#include "mmap/segment_format.h"
#include "mmap/superblock.h"
#include "tools/output.h"
#include "tools/progress.h"
#include "tools/store_text.h"
#include "tools/table.h"
#include "tools/text.h"
#include "wal/inspect.h"

namespace nacre::tools {
namespace {

constexpr std::string_view kSegmentSuffix = ".seg";
constexpr std::size_t kNarrowestPreview = 16;
constexpr std::string_view kFrameFormat = "{:>10}  {:<6}  {:>10}  {:>4}  {:>8}  {:>10}  {}\n";
constexpr std::size_t kColumnsBeforePreview = 10 + 6 + 10 + 4 + 8 + 10 + 6 * 2;

std::string_view kind_name(wal::FrameKind kind) {
  switch (kind) {
    case wal::FrameKind::kData:
      return "data";
    case wal::FrameKind::kBatch:
      return "batch";
    case wal::FrameKind::kPad:
      return "pad";
    case wal::FrameKind::kResume:
      return "resume";
  }
  return "unknown";
}

std::string_view condition_name(SlotCondition condition) {
  switch (condition) {
    case SlotCondition::kValid:
      return "valid";
    case SlotCondition::kBlank:
      return "blank";
    case SlotCondition::kDamaged:
      return "damaged";
    case SlotCondition::kNewer:
      return "newer";
  }
  return "unknown";
}

std::string_view fault_text(wal::FrameFault fault, bool stated) {
  switch (fault) {
    case wal::FrameFault::kNone:
    case wal::FrameFault::kEnd:
      return stated ? "as the header says" : "the segment is full";
    case wal::FrameFault::kLength:
      return "what follows is no frame";
    case wal::FrameFault::kChecksum:
      return "the next checksum does not match";
    case wal::FrameFault::kOrder:
      return "the next frame is older than the one before it";
    case wal::FrameFault::kBatch:
      return "the next frame is a batch that does not add up";
  }
  return "unknown";
}

bool is_stated(const SegmentState& state) {
  return state.use == SegmentUse::kSealed || state.closed_cleanly;
}

bool is_damaged(const wal::SegmentInspection& inspection) {
  const SegmentState& state = inspection.header.state;
  if (inspection.file_bytes != state.segment_bytes || inspection.tail.proves_rot) return true;
  if (state.use == SegmentUse::kFree || !is_stated(state)) return false;
  return inspection.scan.last != state.end_lsn;
}

// What the payloads are is written in the directory above, if it is there.
std::optional<LogKind> kind_of_log(FileSystem& file_system, const std::filesystem::path& path) {
  const auto whole = absolute_path(path);
  if (!whole) return {};
  const auto superblock = read_superblock(file_system, whole->parent_path().parent_path());
  if (!superblock) return {};
  return superblock->kind;
}

/// Turns a payload into text.
using PayloadText = std::string (*)(Lsn lsn, Bytes payload);

std::string message_text(Lsn lsn, Bytes payload) {
  const auto message = decode_message(lsn, payload);
  if (!message) return "(not a message)";
  if (message->key.empty()) return std::string(as_text(message->value));
  return fmt::format("{}: {}", as_text(message->key), as_text(message->value));
}

PayloadText payload_text(std::optional<LogKind> kind, std::uint32_t lane) {
  if (kind == LogKind::kMessageLog) return message_text;
  if (kind != LogKind::kStore)
    return [](Lsn, Bytes payload) { return std::string(as_text(payload)); };
  if (lane == store::kManifestLane) {
    return [](Lsn, Bytes record) { return manifest_record_text(record); };
  }
  return [](Lsn, Bytes record) { return store_writes_text(record); };
}

std::string preview(const wal::FrameRead& frame, PayloadText text, std::size_t columns) {
  Bytes payload = frame.payload;
  if (frame.records == 0) return {};
  if (frame.kind == wal::FrameKind::kBatch) {
    payload = wal::read_batch_entry(payload, sizeof(wal::BatchHeader)).payload;
  }
  return printable(as_bytes(text(frame.first, payload)), columns);
}

std::string frame_line(const wal::FrameRead& frame, PayloadText text, std::size_t columns) {
  const bool known = frame.durable_distance != wal::kUnknownDistance;
  const std::string durable =
      known ? fmt::format("{}", frame.first.value - frame.durable_distance) : "unknown";
  return fmt::format(kFrameFormat, frame.offset, kind_name(frame.kind), frame.first.value,
                     frame.records, frame.payload.size(), durable, preview(frame, text, columns));
}

std::string frame_json(const wal::FrameRead& frame) {
  JsonWriter json;
  json.begin_object()
      .field("offset", frame.offset)
      .field("kind", kind_name(frame.kind))
      .field("lsn", frame.first.value)
      .field("records", frame.records)
      .field("tag", frame.tag)
      .field("payload_bytes", frame.payload.size());
  if (frame.durable_distance != wal::kUnknownDistance) {
    json.field("durable_lsn", frame.first.value - frame.durable_distance);
  }
  return json.end_object().text() + "\n";
}

std::string use_text(const SegmentState& state) {
  std::string text(segment_use_name(state.use));
  if (state.closed_cleanly) text += ", closed cleanly";
  return text;
}

std::string header_text(const wal::SegmentInspection& inspection, const std::string& path) {
  const SegmentState& state = inspection.header.state;
  Facts facts;
  facts.add("segment", fmt::format("{}, number {}", path, state.id.value));
  facts.add("of log", state.log_uuid.to_string());
  facts.add("size", fmt::format("{} bytes; its header says {}", format_count(inspection.file_bytes),
                                format_count(state.segment_bytes)));
  facts.add("use", fmt::format("{}, generation {}", use_text(state), state.generation));
  if (state.use != SegmentUse::kFree) {
    facts.add("lane", fmt::format("{}, segment {} of it (the lane needs those from {})", state.lane,
                                  state.lane_sequence, state.first_lane_sequence));
    facts.add("LSNs from", fmt::format("{}", state.base_lsn.value));
  }
  if (is_stated(state)) {
    facts.add("ends", fmt::format("at offset {} with LSN {}, says the header", state.end_offset,
                                  state.end_lsn.value));
  }
  if (state.use == SegmentUse::kSealed) {
    facts.add("goes on in", fmt::format("segment {}", state.next.value));
  }
  Table table({{.title = "SLOT"},
               {.title = "CONDITION"},
               {.title = "SEQUENCE", .align = Align::kRight},
               {.title = "USE"},
               {.title = ""}});
  for (std::size_t i = 0; i < inspection.slots.size(); ++i) {
    const DecodedSlot& slot = inspection.slots[i];
    const bool valid = slot.condition == SlotCondition::kValid;
    table.add_row({fmt::format("{}", i), std::string(condition_name(slot.condition)),
                   valid ? fmt::format("{}", slot.state.sequence) : "-",
                   valid ? use_text(slot.state) : "-",
                   i == inspection.header.slot ? "counts" : ""});
  }
  return facts.render() + "\n" + table.render();
}

std::string end_text(const wal::SegmentInspection& inspection) {
  const wal::SegmentScan& scan = inspection.scan;
  const wal::TailSearch& tail = inspection.tail;
  std::string text =
      fmt::format("{} {} with good checksums.\nFrames end at offset {}: {}.\n",
                  format_count(scan.records), plural(scan.records, "record"), scan.end,
                  fault_text(scan.fault, is_stated(inspection.header.state)));
  if (tail.proves_rot) {
    text += fmt::format(
        "DAMAGED: the frame at offset {} proves that what is missing before it was "
        "durable.\n",
        tail.proof_offset);
  } else if (tail.frames > 0) {
    text += fmt::format("Behind it {} {} ({}) of a torn tail, which was never acknowledged.\n",
                        format_count(tail.frames), plural(tail.frames, "frame"),
                        format_bytes(tail.bytes));
  } else if (is_damaged(inspection)) {
    text += "DAMAGED: this is not what the header says.\n";
  }
  return text;
}

std::string header_json(const wal::SegmentInspection& inspection) {
  const SegmentState& state = inspection.header.state;
  JsonWriter json;
  json.begin_object()
      .field("file", "segment")
      .field("uuid", state.log_uuid.to_string())
      .field("segment", state.id.value)
      .field("file_bytes", inspection.file_bytes)
      .field("segment_bytes", state.segment_bytes)
      .field("generation", state.generation)
      .field("use", segment_use_name(state.use))
      .field("closed_cleanly", state.closed_cleanly)
      .field("lane", state.lane)
      .field("lane_sequence", state.lane_sequence)
      .field("base_lsn", state.base_lsn.value)
      .field("records", inspection.scan.records)
      .field("frames_end", inspection.scan.end)
      .field("last_lsn", inspection.scan.last.value)
      .field("torn_frames", inspection.tail.frames)
      .field("damaged", is_damaged(inspection));
  json.key("slots").begin_array();
  for (const DecodedSlot& slot : inspection.slots) json.value(condition_name(slot.condition));
  json.end_array();
  return json.end_object().text() + "\n";
}

std::string frame_titles() {
  return fmt::format(kFrameFormat, "OFFSET", "KIND", "LSN", "RECS", "BYTES", "DURABLE TO",
                     "BEGINS");
}

}  // namespace

Result<bool> looks_like_segment(FileSystem& file_system, const std::filesystem::path& path) {
  if (path.extension() == kSegmentSuffix) return true;
  const auto file = NACRE_TRY(file_system.open(path, {}));
  for (const std::uint64_t offset : {std::size_t{0}, kSegmentSlotBytes}) {
    std::array<char, kSegmentMagic.size()> magic{};
    const std::size_t count =
        NACRE_TRY(file->read_at(offset, std::as_writable_bytes(std::span(magic))));
    if (count == magic.size() && magic == kSegmentMagic) return true;
  }
  return false;
}

Result<ExitCode> dump_segment(FileSystem& file_system, const std::filesystem::path& path,
                              const SegmentDumpOptions& options) {
  // Once for the header and the end, which stand above the frames, and once for the frames: they
  // can be too many to keep.
  const wal::SegmentInspection inspection = NACRE_TRY(
      wal::inspect_segment(file_system, path, [](const wal::FrameRead&) { return false; }));
  OutputBuffer output(STDOUT_FILENO);
  NACRE_TRY(output.write(options.json ? header_json(inspection)
                                      : header_text(inspection, path.string()) + "\n" +
                                            end_text(inspection)));
  if (!options.json && inspection.scan.records > 0 && options.count > 0) {
    NACRE_TRY(output.write("\n" + frame_titles()));
  }
  const PayloadText text =
      payload_text(kind_of_log(file_system, path), inspection.header.state.lane);
  const std::size_t width = terminal_width(STDOUT_FILENO);
  const std::size_t columns =
      std::max(kNarrowestPreview, width - std::min(width, kColumnsBeforePreview));
  Status written;
  std::uint64_t left = options.count;
  NACRE_TRY(wal::inspect_segment(file_system, path, [&](const wal::FrameRead& frame) {
    if (left-- == 0) return false;
    written = output.write(options.json ? frame_json(frame) : frame_line(frame, text, columns));
    return written.has_value();
  }));
  NACRE_TRY(std::move(written));
  NACRE_TRY(output.flush());
  return is_damaged(inspection) ? ExitCode::kDamaged : ExitCode::kOk;
}

}  // namespace nacre::tools
