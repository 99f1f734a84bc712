#pragma once

// What every IoBackend does for reads that get their buffer from a group: instantiate
// IoBufferGroupContract as IoBackendContract, and list both contracts among the sources of the
// test.

#include <algorithm>
#include <cstddef>
#include <memory>
#include <string>
#include <string_view>

#include "tests/lib/io/io_backend_contract.h"
#include "tests/support/aligned_bytes.h"

namespace nacre::test {

class IoBufferGroupContract : public IoBackendContract {
 protected:
  /// A group with memory of its own.
  class Lender;

  /// A file of `blocks` blocks of random content.
  IoFile& create_filled(std::string_view name, std::size_t blocks);
  std::string content(std::size_t offset, std::size_t bytes) const {
    offset = std::min(offset, content_->span().size());
    const std::size_t filled = std::min(bytes, content_->span().size() - offset);
    std::string text(reinterpret_cast<const char*>(content_->span().data()) + offset, filled);
    // Behind it a namespace goes on, with zeros.
    if (on_namespace()) text.resize(bytes);
    return text;
  }
  std::unique_ptr<File> open(std::string_view name);
  /// No buffer is lost: all of them can be had at once, and hold what was read.
  void expect_all_there(Lender& lender, const IoFile& file);

  std::unique_ptr<AlignedBytes> content_;
};

}  // namespace nacre::test
