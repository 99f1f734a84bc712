#include "emulation/simulation/name_table.h"

#include <charconv>
#include <utility>

#include "lib/base/assert.h"

namespace nacre {
namespace {

/// No path holds it.
constexpr char kSeparator = '\0';

void move_below(Names& names, const std::string& from, const std::string& to) {
  Names moved;
  for (auto entry = names.lower_bound(from + '/');
       entry != names.end() && is_below(entry->first, from);) {
    moved.emplace(to + entry->first.substr(from.size()), entry->second);
    entry = names.erase(entry);
  }
  names.merge(moved);
}

}  // namespace

std::string_view parent_of(std::string_view path) {
  const std::size_t slash = path.rfind('/');
  return slash == 0 ? path.substr(0, 1) : path.substr(0, slash);
}

bool is_below(std::string_view path, std::string_view directory) {
  if (directory == "/") return path.size() > 1;
  return path.size() > directory.size() && path.starts_with(directory) &&
         path[directory.size()] == '/';
}

std::string renamed(const std::string& path, std::string_view from, std::string_view to) {
  if (path != from && !is_below(path, from)) return path;
  return std::string(to) + path.substr(from.size());
}

std::string NameOperation::to_text() const {
  std::string text(1, static_cast<char>('0' + static_cast<char>(change)));
  text += path;
  text += kSeparator;
  text += target;
  text += kSeparator;
  return text + std::to_string(inode);
}

NameOperation NameOperation::from_text(std::string_view text) {
  NameOperation operation;
  operation.change = static_cast<NameChange>(text.front() - '0');
  text.remove_prefix(1);
  const std::size_t path_end = text.find(kSeparator);
  const std::size_t target_end = text.find(kSeparator, path_end + 1);
  NACRE_ASSERT(target_end != std::string_view::npos);
  operation.path = text.substr(0, path_end);
  operation.target = text.substr(path_end + 1, target_end - path_end - 1);
  std::from_chars(text.data() + target_end + 1, text.data() + text.size(), operation.inode);
  return operation;
}

void NameOperation::apply(Names& names) const {
  switch (change) {
    case NameChange::kCreate:
      names[path] = {.is_directory = false, .inode = inode};
      break;
    case NameChange::kMakeDirectory:
      names[path] = {.is_directory = true, .inode = 0};
      break;
    case NameChange::kRename: {
      auto moved = names.extract(path);
      if (moved.empty()) break;
      names.erase(target);
      moved.key() = target;
      names.insert(std::move(moved));
      move_below(names, path, target);
      break;
    }
    case NameChange::kRemove:
      names.erase(path);
      break;
  }
}

bool NameOperation::shares_name(const NameOperation& other) const {
  const auto is_named = [](const std::string& name, const NameOperation& by) {
    return !name.empty() && (name == by.path || name == by.target);
  };
  return is_named(path, other) || is_named(target, other);
}

bool NameOperation::removes_directory_of(const NameOperation& earlier) const {
  // Of a rename, the one that stood in its place.
  const std::string& removed = change == NameChange::kRename ? target : path;
  if (change != NameChange::kRemove && change != NameChange::kRename) return false;
  return is_below(earlier.path, removed) || is_below(earlier.target, removed);
}

bool NameOperation::depends_on(const NameOperation& earlier) const {
  if (shares_name(earlier) || removes_directory_of(earlier)) return true;
  for (const std::string* const mine : {&path, &target}) {
    // A directory on the way to it.
    if (is_below(*mine, earlier.path)) return true;
  }
  return false;
}

const std::string* NameTable::newest_path(std::uint32_t inode) const {
  for (auto state = states_.rbegin(); state != states_.rend(); ++state) {
    for (const auto& [path, entry] : **state) {
      if (!entry.is_directory && entry.inode == inode) return &path;
    }
  }
  return nullptr;
}

std::uint64_t NameTable::index_of(const Names& names) {
  const auto [place, added] = indexes_.emplace(names, states_.size());
  if (added) states_.push_back(&place->first);
  return place->second;
}

}  // namespace nacre
