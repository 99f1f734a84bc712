#include "emulation/explorer/crash_html.h"

#include <fmt/format.h>

#include <algorithm>
#include <cctype>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "emulation/explorer/report_text.h"
#include "nacre/version.h"

namespace nacre {
namespace {

std::string calls_html(std::string_view calls) {
  std::string text;
  for (std::string_view separator = ", from "; !calls.empty();) {
    const std::size_t end = calls.find(separator);
    const std::string call = html_text(calls.substr(0, end));
    text += text.empty() ? fmt::format("<span class=\"site\">{}</span>", call)
                         : fmt::format("<span class=\"site from\">from {}</span>", call);
    calls.remove_prefix(end == calls.npos ? calls.size() : end + separator.size());
  }
  return text;
}

/// `bytes` with those marked that are others in `reference`.
std::string hex_html(std::string_view bytes, std::string_view reference) {
  std::string text;
  for (std::size_t at = 0; at + 1 < bytes.size(); at += 2) {
    const std::string_view byte = bytes.substr(at, 2);
    if (at != 0) text += at % 16 == 0 ? "  " : " ";
    if (byte == "..") {
      text += "<i>..</i>";
    } else if (byte != reference.substr(at, 2)) {
      text += fmt::format("<mark>{}</mark>", byte);
    } else {
      text += byte;
    }
  }
  return text;
}

std::string rows_html(const std::vector<CrashBytes>& rows) {
  std::string text = "<table class=\"hex\">";
  for (const CrashBytes& row : rows) {
    std::string address = fmt::format("{:#x}", row.address);
    const auto add = [&](std::string_view title, const std::string& bytes,
                         const std::string& reference) {
      text += fmt::format("<tr><td>{}</td><td class=\"soft\">{}</td><td>{}</td></tr>",
                          std::exchange(address, {}), title, hex_html(bytes, reference));
    };
    if (row.oldest != row.kept) add("was", row.oldest, row.oldest);
    add("left", row.kept, row.oldest);
    if (row.newest != row.kept) add("lost", row.newest, row.kept);
  }
  return text + "</table>";
}

std::string granule_html(const CrashGranule& granule) {
  const bool is_kept = granule.candidate > 0;
  const bool is_lost = !granule.newest;
  const std::string_view tag = !is_kept ? "LOST" : is_lost ? "PART" : "KEPT";
  std::string text =
      fmt::format("<div class=\"granule\"><p><span class=\"tag {0}\">{0}</span>{1}{2}</p>", tag,
                  html_text(granule_title(granule)),
                  is_kept && is_lost
                      ? fmt::format(", {} of {} stores", granule.candidate, granule.candidates - 1)
                      : "");
  const auto add_store = [&](std::string_view title, const std::string& store) {
    text += fmt::format("<p><span class=\"soft\">{}</span> {}</p>", title, calls_html(store));
  };
  if (is_kept) add_store(is_lost ? "kept at" : "stored at", granule.kept_store);
  if (is_lost) add_store(is_kept ? "lost at" : "stored at", granule.lost_store);
  if (!granule.hint.empty()) {
    text += fmt::format("<p class=\"mend\">{}</p>", html_text(granule.hint));
  }
  return text + rows_html(granule.pieces) + "</div>";
}

std::string failure_html(const CrashFailure& failure) {
  std::string text =
      fmt::format("<div class=\"card failed\"><p class=\"message\">{}</p><p>Crash {}{}</p>",
                  html_text(failure.message), html_text(failure.crash_point),
                  failure.site.empty() ? "" : ", at " + calls_html(failure.site));
  for (const CrashGranule& granule : failure.granules) text += granule_html(granule);
  for (const CrashGranule& granule : failure.overtaken) text += granule_html(granule);
  text += fmt::format(
      "<div class=\"granule\"><p class=\"soft\">All else that recovery read is as {} as it can be. "
      "This state alone:</p><code class=\"block\">--crash_repro={}</code></div></div>",
      failure.others_newest ? "new" : "old", html_text(failure.reproduction));
  return text;
}

std::string tile(std::string_view number, std::string_view title) {
  return fmt::format("<div class=\"tile\"><b>{}</b><span>{}</span></div>", number, title);
}

std::string tiles_html(const CrashReport& report) {
  std::string text = "<div class=\"tiles\">";
  text += tile(grouped(report.states),
               fmt::format("states run, of {} possible", large_number(report.product)));
  text += tile(grouped(report.nested_states), "states after a crash in recovery");
  text += tile(grouped(report.crash_points),
               fmt::format("crash points, {} of them open", report.open_points));
  if (report.kill_points > 0) text += tile(grouped(report.kill_points), "kills of the process");
  if (report.recovery_kills > 0) text += tile(grouped(report.recovery_kills), "kills in recovery");
  text += tile(grouped(report.distinct_outcomes), "different outcomes");
  text += tile(grouped(report.operations),
               fmt::format("operations in {}", counted(report.events, "event")));
  text += tile(fmt::format("{:.2f} s", report.seconds), "on the search");
  return text + "</div>";
}

std::string timeline_html(const CrashReport& report) {
  if (report.timeline.points.empty()) {
    return "<p class=\"soft\">No timeline was recorded: set <code>timeline</code> in the "
           "CrashTestOptions.</p>";
  }
  const auto key = [](std::string_view color, std::string_view text) {
    return fmt::format("<span><i style=\"background:var(--{})\"></i>{}</span>", color, text);
  };
  return "<h2>Timeline</h2><div class=\"card\">" + timeline_svg(report) + "<div class=\"key\">" +
         key("run", "states run, on a logarithmic scale") + key("all", "states possible") +
         key("bad", "a state that failed") + key("soft", "store") + key("warn", "flush") +
         key("order", "fence or sync") + "</div></div>";
}

std::string points_html(const CrashReport& report) {
  const auto& points = report.timeline.points;
  if (points.empty()) return {};
  std::string text = fmt::format(
      "<details{}><summary>Crash points</summary><div class=\"card\"><table><tr>"
      "<th class=\"n\">#</th><th>Crash</th><th>At</th><th class=\"n\">Open</th>"
      "<th class=\"n\">Possible</th><th class=\"n\">Run</th><th class=\"n\">In recovery</th>"
      "<th class=\"n\">Outcomes</th></tr>",
      points.size() <= 60 ? " open" : "");
  for (std::size_t i = 0; i < points.size(); ++i) {
    const CrashPointSummary& point = points[i];
    const bool failed = std::ranges::any_of(
        report.failures, [&](const CrashFailure& failure) { return failure.point == i; });
    text += fmt::format(
        "<tr{}><td class=\"n\">{}</td><td>{}</td><td class=\"site\">{}</td><td class=\"n\">{}</td>"
        "<td class=\"n\">{}</td><td class=\"n\">{}</td><td class=\"n\">{}</td>"
        "<td class=\"n\">{}</td></tr>",
        failed ? " class=\"failed\"" : "", i, html_text(point.description),
        html_text(point.site.substr(0, point.site.find(", from "))), point.granules,
        large_number(point.product), point.states, point.nested_states, point.outcomes);
  }
  return text + "</table></div></details>";
}

/// Whether an event that a failure speaks of lies in `step`; `event` picks which.
template <class Event>
bool is_named(const CrashReport& report, const CrashStep& step, Event event) {
  const auto names = [&](const CrashGranule& granule) {
    return step.begin < granule.*event && granule.*event <= step.end;
  };
  return std::ranges::any_of(report.failures, [&](const CrashFailure& failure) {
    return std::ranges::any_of(failure.granules, names) ||
           std::ranges::any_of(failure.overtaken, names);
  });
}

std::string steps_html(const CrashReport& report) {
  const CrashTimeline& timeline = report.timeline;
  if (timeline.steps.empty()) return {};
  std::string text =
      "<details><summary>What the workload did</summary><div class=\"card\"><table><tr>"
      "<th class=\"n\">Event</th><th class=\"n\">Thread</th><th>What</th><th "
      "class=\"n\">Address</th>"
      "<th class=\"n\">Bytes</th><th>Where</th></tr>";
  std::size_t operation = 0;
  for (const CrashStep& step : timeline.steps) {
    for (; operation < timeline.operations.size() &&
           timeline.operations[operation].begin <= step.begin;
         ++operation) {
      text += fmt::format("<tr><td></td><td></td><td colspan=\"4\"><b>{}</b></td></tr>",
                          html_text(timeline.operations[operation].name));
    }
    const std::string_view kind = is_named(report, step, &CrashGranule::lost_event)   ? "lost"
                                  : is_named(report, step, &CrashGranule::kept_event) ? "kept"
                                  : step.orders                                       ? "order"
                                                                                      : "";
    text +=
        fmt::format("<tr class=\"{}\"><td class=\"n\">{}</td><td class=\"n\">{}</td><td>{}</td>",
                    kind, step.begin, step.thread, step.kind);
    text += step.bytes == 0 ? std::string("<td></td><td></td>")
                            : fmt::format("<td class=\"n\">{:#x}</td><td class=\"n\">{}</td>",
                                          step.address, step.bytes);
    text += fmt::format("<td>{}</td></tr>", calls_html(step.site));
  }
  text += "</table>";
  if (timeline.steps_left_out != 0) {
    text += fmt::format("<p class=\"soft\">{} left out.</p>",
                        counted(timeline.steps_left_out, "further event"));
  }
  return text + "</div></details>";
}

}  // namespace

std::string html_text(std::string_view text) {
  std::string escaped;
  for (const char character : text) {
    switch (character) {
      case '&':
        escaped += "&amp;";
        break;
      case '<':
        escaped += "&lt;";
        break;
      case '>':
        escaped += "&gt;";
        break;
      case '"':
        escaped += "&quot;";
        break;
      default:
        escaped += character;
    }
  }
  return escaped;
}

std::string CrashReport::to_html() const {
  const std::string_view name = crash_verdict_name(verdict);
  std::string sentence = verdict_sentence(*this);
  sentence[0] = static_cast<char>(std::toupper(static_cast<unsigned char>(sentence[0])));
  std::string text = fmt::format(
      "<!doctype html><html lang=\"en\"><head><meta charset=\"utf-8\">"
      "<meta name=\"viewport\" content=\"width=device-width\"><title>{0}: crash test</title>"
      "<style>{1}</style></head><body><main><h1><span class=\"badge {0}\">{0}</span>"
      "Crash test</h1><p>{2}.</p><p class=\"soft\">model <code>{3}</code>, seed {4}</p>",
      name, kReportStyle, html_text(sentence), html_text(model), seed);
  text += tiles_html(*this);
  if (!failures.empty()) text += failures.size() == 1 ? "<h2>Failure</h2>" : "<h2>Failures</h2>";
  for (const CrashFailure& failure : failures) text += failure_html(failure);
  text += timeline_html(*this) + points_html(*this) + steps_html(*this);
  return text +
         fmt::format("<p class=\"soft\">nacre {}</p></main></body></html>\n", NACRE_VERSION_STRING);
}

}  // namespace nacre
