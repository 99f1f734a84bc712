#pragma once

// What the demo found out, and how it tells a person or a machine.

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

#include "nacre/pmem.h"
#include "tools/command.h"
#include "tools/demo_compare.h"
#include "tools/demo_source.h"
#include "tools/writer_stats.h"

namespace nacre::tools {

/// One life of the writer.
struct DemoLeg {
  std::uint64_t reopened_at = 0;   ///< The watermark it found.
  std::uint64_t acknowledged = 0;  ///< The watermark it told last.
  std::uint64_t recovery_ns = 0;
  bool killed = false;
};

struct DemoReport {
  DemoSource source;
  std::filesystem::path program;
  std::filesystem::path directory;
  std::filesystem::path log;
  std::uint64_t seed = 0;
  Durability durability = Durability::kPower;
  std::uint32_t kills_wanted = 0;
  std::uint32_t window_records = 0;
  std::vector<DemoLeg> legs = {};
  WriterStats stats = {};
  std::uint64_t acknowledged = 0;
  std::uint64_t lost_at_reopening = 0;  ///< Acknowledged, but above the watermark after a kill.
  std::uint64_t final_recovery_ns = 0;
  DomainInfo domain = {};
  Comparison comparison = {};

  std::uint64_t kills() const noexcept;
  std::uint64_t lost() const noexcept { return comparison.lost + lost_at_reopening; }
  /// Nothing lost, and nothing left out either: the last writer came to the end of the source.
  bool good() const noexcept {
    return lost() == 0 && comparison.good() && acknowledged == source.records;
  }
};

/// One line about a leg, as it ends. `number` counts the kills.
std::string describe_leg(const DemoLeg& leg, std::uint64_t number);
std::string demo_report_text(const DemoReport& report, std::size_t width);
std::string demo_report_json(const DemoReport& report);

}  // namespace nacre::tools
