#pragma once

// A file of a FaultFileSystem.
//
// Thread safety: as File.

#include <memory>
#include <utility>

#include "emulation/fault_context.h"
#include "nacre/file_system.h"

namespace nacre {

class FaultFile final : public File {
 public:
  /// Lifetime: `context` outlives the file.
  FaultFile(FaultContext& context, std::unique_ptr<File> inner, const OpenOptions& options)
      : context_(context), inner_(std::move(inner)), options_(options) {}

  Result<std::size_t> read_at(std::uint64_t offset, std::span<std::byte> buffer) override;
  Status write_at(std::uint64_t offset, Bytes bytes) override;
  Status preallocate(std::uint64_t offset, std::uint64_t bytes) override;
  Status resize(std::uint64_t bytes) override;
  Status sync_data() override;
  Status sync() override;
  Result<std::uint64_t> size() override;
  Status lock_exclusive() override;
  const std::filesystem::path& path() const noexcept override { return inner_->path(); }
  int native_handle() const noexcept override;

  const FaultContext& context() const noexcept { return context_; }
  File& inner() const noexcept { return *inner_; }
  const OpenOptions& options() const noexcept { return options_; }

 private:
  FileEvent event(FileOperation operation, std::uint64_t offset = 0, std::uint64_t bytes = 0) const;
  Result<std::size_t> read_rotten(std::uint64_t offset, std::span<std::byte> buffer,
                                  const std::optional<Fault>& fault);
  Status write_struck(const FileEvent& write, Bytes bytes, const Fault& fault);
  Status write_within(const FileEvent& write, Bytes bytes, std::uint64_t end_limit);
  Status write_prefix(std::uint64_t offset, Bytes prefix);
  Status write_and_heal(std::uint64_t offset, Bytes bytes);
  template <class Change>
  Status change_size(Change change);
  template <class Sync>
  Status sync_struck(FileOperation operation, Sync sync);

  FaultContext& context_;
  std::unique_ptr<File> inner_;
  OpenOptions options_;
};

}  // namespace nacre
