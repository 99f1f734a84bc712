#include "bench/plot.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <iterator>
#include <string_view>
#include <utility>

#include "bench/report.h"

namespace nacre::bench {
namespace {

constexpr double kWidth = 920;
constexpr double kLeft = 150;   // Row names end here; bars start.
constexpr double kRight = 190;  // Room for a bar's label behind the longest bar.
constexpr double kTop = 92;
constexpr double kBarHeight = 15;
constexpr double kBarGap = 3;
constexpr double kGroupGap = 16;
constexpr double kFooter = 74;
constexpr double kPlotWidth = kWidth - kLeft - kRight;
/// Beyond this ratio between the longest and the shortest bar, a linear axis hides the short ones.
constexpr double kWideSpread = 8;

struct Colour {
  std::string_view name;
  std::string_view fill;
};

// nacre stands out; the peers keep their colour from row to row, apart also for the colour-blind
// (Okabe and Ito, "Color Universal Design", 2008).
constexpr std::array<Colour, 9> kColours{{{"nacre", "#b3125f"},
                                          {"rocksdb", "#e69f00"},
                                          {"leveldb", "#56b4e9"},
                                          {"lmdb", "#009e73"},
                                          {"libpmemlog", "#0072b2"},
                                          {"zero", "#7b8794"},
                                          {"classic", "#aab4bf"},
                                          {"pwrite_fdatasync", "#9c755f"},
                                          {"msync", "#d9c2a3"}}};

std::string_view colour_of(std::string_view name) noexcept {
  for (const Colour& colour : kColours) {
    if (colour.name == name) return colour.fill;
  }
  return "#444444";
}

struct BarShape {
  std::string name;
  std::string label;
  double cost = 1;  // In floors.
};

struct Group {
  std::string name;
  std::string floor_label;
  std::vector<BarShape> bars;
  double bars_height() const noexcept {
    return static_cast<double>(bars.size()) * (kBarHeight + kBarGap) - kBarGap;
  }
  /// The row's name and floor stand on two lines, also beside a single bar.
  double height() const noexcept { return std::max(bars_height(), 28.0); }
};

std::vector<Group> groups_of(const std::vector<Row>& rows) {
  std::vector<Group> groups;
  for (const Row& row : rows) {
    const Figure* floor = row.find(Role::kFloor);
    if (floor == nullptr) continue;
    Group group{.name = row.name,
                .floor_label = "floor " + human_figure(floor->median(), row.unit),
                .bars = {}};
    for (const Figure& figure : row.figures) {
      const bool shown = figure.role == Role::kNacre || figure.role == Role::kPeer;
      if (!shown || !figure.measured()) continue;
      const double cost = relative_cost(figure.median(), floor->median(), row.better);
      group.bars.push_back({.name = figure.name,
                            .label = fmt::format("{} {:.2f}\u00d7 ({})", figure.name, cost,
                                                 human_figure(figure.median(), row.unit)),
                            .cost = cost});
    }
    if (!group.bars.empty()) groups.push_back(std::move(group));
  }
  return groups;
}

/// Maps a cost to a distance from the axis' left end.
class Scale {
 public:
  explicit Scale(const std::vector<Group>& groups) {
    double lowest = 1;
    double highest = 1;
    for (const Group& group : groups) {
      for (const BarShape& bar : group.bars) {
        lowest = std::min(lowest, bar.cost);
        highest = std::max(highest, bar.cost);
      }
    }
    logarithmic_ = highest / lowest > kWideSpread;
    low_ = logarithmic_ ? lowest / 1.1 : 0;
    high_ = highest * 1.02;
  }

  /// Where bars start. A logarithmic axis has no zero: there they grow from the floor, to the right
  /// when they cost more and to the left when they cost less.
  double origin() const { return x(logarithmic_ ? 1 : 0); }

  bool logarithmic() const noexcept { return logarithmic_; }

  double x(double cost) const {
    const double part = logarithmic_ ? std::log(cost / low_) / std::log(high_ / low_)
                                     : (cost - low_) / (high_ - low_);
    return kLeft + part * kPlotWidth;
  }

  std::vector<double> ticks() const {
    std::vector<double> ticks;
    if (!logarithmic_) {
      const double step = high_ > 4 ? 1 : 0.5;
      for (double at = 0; at <= high_; at += step) ticks.push_back(at);
      return ticks;
    }
    for (double decade = 0.001; decade < 1e6; decade *= 10) {
      for (const double factor : {1.0, 2.0, 3.0, 5.0}) {
        const double at = decade * factor;
        if (at >= low_ && at <= high_) ticks.push_back(at);
      }
    }
    return ticks;
  }

