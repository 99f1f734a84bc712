#pragma once

// How the suites open, read and use a message log with one topic, called "topic".

#include <string>
#include <vector>

#include "nacre/log.h"
#include "tools/crash_suites/crash_suite.h"

namespace nacre::tools {

Result<Log> open_suite_log(SimulatedMachine& machine, const SuiteModel& model);

using Names = std::vector<std::string>;
/// The messages of each partition, as "key=value" or "value".
using Partitions = std::vector<Names>;

/// Lifetime: that of `text`, which is "key=value" or "value".
Message message_of(const std::string& text);
/// What `reader` has still to show.
Result<Names> rest_of(PartitionReader& reader);

/// Opens the log, and takes the messages it holds for the answer of a recovery. Each is read in
/// place, too, and offsets count from 0.
Result<Partitions> read_messages(SimulatedMachine& machine, const SuiteModel& model);
/// Appends `message` to partition 1 of what was recovered, and finds it behind all that was there.
Status append_one_more_message(SimulatedMachine& machine, const SuiteModel& model,
                               const std::string& message);

}  // namespace nacre::tools
