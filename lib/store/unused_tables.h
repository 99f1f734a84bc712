#pragma once

// The files of tables that the manifest has ceased to name. They are removed at once, unless
// somebody still takes them by their names: then when the last of those has ended.
//
// Thread safety: every member may be called from any thread.

#include <cstddef>
#include <filesystem>
#include <utility>
#include <vector>

#include "lib/base/thread_annotations.h"
#include "lib/store/table_set.h"
#include "nacre/file_system.h"

namespace nacre::store {

class UnusedTables {
 public:
  /// `file_system` is borrowed.
  explicit UnusedTables(FileSystem& file_system) : file_system_(file_system) {}

  /// While it lives no file is removed. Lifetime: within that of its maker.
  class Hold {
   public:
    explicit Hold(UnusedTables& owner) : owner_(&owner) {}
    Hold(Hold&& other) noexcept : owner_(std::exchange(other.owner_, nullptr)) {}
    Hold& operator=(Hold&&) = delete;
    ~Hold() {
      if (owner_ != nullptr) owner_->let_go();
    }

   private:
    UnusedTables* owner_;
  };
  Hold hold() {
    MutexLock lock(mutex_);
    ++holds_;
    return Hold(*this);
  }

  /// What cannot be removed now, or is still held at the end of the process, is an orphan, which
  /// goes when the store is opened. Who reads a table keeps it mapped.
  void remove(const std::vector<TableHandle>& tables) {
    MutexLock lock(mutex_);
    for (const TableHandle& table : tables) {
      if (holds_ > 0) {
        kept_.push_back(table->path());
      } else {
        static_cast<void>(file_system_.remove(table->path()));
      }
    }
  }

 private:
  void let_go() noexcept {
    MutexLock lock(mutex_);
    if (--holds_ > 0) return;
    for (const std::filesystem::path& path : std::exchange(kept_, {})) {
      static_cast<void>(file_system_.remove(path));
    }
  }

  FileSystem& file_system_;
  Mutex mutex_;
  std::size_t holds_ GUARDED_BY(mutex_) = 0;
  std::vector<std::filesystem::path> kept_ GUARDED_BY(mutex_);
};

}  // namespace nacre::store
