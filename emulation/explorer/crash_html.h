#pragma once

// The pieces of a crash report as a page.

#include <string>
#include <string_view>

#include "nacre/emulation/crash_report.h"

namespace nacre {

/// `text` where a page expects characters.
std::string html_text(std::string_view text);

/// Operations, orderings and crash points along the events, with the states of each point, as SVG.
std::string timeline_svg(const CrashReport& report);

extern const std::string_view kReportStyle;

}  // namespace nacre
