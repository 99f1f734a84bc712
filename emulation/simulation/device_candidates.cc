// What a crash may leave of files: the candidates of DeviceModel.

#include <fmt/format.h>

#include <algorithm>
#include <cstring>
#include <set>
#include <string>
#include <utility>

#include "emulation/simulation/device_model.h"
#include "nacre/random.h"

namespace nacre {
namespace {

std::vector<std::byte> bytes_of(std::uint64_t value) {
  std::vector<std::byte> bytes(sizeof value);
  std::memcpy(bytes.data(), &value, sizeof value);
  return bytes;
}

std::string size_meaning(std::uint64_t size) { return "a size of " + std::to_string(size); }

}  // namespace

/// The contents of a size and of the units that were cut, which depend on each other.
class DeviceModel::Joint {
 public:
  Joint(const DeviceModel& model, MediaAddress address, const File& file, CrashState& state)
      : file_(file), state_(state) {
    granule_.spans.push_back({address, sizeof(std::uint64_t)});
    for (const auto& [unit, pieces] : file.units) {
      if (!is_cut(pieces)) continue;
      units_.push_back(&pieces);
      versions_.push_back(model.versions_of(pieces));
      granule_.spans.push_back({versions_.back().begin, versions_.back().all.front().bytes.size()});
    }
    for (std::size_t size = 0; size <= file.sizes.size(); ++size) add_size(address, size);
    if (is_overfull_) {
      state.limit = fmt::format(
          "a file was cut short with {} of its units not synced, and of their contents together "
          "only some were tried: sync the file before, or test less at once",
          units_.size());
      newest_only_ = true;
      is_overfull_ = false;
      add_size(address, file.sizes.size());
    }
    if (granule_.candidates.size() > 1) state.granules.push_back(std::move(granule_));
  }

  static bool is_cut(const Unit& unit) { return std::ranges::any_of(unit, &Piece::is_cut); }

 private:
  /// Where the file has its size number `size`; 0: the definite one.
  void add_size(MediaAddress address, std::size_t size) {
    std::vector<Patch> patches;
    const void* site = nullptr;
    if (size > 0) {
      patches.push_back({address, state_.keep(bytes_of(file_.sizes[size - 1].value))});
      site = file_.sizes[size - 1].site;
    }
    add_from(size, 0, site, patches);
  }

  /// Decides the units from `unit` on, where the file has its size number `size`.
  void add_from(std::size_t size, std::size_t unit, const void* site, std::vector<Patch>& patches) {
    if (unit == units_.size()) {
      add(patches, site);
      return;
    }
    const MediaAddress begin = versions_[unit].begin;
    for (const Version& version : versions_[unit].all) {
      if (newest_only_ && &version != &versions_[unit].all.back()) continue;
      if (is_overfull_) return;
      std::vector<std::byte> bytes = version.bytes;
      bool is_cut = false;
      for (const Piece& piece : *units_[unit]) {
        if (!is_there(piece, size) || (version.event && *version.event > piece.progress.begun)) {
          continue;
        }
        is_cut = true;
        std::ranges::copy(piece.bytes,
                          bytes.begin() + static_cast<std::ptrdiff_t>(piece.address - begin));
      }
      const bool changes = is_cut || version.event;
      if (changes) patches.push_back({begin, state_.keep(std::move(bytes))});
      add_from(size, unit + 1, version.site != nullptr ? version.site : site, patches);
      if (changes) patches.pop_back();
    }
  }

  /// Whether it is a cut, and has been made when the file has its size number `size`.
  bool is_there(const Piece& piece, std::size_t size) const {
    return piece.is_cut && size > 0 && piece.progress.begun <= file_.sizes[size - 1].progress.begun;
  }

  void add(const std::vector<Patch>& patches, const void* site) {
    std::string text;
    for (const Patch& patch : patches) {
      text.append(reinterpret_cast<const char*>(&patch.address), sizeof patch.address);
      text += as_text(patch.bytes);
    }
    if (seen_.contains(text)) return;
    is_overfull_ = seen_.size() == kMaxJointCandidates && !newest_only_;
    if (is_overfull_) return;
    seen_.insert(std::move(text));
    granule_.candidates.push_back({.patches = patches, .site = site});
  }

