#pragma once

// Memory as slow as the device that `--as` names: the domain a log is given, and its floor.

#include <cstddef>
#include <filesystem>
#include <memory>
#include <string>

#include "bench/harness.h"
#include "bench/workload.h"
#include "nacre/pmem.h"

namespace nacre::bench {

/// The emulated domain for `directory`, as slow as the setting's device; null when it names none.
/// Errors: `unsupported`, `io`, `no_space`.
Result<std::unique_ptr<pmem::Domain>> timed_domain(const Setting& setting,
                                                   const std::filesystem::path& directory);

/// ", as slow as X", for the notes on how a contender was set up; "" when no device is named.
std::string device_words(const Setting& setting);

/// The floor as on the device: the same lines streamed and fenced through the same domain, without
/// a log above it.
Contender timed_floor(const Setting& setting, std::size_t payload_bytes);
/// What of that is the host's own, the model's bookkeeping included. Where it is no less than the
/// floor, the host is too slow to show the device.
Contender host_floor(const Setting& setting, std::size_t payload_bytes);

}  // namespace nacre::bench
