#include "emulation/simulation/device_model.h"

#include <algorithm>
#include <cstring>
#include <utility>

namespace nacre {

bool DeviceModel::narrows(const Trace& trace, std::size_t index) const {
  const Event& event = trace.events()[index];
  if (!event.flag || (event.kind != EventKind::kWriteEnd && event.kind != EventKind::kSyncEnd)) {
    return false;
  }
  const auto file = files_.find(event.file);
  if (file == files_.end()) return false;
  const auto becomes_definite = [&](const auto& change) {
    return event.kind == EventKind::kWriteEnd ? change.progress.begun == event.value
                                              : change.progress.is_covered(event.value);
  };
  return std::ranges::any_of(file->second.sizes, becomes_definite) ||
         std::ranges::any_of(file->second.units, [&](const auto& unit) {
           return std::ranges::any_of(unit.second, becomes_definite);
         });
}

void DeviceModel::apply(const Trace& trace, std::size_t index) {
  const Event& event = trace.events()[index];
  switch (event.kind) {
    case EventKind::kWriteBegin:
      begin_write(trace, index);
      break;
    case EventKind::kWriteEnd:
      end_write(event, index);
      break;
    case EventKind::kWriteFailed:
      for_write(event.file, event.value, [](Progress& progress) { progress.failed = true; });
      break;
    case EventKind::kResize:
      resize(event, index);
      break;
    case EventKind::kZeroPastEnd:
      definite_.write(event.address, std::vector<std::byte>(event.value));
      break;
    case EventKind::kSyncEnd:
      sync(event);
      break;
    default:
      break;
  }
}

std::uint64_t DeviceModel::definite_size(MediaAddress file) const {
  std::uint64_t size = 0;
  std::memcpy(&size, definite_.read(file, sizeof size).data(), sizeof size);
  return size;
}

std::uint64_t DeviceModel::newest_size(MediaAddress file) const {
  const auto found = files_.find(file);
  if (found == files_.end() || found->second.sizes.empty()) return definite_size(file);
  return found->second.sizes.back().value;
}

void DeviceModel::begin_write(const Trace& trace, std::size_t index) {
  const Event& event = trace.events()[index];
  Bytes bytes = trace.written(event);
  const bool grows = newest_size(event.file) != event.value;
  File& file = files_[event.file];
  if (grows) {
    file.sizes.push_back({.progress = {.begun = index}, .value = event.value, .site = event.site});
  }
  MediaAddress address = event.address;
  while (!bytes.empty()) {
    const std::size_t in_unit = std::min(bytes.size(), unit_bytes_ - address % unit_bytes_);
    const Bytes part = bytes.first(in_unit);
    add_piece(file, {.progress = {.begun = index},
                     .is_cut = false,
                     .address = address,
                     .bytes = {part.begin(), part.end()},
                     .site = event.site});
    address += in_unit;
    bytes = bytes.subspan(in_unit);
  }
}

void DeviceModel::resize(const Event& event, std::size_t index) {
  const std::uint64_t before = newest_size(event.file);
  const Progress done{.begun = index, .ended = index};
  File& file = files_[event.file];
  file.sizes.push_back({.progress = done, .value = event.value, .site = event.site});
  if (event.value >= before) return;
  cut(file, event.address + event.value, event.address + before,
      {.progress = done, .is_cut = true, .address = 0, .bytes = {}, .site = event.site});
}

void DeviceModel::cut(File& file, MediaAddress begin, MediaAddress end, Piece piece) {
  while (begin < end) {
    const MediaAddress unit = unit_of(begin);
    const MediaAddress unit_end = std::min(end, unit + unit_bytes_);
    const Bytes there = definite_.read(begin, unit_end - begin);
    const bool is_empty = !file.units.contains(unit) &&
                          std::ranges::all_of(there, [](std::byte b) { return b == std::byte{}; });
    if (!is_empty) {
      piece.address = begin;
      piece.bytes.assign(unit_end - begin, std::byte{});
      add_piece(file, piece);
    }
    begin = unit_end;
  }
}

void DeviceModel::add_piece(File& file, Piece piece) {
  file.units[unit_of(piece.address)].push_back(std::move(piece));
}

template <class Change>
void DeviceModel::for_write(MediaAddress address, std::size_t begun, Change change) {
  const auto file = files_.find(address);
  if (file == files_.end()) return;
  for (auto& [unit, pieces] : file->second.units) {
    for (Piece& piece : pieces) {
      if (piece.progress.begun == begun) change(piece.progress);
    }
  }
  for (SizeChange& size : file->second.sizes) {
    if (size.progress.begun == begun) change(size.progress);
  }
}

void DeviceModel::end_write(const Event& event, std::size_t index) {
  for_write(event.file, event.value, [&](Progress& progress) { progress.ended = index; });
  if (event.flag) settle_write(event.file, event.address, event.value);
}

void DeviceModel::sync(const Event& event) {
  const auto found = files_.find(event.file);
  if (found == files_.end()) return;
  File& file = found->second;
  const auto is_covered = [&](const auto& change) {
    return change.progress.is_covered(event.value);
  };
  if (!event.flag) {
    for (auto& [unit, pieces] : file.units) {
      for (Piece& piece : pieces) piece.progress.failed |= is_covered(piece);
    }
    for (SizeChange& size : file.sizes) size.progress.failed |= is_covered(size);
    return;
  }
  const auto last = std::ranges::find_if(file.sizes.rbegin(), file.sizes.rend(), is_covered);
  settle_sizes(event.file, static_cast<std::size_t>(file.sizes.rend() - last));
  for (auto& [unit, pieces] : file.units) {
    settle_pieces(pieces, [&](const Piece& piece) { return !piece.is_cut && is_covered(piece); });
  }
  forget_settled(event.file);
}

void DeviceModel::settle_write(MediaAddress address, MediaAddress content, std::size_t begun) {
  const auto found = files_.find(address);
  if (found == files_.end()) return;
  File& file = found->second;
  std::uint64_t end = 0;  // Of the write, in the media.
  for (auto& [unit, pieces] : file.units) {
    for (const Piece& piece : pieces) {
      if (!piece.is_cut && piece.progress.begun == begun) end = std::max(end, piece.end());
    }
  }
  // Every change of size up to the last one by which the write could not be read.
  const auto hides = [&](std::uint64_t size) { return content + size < end; };
  std::size_t needed = hides(definite_size(address)) ? 1 : 0;
  for (std::size_t i = 0; i < file.sizes.size(); ++i) {
    if (file.sizes[i].progress.begun <= begun && hides(file.sizes[i].value)) needed = i + 2;
  }
  settle_sizes(address, std::min(needed, file.sizes.size()));
  for (auto& [unit, pieces] : file.units) {
    settle_pieces(
        pieces, [&](const Piece& piece) { return !piece.is_cut && piece.progress.begun == begun; });
  }
  forget_settled(address);
}

void DeviceModel::settle_sizes(MediaAddress address, std::size_t count) {
  if (count == 0) return;
  File& file = files_[address];
  const std::size_t last = file.sizes[count - 1].progress.begun;
  const std::uint64_t size = file.sizes[count - 1].value;
  definite_.write(address, std::as_bytes(std::span(&size, 1)));
  file.sizes.erase(file.sizes.begin(), file.sizes.begin() + static_cast<std::ptrdiff_t>(count));
  for (auto& [unit, pieces] : file.units) {
    settle_pieces(pieces,
                  [&](const Piece& piece) { return piece.is_cut && piece.progress.begun <= last; });
  }
}

template <class Covered>
void DeviceModel::settle_pieces(Unit& unit, Covered covered) {
  for (std::size_t i = 0; i < unit.size();) {
    if (!covered(unit[i])) {
      ++i;
      continue;
    }
    const Piece settled = std::move(unit[i]);
    unit.erase(unit.begin() + static_cast<std::ptrdiff_t>(i));
    definite_.write(settled.address, settled.bytes);
    // What came before and is still open must not undo it.
    for (std::size_t earlier = 0; earlier < i; ++earlier) {
      Piece& open = unit[earlier];
      const MediaAddress begin = std::max(open.address, settled.address);
      const MediaAddress end = std::min(open.end(), settled.end());
      if (begin >= end) continue;
      std::memcpy(open.bytes.data() + (begin - open.address),
                  settled.bytes.data() + (begin - settled.address), end - begin);
    }
  }
}

void DeviceModel::forget_settled(MediaAddress address) {
  File& file = files_[address];
  std::erase_if(file.units, [](const auto& unit) { return unit.second.empty(); });
  if (file.units.empty() && file.sizes.empty()) files_.erase(address);
}

}  // namespace nacre
