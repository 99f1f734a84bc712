#pragma once

// How the crash tests of stores open, call and read one.

#include <cstdint>
#include <filesystem>
#include <string>

#include "nacre/emulation/simulated_machine.h"
#include "nacre/environment.h"
#include "nacre/store.h"
#include "tools/crash_suites/crash_suite.h"
#include "tools/crash_suites/store_contents.h"

namespace nacre::tools {

/// With a memtable for all that a test writes, and an operator that appends. Errors: as
/// Store::open.
Result<Store> open_suite_store(const Environment& environment, std::uint32_t lanes = 1,
                               const std::filesystem::path& directory = "/store");
Result<Store> open_suite_store(SimulatedMachine& machine, const SuiteModel& model);

/// All but kPassTime and kReopen. Returns what StoreContents::apply does.
Result<std::string> take(Store& store, const StoreStep& step);

/// Walks over every keyspace, and looks each key up.
Result<StoreContents> contents_of(const Store& store);

}  // namespace nacre::tools