 private:
  bool logarithmic_ = false;
  double low_ = 0;
  double high_ = 1;
};

std::string escaped(std::string_view text) {
  std::string out;
  for (const char c : text) {
    switch (c) {
      case '&':
        out += "&amp;";
        break;
      case '<':
        out += "&lt;";
        break;
      case '>':
        out += "&gt;";
        break;
      default:
        out += c;
    }
  }
  return out;
}

void text(std::string& svg, double x, double y, std::string_view attributes,
          std::string_view content) {
  fmt::format_to(std::back_inserter(svg), "<text x=\"{:.1f}\" y=\"{:.1f}\" {}>{}</text>\n", x, y,
                 attributes, escaped(content));
}

void draw_axis(std::string& svg, const Scale& scale, double bottom) {
  for (const double tick : scale.ticks()) {
    const bool is_floor = tick == 1;
    fmt::format_to(std::back_inserter(svg),
                   "<line x1=\"{0:.1f}\" x2=\"{0:.1f}\" y1=\"{1:.1f}\" y2=\"{2:.1f}\" "
                   "stroke=\"{3}\" stroke-width=\"{4}\"/>\n",
                   scale.x(tick), kTop - 10, bottom, is_floor ? "#333333" : "#e3e3e3",
                   is_floor ? 1.5 : 1);
    text(svg, scale.x(tick), bottom + 16,
         is_floor ? "text-anchor=\"middle\" font-weight=\"bold\"" : "text-anchor=\"middle\"",
         fmt::format("{:g}\u00d7", tick));
  }
}

void draw_bar(std::string& svg, const BarShape& bar, const Scale& scale, double y) {
  constexpr double kThinnest = 2;
  const double end = scale.x(bar.cost);
  const double left = std::min(end, scale.origin());
  const double width = std::max(std::abs(end - scale.origin()), kThinnest);
  fmt::format_to(std::back_inserter(svg),
                 "<rect x=\"{:.1f}\" y=\"{:.1f}\" width=\"{:.1f}\" height=\"{:.1f}\" "
                 "fill=\"{}\"/>\n",
                 left, y, width, kBarHeight, colour_of(bar.name));
  // Labels stand on the right, where no row name is in their way.
  text(svg, left + width + 6, y + kBarHeight - 4,
       bar.name == "nacre" ? "font-weight=\"bold\"" : "fill=\"#444444\"", bar.label);
}

void draw_group(std::string& svg, const Group& group, const Scale& scale, double top) {
  const double middle = top + group.height() / 2;
  text(svg, kLeft - 12, middle - 2, "text-anchor=\"end\" font-weight=\"bold\" font-size=\"13\"",
       group.name);
  text(svg, kLeft - 12, middle + 12, "text-anchor=\"end\" fill=\"#777777\"", group.floor_label);
  double y = top + (group.height() - group.bars_height()) / 2;
  for (const BarShape& bar : group.bars) {
    draw_bar(svg, bar, scale, y);
    y += kBarHeight + kBarGap;
  }
}

void draw_footer(std::string& svg, const Scale& scale, const Machine& machine, double top) {
  text(svg, kLeft, top, "fill=\"#555555\"",
       fmt::format("cost relative to the floor, {} scale; further left is better",
                   scale.logarithmic() ? "logarithmic" : "linear"));
  text(svg, kLeft, top + 16, "fill=\"#777777\"",
       fmt::format("{}, {} cores, {}, {}", machine.cpu, machine.cores, machine.kernel,
                   machine.compiler));
  text(svg, kLeft, top + 32, "fill=\"#777777\"",
       fmt::format("nacre {}, {}; medians", machine.nacre_version, machine.date));
}

}  // namespace

std::string to_svg(const std::vector<Row>& rows, const Machine& machine) {
  const std::vector<Group> groups = groups_of(rows);
  const Scale scale(groups);
  double bottom = kTop;
  for (const Group& group : groups) bottom += group.height() + kGroupGap;

  std::string svg = fmt::format(
      "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {0:g} {1:g}\" width=\"{0:g}\" "
      "height=\"{1:g}\" font-family=\"Helvetica, Arial, sans-serif\" font-size=\"11\" "
      "fill=\"#222222\">\n<rect width=\"100%\" height=\"100%\" fill=\"#ffffff\"/>\n",
      kWidth, bottom + kFooter);
  text(svg, kLeft, 34, "font-size=\"18\" font-weight=\"bold\"",
       "nacre: a durable append against its floor and its peers");
  text(svg, kLeft, 54, "fill=\"#555555\"",
       "1\u00d7 is the floor: the bare stores, writes or checksums that no log can do without");
  draw_axis(svg, scale, bottom);
  double top = kTop;
  for (const Group& group : groups) {
    draw_group(svg, group, scale, top);
    top += group.height() + kGroupGap;
  }
  draw_footer(svg, scale, machine, bottom + 36);
  svg += "</svg>\n";
  return svg;
}

}  // namespace nacre::bench
