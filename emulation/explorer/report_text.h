#pragma once

// How the parts of a crash report are worded, for all its forms.

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "nacre/emulation/crash_report.h"

namespace nacre {

/// "1,234,567".
std::string grouped(std::uint64_t number);

/// "1 state", "2,048 states".
std::string counted(std::uint64_t count, std::string_view noun);

/// "24", "1,536", "about 10^21".
std::string large_number(double number);

/// "0a0b" as "0a 0b", with a wider gap after each eighth byte.
std::string spaced_bytes(std::string_view hexadecimal);

/// "8 bytes at 0x40", or what the crash has left where it is not bytes.
std::string granule_title(const CrashGranule& granule);

/// Those of `more` that are not there yet.
void add_sites(const std::vector<CrashSite>& more, std::vector<CrashSite>& sites);

/// What the verdict means, in one sentence without a stop.
std::string verdict_sentence(const CrashReport& report);

}  // namespace nacre