  const File& file_;
  CrashState& state_;
  Granule granule_;
  std::vector<const Unit*> units_;
  std::vector<Versions> versions_;
  std::set<std::string> seen_;
  bool is_overfull_ = false;
  bool newest_only_ = false;
};

void DeviceModel::collect(CrashState& state) const {
  for (const auto& [address, file] : files_) {
    const bool was_cut = std::ranges::any_of(
        file.units, [](const auto& unit) { return Joint::is_cut(unit.second); });
    if (was_cut) {
      Joint(*this, address, file, state);
    } else {
      collect_sizes(state, address, file);
    }
    for (const auto& [unit, pieces] : file.units) {
      if (!Joint::is_cut(pieces)) collect_unit(state, unit, pieces);
    }
  }
}

void DeviceModel::collect_sizes(CrashState& state, MediaAddress address, const File& file) const {
  std::set<std::uint64_t> seen{definite_size(address)};
  Granule granule{.spans = {{address, sizeof(std::uint64_t)}}, .candidates = {}};
  granule.candidates.push_back(
      {.patches = {}, .site = nullptr, .meaning = size_meaning(definite_size(address))});
  for (const SizeChange& size : file.sizes) {
    if (!seen.insert(size.value).second) continue;
    granule.candidates.push_back({.patches = {{address, state.keep(bytes_of(size.value))}},
                                  .site = size.site,
                                  .event = size.progress.begun,
                                  .meaning = size_meaning(size.value)});
  }
  if (granule.candidates.size() > 1) state.granules.push_back(std::move(granule));
}

void DeviceModel::collect_unit(CrashState& state, MediaAddress address, const Unit& unit) const {
  const Versions versions = versions_of(unit);
  const std::size_t bytes = versions.all.front().bytes.size();
  Granule granule{.spans = {{versions.begin, bytes}}, .candidates = {{}}};
  if (paranoid_) {
    granule.spans = {{address, unit_bytes_}};
    granule.candidates.push_back({.patches = {{address, state.keep(garbage(address))}},
                                  .site = unit.front().site,
                                  .event = unit.front().progress.begun,
                                  .is_garbage = true});
  }
  std::set<std::string_view> seen{as_text(versions.all.front().bytes)};
  for (const Version& version : versions.all) {
    if (!seen.insert(as_text(version.bytes)).second) continue;
    granule.candidates.push_back({.patches = {{versions.begin, state.keep(version.bytes)}},
                                  .site = version.site,
                                  .event = version.event.value_or(Candidate::kNoEvent)});
  }
  if (granule.candidates.size() > 1) state.granules.push_back(std::move(granule));
}

DeviceModel::Versions DeviceModel::versions_of(const Unit& unit) const {
  Versions versions{.begin = unit.front().address, .all = {}};
  MediaAddress end = unit.front().end();
  for (const Piece& piece : unit) {
    versions.begin = std::min(versions.begin, piece.address);
    end = std::max(end, piece.end());
  }
  const Bytes before = definite_.read(versions.begin, end - versions.begin);
  std::vector<std::byte> bytes(before.begin(), before.end());
  versions.all.push_back({.event = std::nullopt, .bytes = bytes, .site = nullptr});
  for (const Piece& piece : unit) {
    std::ranges::copy(piece.bytes,
                      bytes.begin() + static_cast<std::ptrdiff_t>(piece.address - versions.begin));
    // A cut is there when the size is; what came before it may be older all the same.
    if (piece.is_cut) continue;
    versions.all.push_back({.event = piece.progress.begun, .bytes = bytes, .site = piece.site});
  }
  return versions;
}

std::vector<std::byte> DeviceModel::garbage(MediaAddress unit) const {
  SeededRandom random(unit);
  std::vector<std::byte> bytes(unit_bytes_);
  for (std::byte& byte : bytes) byte = static_cast<std::byte>(random.next_u64());
  return bytes;
}

}  // namespace nacre
