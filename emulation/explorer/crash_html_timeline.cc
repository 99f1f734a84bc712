// The timeline of a report. Time runs from left to right; each step takes the same room, however
// many events it has. Heights are logarithms, since the states of a crash point multiply.

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "emulation/explorer/crash_html.h"
#include "emulation/explorer/report_text.h"

namespace nacre {
namespace {

constexpr double kLeft = 76;
constexpr double kRight = 20;
constexpr double kTop = 22;
constexpr double kBars = 96;
constexpr double kPoints = 26;
constexpr double kLane = 50;
constexpr double kMoment = 12;
constexpr double kLeastWidth = 1000;
constexpr double kMostWidth = 24000;

class Timeline {
 public:
  explicit Timeline(const CrashReport& report) : report_(report), timeline_(report.timeline) {
    place_moments();
    share_lanes();
    const double wanted = kMoment * static_cast<double>(moments_.size()) + kLeft + kRight;
    width_ = std::clamp(wanted, kLeastWidth, kMostWidth);
    for (const CrashPointSummary& point : timeline_.points) {
      most_ = std::max(most_, height(std::max(point.product, states(point))));
    }
  }

  std::string svg() {
    text_ = fmt::format(
        "<svg width=\"{0:.0f}\" height=\"{1:.0f}\" viewBox=\"0 0 {0:.0f} {1:.0f}\" role=\"img\" "
        "aria-label=\"Timeline\">",
        width_, lane_y(lane_count_) + 6);
    add_label(kTop + kBars / 2, "states");
    add_label(points_y() + 4, "crashes");
    for (std::size_t i = 0; i < timeline_.points.size(); ++i) add_point(i);
    for (std::size_t lane = 0; lane < lane_count_; ++lane) {
      add_label(lane_y(lane) + kLane / 2, lane_title(lane));
    }
    for (const CrashSpan& span : timeline_.operations) add_operation(span);
    for (const CrashStep& step : timeline_.steps) add_step(step);
    return text_ + "</svg>";
  }

 private:
  static double height(double states) { return std::log2(1 + states); }
  static double states(const CrashPointSummary& point) { return static_cast<double>(point.states); }

  void place_moments() {
    for (const CrashSpan& span : timeline_.operations) {
      moments_.insert(moments_.end(), {span.begin, span.end});
    }
    for (const CrashStep& step : timeline_.steps) moments_.push_back(step.begin);
    for (const CrashPointSummary& point : timeline_.points) moments_.push_back(point.event);
    std::ranges::sort(moments_);
    moments_.erase(std::ranges::unique(moments_).begin(), moments_.end());
  }

  /// Threads that do not work at one time have a lane together.
  void share_lanes() {
    std::map<std::uint16_t, CrashSpan> lives;
    const auto extend = [&](std::uint16_t thread, std::size_t begin, std::size_t end) {
      CrashSpan& life =
          lives.try_emplace(thread, CrashSpan{.name = {}, .thread = thread, .begin = begin})
              .first->second;
      life.begin = std::min(life.begin, begin);
      life.end = std::max(life.end, end);
    };
    for (const CrashSpan& span : timeline_.operations) extend(span.thread, span.begin, span.end);
    for (const CrashStep& step : timeline_.steps) extend(step.thread, step.begin, step.end);
    std::vector<std::size_t> free_from;  // By lane.
    for (const auto& [thread, life] : lives) {
      const auto lane =
          std::ranges::find_if(free_from, [&](std::size_t end) { return end <= life.begin; });
      lanes_[thread] = static_cast<std::size_t>(lane - free_from.begin());
      if (lane == free_from.end()) {
        free_from.push_back(life.end);
      } else {
        *lane = life.end;
      }
    }
    lane_count_ = free_from.size();
  }

  std::string lane_title(std::size_t lane) const {
    const auto is_here = [&](const auto& entry) { return entry.second == lane; };
    if (std::ranges::count_if(lanes_, is_here) > 1) return "threads";
    return fmt::format("thread {}", std::ranges::find_if(lanes_, is_here)->first);
  }

