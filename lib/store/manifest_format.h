#pragma once

// The records of a manifest as bytes. Implements docs/format/manifest.md.

#include <cstddef>
#include <cstdint>
#include <optional>
#include <vector>

#include "lib/store/manifest.h"
#include "nacre/result.h"
#include "nacre/types.h"

namespace nacre::store {

/// A record that names no loaded table is written as version 1, which has no place for one.
inline constexpr std::uint8_t kManifestFormatVersion = 2;

std::vector<std::byte> encode(const ManifestEdit& edit);
std::vector<std::byte> encode(const ManifestState& state);

/// Whether `record` says everything, whatever came before it.
bool says_everything(Bytes record) noexcept;

/// What `record` changes; none when it is malformed, or no edit.
std::optional<ManifestEdit> decode_edit(Bytes record);

/// Changes `state` as `record` says: an edit of it, or all of it anew.
/// Errors: `corruption`, `unsupported` (a newer format).
Status apply_record(Bytes record, ManifestState& state);

}  // namespace nacre::store
