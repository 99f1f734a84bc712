#include "emulation/media_rot.h"

#include <string_view>
#include <utility>

namespace nacre {
namespace {

std::string key_of(const std::filesystem::path& path) { return path.lexically_normal().string(); }

bool is_at_or_below(std::string_view key, std::string_view top) {
  return key.starts_with(top) && (key.size() == top.size() || key[top.size()] == '/');
}

}  // namespace

void MediaRot::strike(const std::filesystem::path& path, std::uint64_t offset, std::uint8_t mask) {
  MutexLock lock(mutex_);
  // Not an exclusive or: a byte that rots twice must not be whole again.
  files_[key_of(path)][offset] |= mask;
}

void MediaRot::apply(const std::filesystem::path& path, std::uint64_t offset,
                     std::span<std::byte> read) {
  MutexLock lock(mutex_);
  const auto file = files_.find(key_of(path));
  if (file == files_.end()) return;
  for (auto byte = file->second.lower_bound(offset);
       byte != file->second.end() && byte->first - offset < read.size(); ++byte) {
    read[byte->first - offset] ^= std::byte{byte->second};
  }
}

void MediaRot::heal(const std::filesystem::path& path, std::uint64_t offset, std::uint64_t bytes) {
  MutexLock lock(mutex_);
  const auto file = files_.find(key_of(path));
  if (file == files_.end()) return;
  auto byte = file->second.lower_bound(offset);
  while (byte != file->second.end() && byte->first - offset < bytes) {
    byte = file->second.erase(byte);
  }
}

void MediaRot::remove(const std::filesystem::path& path) {
  const std::string top = key_of(path);
  MutexLock lock(mutex_);
  std::erase_if(files_, [&](const auto& file) { return is_at_or_below(file.first, top); });
}

void MediaRot::rename(const std::filesystem::path& from, const std::filesystem::path& to) {
  const std::string old_top = key_of(from);
  const std::string new_top = key_of(to);
  if (old_top == new_top) return;
  remove(to);
  MutexLock lock(mutex_);
  std::map<std::string, Bytes> renamed;
  for (auto& [key, bytes] : files_) {
    const bool moves = is_at_or_below(key, old_top);
    renamed[moves ? new_top + key.substr(old_top.size()) : key] = std::move(bytes);
  }
  files_ = std::move(renamed);
}

}  // namespace nacre
