#include "tools/demo_report.h"

#include <fmt/format.h>

#include <algorithm>

#include "lib/codec/json_writer.h"
#include "tools/table.h"
#include "tools/text.h"

namespace nacre::tools {
namespace {

// Of every opening that had something to recover: each writer's but the first, and ours at the end.
std::vector<std::uint64_t> recovery_times(const DemoReport& report) {
  std::vector<std::uint64_t> times;
  for (std::size_t i = 1; i < report.legs.size(); ++i) {
    times.push_back(report.legs[i].recovery_ns);
  }
  times.push_back(report.final_recovery_ns);
  std::ranges::sort(times);
  return times;
}

std::string kills_text(const DemoReport& report) {
  std::string text =
      fmt::format("{} (kill -9 of the writer, seed {})", report.kills(), report.seed);
  if (report.kills() < report.kills_wanted) {
    text += fmt::format("; {} were wanted, but the source ended before", report.kills_wanted);
  }
  return text;
}

std::string records_text(const DemoReport& report) {
  if (report.acknowledged == report.source.records) {
    return fmt::format("{} ({}), each acknowledged as durable", format_count(report.acknowledged),
                       format_bytes(report.source.bytes));
  }
  return fmt::format("{} acknowledged as durable, but the source has {}",
                     format_count(report.acknowledged), format_count(report.source.records));
}

std::string comparison_text(const Comparison& comparison) {
  if (comparison.good()) {
    return fmt::format("{} {} equal the source byte by byte, in order",
                       format_count(comparison.equal), plural(comparison.equal, "record"));
  }
  std::string text =
      fmt::format("{} equal, {} different, {} not in the source", format_count(comparison.equal),
                  format_count(comparison.different), format_count(comparison.extra));
  if (comparison.read_error) text += "; " + comparison.read_error->to_string();
  return text;
}

std::string latency_text(const DemoReport& report) {
  const HistogramCounts& latency = report.stats.latency;
  return fmt::format("p50 {}, p99 {}, p99.9 {} from append to acknowledgement, up to {} in flight",
                     format_duration(latency.percentile(50)),
                     format_duration(latency.percentile(99)),
                     format_duration(latency.percentile(99.9)), report.window_records);
}

std::string next_commands(const DemoReport& report) {
  const std::string program = report.program.string();
  const std::string log = report.log.string();
  const std::string first = fmt::format("{} cat {} records --count 1", program, log);
  const std::string follow = fmt::format("{} cat {} records --json --from {} --count 1", program,
                                         log, report.acknowledged / 2);
  return fmt::format("  {}\n  {}\n  {} stat {}\n  {} verify {}\n  {} doctor {}\n", first, follow,
                     program, log, program, log, program, log);
}

}  // namespace

std::uint64_t DemoReport::kills() const noexcept {
  return static_cast<std::uint64_t>(std::ranges::count_if(legs, &DemoLeg::killed));
}

std::string describe_leg(const DemoLeg& leg, std::uint64_t number) {
  return fmt::format("  kill {:<3} {:>10} records acknowledged when the writer died\n", number,
                     format_count(leg.acknowledged));
}

std::string demo_report_text(const DemoReport& report, std::size_t width) {
  const auto recoveries = recovery_times(report);
  Facts facts;
  facts.add("records", records_text(report));
  facts.add("kills", kills_text(report));
  facts.add("lost", format_count(report.lost()));
  facts.add("compared", comparison_text(report.comparison));
  facts.add("recovery", fmt::format("median {}, worst {}, of {} {}",
                                    format_duration(recoveries[recoveries.size() / 2]),
                                    format_duration(recoveries.back()), recoveries.size(),
                                    plural(recoveries.size(), "opening")));
  facts.add("append rate",
            fmt::format("{}, {}", format_rate(report.stats.records, report.stats.writing_ns),
                        format_byte_rate(report.stats.bytes, report.stats.writing_ns)));
  facts.add("latency", latency_text(report));
  facts.add("domain", fmt::format("{}: survives {}", domain_name(report.domain.kind),
                                  survival_text(report.domain)));
  facts.add("data", report.log.string());
  std::string text = facts.render(0, width);
  text += report.good() ? "\nNothing acknowledged was lost. Try next:\n"
                        : "\nTHE LOG IS NOT WHAT WAS ACKNOWLEDGED. Look at it with:\n";
  return text + next_commands(report);
}

std::string demo_report_json(const DemoReport& report) {
  JsonWriter json;
  json.begin_object()
      .field("source", report.source.description)
      .field("records", report.source.records)
      .field("bytes", report.source.bytes)
      .field("acknowledged", report.acknowledged)
      .field("kills", report.kills())
      .field("seed", report.seed)
      .field("lost", report.lost())
      .field("equal", report.comparison.equal)
      .field("different", report.comparison.different)
      .field("extra", report.comparison.extra)
      .field("durability", durability_name(report.durability))
      .field("domain", domain_name(report.domain.kind))
      .field("survives_power_loss", report.domain.survives_power_loss);
  if (report.comparison.read_error) {
    json.field("read_error", report.comparison.read_error->to_string());
  }
  json.key("recovery_ns").begin_array();
  for (const std::uint64_t duration_ns : recovery_times(report)) json.value(duration_ns);
  json.end_array();
  json.field("writing_ns", report.stats.writing_ns);
  if (report.stats.writing_ns > 0) {
    json.field("records_per_second", static_cast<double>(report.stats.records) * 1e9 /
                                         static_cast<double>(report.stats.writing_ns));
  }
  json.key("latency_ns")
      .begin_object()
      .field("p50", report.stats.latency.percentile(50))
      .field("p99", report.stats.latency.percentile(99))
      .field("p99_9", report.stats.latency.percentile(99.9))
      .end_object();
  json.key("kill_points").begin_array();
  for (const DemoLeg& leg : report.legs) {
    if (leg.killed) json.value(leg.acknowledged);
  }
  json.end_array();
  json.field("log", report.log.string()).end_object();
  return json.text() + "\n";
}

}  // namespace nacre::tools