  double x(std::size_t event) const {
    const auto moment = std::ranges::lower_bound(moments_, event) - moments_.begin();
    const double last = static_cast<double>(std::max<std::size_t>(2, moments_.size()) - 1);
    return kLeft + (width_ - kLeft - kRight) * static_cast<double>(moment) / last;
  }
  static double points_y() { return kTop + kBars + kPoints / 2; }
  static double lane_y(std::size_t lane) {
    return kTop + kBars + kPoints + kLane * static_cast<double>(lane);
  }
  bool has_failed(std::size_t point) const {
    return std::ranges::any_of(report_.failures,
                               [&](const CrashFailure& failure) { return failure.point == point; });
  }
  double bar_width() const {
    const double moments = static_cast<double>(std::max<std::size_t>(1, moments_.size()));
    return std::clamp((width_ - kLeft - kRight) / moments * 0.8, 2.0, 12.0);
  }

  void add_label(double y, std::string_view text) {
    text_ += fmt::format("<text class=\"soft\" x=\"0\" y=\"{:.1f}\">{}</text>", y, html_text(text));
  }

  void add_bar(std::string_view kind, double at, double states) {
    const double tall = kBars * height(states) / most_;
    text_ += fmt::format(
        "<rect class=\"{}\" x=\"{:.1f}\" y=\"{:.1f}\" width=\"{:.1f}\" height=\"{:.1f}\" "
        "rx=\"1.5\"/>",
        kind, at - bar_width() / 2, kTop + kBars - tall, bar_width(), tall);
  }

  void add_point(std::size_t index) {
    const CrashPointSummary& point = timeline_.points[index];
    const double at = x(point.event);
    text_ += fmt::format(
        "<g><title>{}: crash {}\n{} run of {} possible, {} after a crash in recovery{}{}</title>",
        index, html_text(point.description), counted(point.states, "state"),
        large_number(point.product), point.nested_states, point.site.empty() ? "" : "\n",
        html_text(point.site));
    add_bar("all", at, point.product);
    add_bar(has_failed(index) ? "failed" : "run", at, states(point));
    if (has_failed(index)) {
      text_ += fmt::format(
          "<line class=\"fall\" x1=\"{0:.1f}\" x2=\"{0:.1f}\" y1=\"{1:.1f}\" y2=\"{2:.1f}\"/>", at,
          points_y(), lane_y(lane_count_));
    }
    text_ += fmt::format("<circle class=\"{}\" cx=\"{:.1f}\" cy=\"{:.1f}\" r=\"3.6\"/></g>",
                         has_failed(index)   ? "failed"
                         : point.product > 1 ? "point"
                                             : "shut",
                         at, points_y());
  }

  void add_operation(const CrashSpan& span) {
    const double left = x(span.begin);
    const double wide = std::max(2.0, x(span.end) - left);
    const double top = lane_y(lanes_[span.thread]) + 4;
    text_ += fmt::format(
        "<g><title>{}, thread {}</title><rect class=\"op\" x=\"{:.1f}\" y=\"{:.1f}\" "
        "width=\"{:.1f}\" "
        "height=\"{:.1f}\" rx=\"4\"/>",
        html_text(span.name), span.thread, left, top, wide, kLane - 8);
    constexpr double kCharacter = 7;
    const auto room = static_cast<std::size_t>(std::max(0.0, (wide - 8) / kCharacter));
    if (room >= std::min<std::size_t>(span.name.size(), 4)) {
      text_ += fmt::format("<text x=\"{:.1f}\" y=\"{:.1f}\">{}</text>", left + 5, top + 14,
                           html_text(span.name.substr(0, room)));
    }
    text_ += "</g>";
  }

  void add_step(const CrashStep& step) {
    const bool flushes = step.kind == "flush";
    const double low = lane_y(lanes_[step.thread]) + kLane - 6;
    const double tall = step.orders ? 22 : flushes ? 14 : 8;
    const double at = x(step.begin);
    text_ += fmt::format(
        "<line class=\"{0}\" x1=\"{1:.1f}\" x2=\"{1:.1f}\" y1=\"{2:.1f}\" y2=\"{3:.1f}\">"
        "<title>{4} {5}</title></line>",
        step.orders ? "order"
        : flushes   ? "flush"
                    : "store",
        at, low - tall, low, step.kind, html_text(step.site));
  }

  const CrashReport& report_;
  const CrashTimeline& timeline_;
  std::vector<std::size_t> moments_;  // Events that have a place of their own.
  std::map<std::uint16_t, std::size_t> lanes_;
  std::size_t lane_count_ = 0;
  double width_ = kLeastWidth;
  double most_ = 1;
  std::string text_;
};

}  // namespace

std::string timeline_svg(const CrashReport& report) { return Timeline(report).svg(); }

}  // namespace nacre
