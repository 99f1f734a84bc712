#pragma once

// The names in a simulated file system: what they can be, and what changes them.
//
// Paths are absolute and normal: "/", "/a", "/a/b".
//
// Thread safety: none.

#include <compare>
#include <cstdint>
#include <deque>
#include <map>
#include <optional>
#include <string>
#include <string_view>

#include "nacre/types.h"

namespace nacre {

/// What a name stands for.
struct NameEntry {
  bool is_directory = false;
  std::uint32_t inode = 0;  ///< Of a file.

  friend auto operator<=>(const NameEntry&, const NameEntry&) = default;
};

/// Every name, by its path. The root is there without an entry.
using Names = std::map<std::string, NameEntry, std::less<>>;

enum class NameChange : std::uint8_t { kCreate, kMakeDirectory, kRename, kRemove };

struct NameOperation {
  NameChange change = NameChange::kCreate;
  std::string path;
  std::string target;       ///< Of a rename.
  std::uint32_t inode = 0;  ///< Of a file that is created.

  /// As a trace keeps it.
  std::string to_text() const;
  static NameOperation from_text(std::string_view text);

  /// Changes nothing where a crash has left nothing to change.
  void apply(Names& names) const;
  /// Whether this one cannot be there unless `earlier` is. What is in a directory does not depend
  /// on a rename of that, nor the rename on what is in it.
  bool depends_on(const NameOperation& earlier) const;
  /// Whether both speak of one name.
  bool shares_name(const NameOperation& other) const;
  /// Whether this one takes away the directory that `earlier` was in.
  bool removes_directory_of(const NameOperation& earlier) const;
};

/// "/a" of "/a/b", "/" of "/a".
std::string_view parent_of(std::string_view path);
/// What `path` is called once `from` is called `to`, when it is that or lies below it.
std::string renamed(const std::string& path, std::string_view from, std::string_view to);
/// Whether `path` lies below `directory`, at any depth.
bool is_below(std::string_view path, std::string_view directory);

/// All states that names have had, or could have had, each once; it only grows.
class NameTable {
 public:
  NameTable() { static_cast<void>(index_of({})); }

  /// 0 for no names at all.
  std::uint64_t index_of(const Names& names);
  /// Valid as long as the table.
  const Names& at(std::uint64_t index) const { return *states_.at(index); }
  /// The path of a file in the newest state that has it; null where none does.
  const std::string* newest_path(std::uint32_t inode) const;

 private:
  std::map<Names, std::uint64_t> indexes_;
  std::deque<const Names*> states_;
};

}  // namespace nacre
