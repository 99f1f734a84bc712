#include "lib/store/table_sink.h"

#include <algorithm>
#include <cstring>
#include <new>
#include <utility>

#include "lib/base/try.h"

namespace nacre::store {
namespace {

constexpr std::align_val_t kBufferAlignment{4096};

}  // namespace

TableSink::TableSink(std::unique_ptr<File> file)
    : file_(std::move(file)),
      buffer_(static_cast<std::byte*>(::operator new(kBufferBytes, kBufferAlignment))) {}

TableSink::~TableSink() { ::operator delete(buffer_, kBufferAlignment); }

Result<std::unique_ptr<TableSink>> TableSink::create(FileSystem& file_system,
                                                     const std::filesystem::path& path) {
  auto file = NACRE_TRY(file_system.open(path, {.writable = true, .create = true}));
  // What a crash left under this name is nobody's.
  NACRE_TRY(file->resize(0));
  return std::unique_ptr<TableSink>(new TableSink(std::move(file)));
}

void TableSink::check_blocks() {
  for (std::size_t at = 0; at < used_; at += kTableBlockBytes) {
    block_crcs_.push_back(table_crc({buffer_ + at, std::min(kTableBlockBytes, used_ - at)}));
  }
}

Status TableSink::write_out() {
  if (used_ == 0) return {};
  if (in_data_) check_blocks();
  NACRE_TRY(file_->write_at(written_, {buffer_, used_}));
  written_ += used_;
  used_ = 0;
  return {};
}

Status TableSink::append(Bytes bytes) {
  while (!bytes.empty()) {
    if (used_ == kBufferBytes) NACRE_TRY(write_out());
    const std::size_t part = std::min(bytes.size(), kBufferBytes - used_);
    std::memcpy(buffer_ + used_, bytes.data(), part);
    used_ += part;
    bytes = bytes.subspan(part);
  }
  return {};
}

Status TableSink::pad_to(std::size_t alignment) {
  constexpr std::array<std::byte, kTableAlignment> kZeros{};
  const std::size_t beyond = offset() % alignment;
  return beyond == 0 ? Status() : append(Bytes(kZeros).first(alignment - beyond));
}

Result<std::vector<le32>> TableSink::end_data() {
  NACRE_TRY(pad_to(kTableAlignment));
  // What comes next follows in the same buffer, so that every write begins at a multiple of 4096.
  check_blocks();
  in_data_ = false;
  return std::move(block_crcs_);
}

Result<TableArea> TableSink::append_area(Bytes content) {
  constexpr std::array<std::byte, kTableAlignment> kZeros{};
  const std::uint64_t begin = offset();
  NACRE_TRY(append(content));
  NACRE_TRY(pad_to(kTableAlignment));
  TableArea area{};
  area.offset = begin;
  area.bytes = offset() - begin;
  area.crc = ~crc32c(crc32c(~0U, content), Bytes(kZeros).first(area.bytes - content.size()));
  return area;
}

Status TableSink::finish(const TableHeader& header) {
  NACRE_TRY(write_out());
  NACRE_TRY(file_->write_at(0, encode_table_header(header)));
  return file_->sync();
}

}  // namespace nacre::store
