#pragma once

// One request on its way through the plan and through the backend below: what is asked of that
// backend, piece by piece, and what its answers come to.
//
// The caller's request is never changed: pieces borrow from its buffers.
//
// Thread safety: one thread at a time.

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>

#include "emulation/fault_context.h"
#include "emulation/fault_effects.h"
#include "nacre/io.h"

namespace nacre {

/// A file as a FaultDevice knows it.
struct FaultDeviceFile {
  FaultDeviceFile(IoBackend& below, File& the_file, std::optional<OpenOptions> opened_with)
      : file(the_file), below_file(below, the_file), options(opened_with) {}

  const File* known = nullptr;  ///< As its owner has it.
  File& file;                   ///< Below the FaultFileSystem.
  IoFile below_file;
  std::optional<OpenOptions> options;  ///< Unknown for files of others than the FaultFileSystem.
};

class FaultStep {
 public:
  /// Has the plan decide about `asked`; `file` is the one it names, if any. Calls the plan's hook.
  void begin(FaultContext& context, IoOperation& asked, FaultDeviceFile* file);

  /// Whether the plan holds it back for now.
  bool stuck() const noexcept { return fault_ && fault_->effect == FaultEffect::kStuck; }
  /// How the plan delays it, if it does.
  const Fault* slow() const noexcept {
    return fault_ && fault_->effect == FaultEffect::kSlow ? &*fault_ : nullptr;
  }
  /// Whether its growth is counted, so that no other such step may run beside it.
  bool needs_room() const noexcept { return counts_space_ && !ended_; }

  /// What the backend below has to do next; null when nothing is left. `split`, if any, draws the
  /// pieces.
  IoOperation* next_piece(SeededRandom* split);
  /// The last piece has come back.
  void take_piece();
  /// Does no more of it: it was cancelled.
  void abandon();
  /// Everything has come back: fills in the outcome, and tells the plan.
  void finish();

 private:
  const IoRequest& request() const noexcept { return asked_->request; }
  bool transfers() const noexcept;
  bool direct() const noexcept;
  bool durable() const noexcept;
  bool may_be_cut() const noexcept;
  void end_with(Status outcome);
  void find_room();
  Status measure_room();
  void limit_write(std::uint64_t bytes, int sys_errno);
  void strike_write();
  void fill_piece(std::uint64_t bytes);
  IoOperation* transfer_piece(SeededRandom* split);
  Status merge_torn_block();
  Status prepare_write(std::uint64_t offset, std::uint64_t bytes);
  void keep_lent_buffer();
  void take_written(std::uint64_t offset, std::uint64_t bytes);
  void find_replaced();
  Status count_growth();
  void take_success();
  void spoil_read();
  void name_has_gone(const std::filesystem::path& path);

  struct alignas(kFaultBlock) Block {
    std::byte bytes[kFaultBlock];
  };

  FaultContext* context_ = nullptr;
  IoOperation* asked_ = nullptr;
  FaultDeviceFile* file_ = nullptr;
  bool planned_ = false;  // The plan knows of it.
  FileEvent event_;
  std::optional<Fault> fault_;
  bool ended_ = false;  // Its outcome stands.
  Status outcome_;

  IoOperation piece_;
  std::uint64_t goal_ = 0;      // Of a transfer: so many bytes of the caller's buffers.
  bool lent_ = false;           // The buffer was lent by the backend below.
  std::uint64_t done_ = 0;      // So many of them have been transferred.
  std::int64_t shift_ = 0;      // A misdirected write lands so far away.
  std::uint64_t torn_ = 0;      // So many bytes more of a block that is written torn.
  int errno_at_end_ = 0;        // What a cut-off write fails with.
  bool one_piece_left_ = true;  // Of what is not a transfer.
  std::unique_ptr<Block> torn_block_;

  bool counts_space_ = false;
  bool measured_ = false;
  std::uint64_t bytes_before_ = 0;  // The size of the file, or of the one that is replaced.
};

}  // namespace nacre
