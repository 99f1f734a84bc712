#include "bench/report.h"

#include <fmt/format.h>

#include <array>
#include <iterator>
#include <set>
#include <utility>

#include "bench/json.h"

namespace nacre::bench {
namespace {

std::string_view better_name(Better better) noexcept {
  return better == Better::kLower ? "lower" : "higher";
}

std::string scaled(double value, double step, const std::array<std::string_view, 4>& prefixes,
                   std::string_view unit) {
  std::size_t prefix = 0;
  while (value >= step && prefix + 1 < prefixes.size()) {
    value /= step;
    ++prefix;
  }
  return fmt::format("{:.4g} {}{}", value, prefixes[prefix], unit);
}

void write_figures(JsonWriter& json, std::string_view key, const Row& row, Role role) {
  json.key(key);
  json.begin_object();
  for (const Figure& figure : row.figures) {
    if (figure.role != role || !figure.measured()) continue;
    json.key(figure.name);
    json.value(figure.median());
  }
  json.end_object();
}

void write_beside(JsonWriter& json, const Row& row) {
  json.key("beside");
  json.begin_object();
  for (const Figure& figure : row.figures) {
    if (figure.beside.empty()) continue;
    json.key(figure.name);
    json.begin_object();
    for (const auto& [what, values] : figure.beside) {
      json.key(what);
      json.value(*figure.median_beside(what));
    }
    json.end_object();
  }
  json.end_object();
}

void write_spread(JsonWriter& json, const Row& row) {
  json.key("spread");
  json.begin_object();
  for (const Figure& figure : row.figures) {
    if (!figure.measured()) continue;
    json.key(figure.name);
    json.begin_object();
    json.key("min");
    json.value(figure.min());
    json.key("max");
    json.value(figure.max());
    json.key("rounds");
    json.value(static_cast<double>(figure.samples.size()));
    json.end_object();
  }
  json.end_object();
}

void write_bars(JsonWriter& json, const Row& row) {
  json.key("bars");
  json.begin_array();
  for (const BarResult& bar : row.bars) {
    json.begin_object();
    json.key("bar");
    json.value(bar.text);
    json.key("measured");
    json.value(bar.ratio);
    json.key("met");
    json.value(bar.met);
    json.end_object();
  }
  json.end_array();
}

void write_row(JsonWriter& json, const Row& row) {
  json.begin_object();
  json.key("name");
  json.value(row.name);
  json.key("unit");
  json.value(row.unit);
  json.key("better");
  json.value(better_name(row.better));
  for (const auto& [key, role] :
       {std::pair("nacre", Role::kNacre), std::pair("floor", Role::kFloor)}) {
    if (const Figure* figure = row.find(role)) {
      json.key(key);
      json.value(figure->median());
    }
  }
  write_figures(json, "peers", row, Role::kPeer);
  write_figures(json, "variants", row, Role::kVariant);
  write_beside(json, row);
  write_spread(json, row);
  write_bars(json, row);
  json.end_object();
}

void write_machine(JsonWriter& json, const Machine& machine) {
  json.begin_object();
  json.key("cpu");
  json.value(machine.cpu);
  json.key("cores");
  json.value(static_cast<double>(machine.cores));
  json.key("kernel");
  json.value(machine.kernel);
  json.key("memory_gib");
  json.value(static_cast<double>(machine.memory_bytes) / (1U << 30));
  json.key("file_systems");
  json.begin_object();
  for (const auto& [key, name] : {std::pair("memory", &machine.memory_file_system),
                                  std::pair("disk", &machine.disk_file_system)}) {
    if (name->empty()) continue;
    json.key(key);
    json.value(*name);
  }
  json.end_object();
  for (const auto& [key, text] :
       {std::pair("compiler", &machine.compiler), std::pair("build_type", &machine.build_type),
        std::pair("nacre", &machine.nacre_version), std::pair("date", &machine.date)}) {
    json.key(key);
    json.value(*text);
  }
  if (!machine.memory_model.empty()) {
    json.key("memory_model");
    json.value(machine.memory_model);
  }
  json.end_object();
}

}  // namespace

std::string human_figure(double value, std::string_view unit) {
  if (unit == "ns/op") return scaled(value, 1000, {"n", "\u00b5", "m", ""}, "s");
  if (unit == "ops/s") return scaled(value, 1000, {"", "k", "M", "G"}, "/s");
  if (unit == "bytes") return scaled(value, 1024, {"", "Ki", "Mi", "Gi"}, "B");
  return fmt::format("{:.4g} {}", value, unit);
}

std::string human_beside(std::string_view what, double value) {
  constexpr std::string_view kTime = "_ns";
  constexpr std::string_view kByteRate = "_bytes_s";
  if (what.ends_with(kByteRate)) {
    what.remove_suffix(kByteRate.size());
    return fmt::format("{} {}/s", what, human_figure(value, "bytes"));
  }
  if (what.ends_with(kTime)) {
    what.remove_suffix(kTime.size());
    return fmt::format("{} {}", what, human_figure(value, "ns/op"));
  }
  return fmt::format("{} {:.4g}", what, value);
}

double relative_cost(double value, double floor, Better better) noexcept {
  return better == Better::kLower ? value / floor : floor / value;
}

std::string table_rows(const Row& row) {
  std::string out = fmt::format("{}  ({} is better)\n", row.name, better_name(row.better));
  const Figure* floor = row.find(Role::kFloor);
  const Figure* nacre = row.find(Role::kNacre);
  auto append = std::back_inserter(out);
  for (const Figure& figure : row.figures) {
    if (!figure.measured()) {
      fmt::format_to(append, "  {:<24} not measured: {}\n", figure.name, figure.failure);
      continue;
    }
    const double median = figure.median();
    fmt::format_to(append, "  {:<24}{:>12}   {:>9} .. {:<9}", figure.name,
                   human_figure(median, row.unit), human_figure(figure.min(), row.unit),
                   human_figure(figure.max(), row.unit));
    if (floor != nullptr) {
      fmt::format_to(append, "  {:6.2f} x floor",
                     relative_cost(median, floor->median(), row.better));
    }
    if (nacre != nullptr && figure.role == Role::kPeer) {
      fmt::format_to(append, "  {:6.2f} x nacre",
                     relative_cost(median, nacre->median(), row.better));
    }
    for (const auto& [what, values] : figure.beside) {
      fmt::format_to(append, "  {}", human_beside(what, *figure.median_beside(what)));
    }
    out += '\n';
  }
  for (const BarResult& bar : row.bars) {
    fmt::format_to(append, "  {} {}: {:.3g}\n", bar.met ? "met   " : "MISSED", bar.text, bar.ratio);
  }
  return out;
}

std::string tuning_notes(const std::vector<Row>& rows) {
  std::string out;
  std::set<std::pair<std::string, std::string>> told;
  for (const Row& row : rows) {
    for (const Figure& figure : row.figures) {
      if (figure.tuning.empty() || !told.emplace(figure.name, figure.tuning).second) continue;
      fmt::format_to(std::back_inserter(out), "  {:<24}{}\n", figure.name, figure.tuning);
    }
  }
  return out;
}

std::string to_json(const std::vector<Row>& rows, const Machine& machine) {
  JsonWriter json;
  json.begin_object();
  json.key("rows");
  json.begin_array();
  for (const Row& row : rows) write_row(json, row);
  json.end_array();
  json.key("machine");
  write_machine(json, machine);
  json.end_object();
  return json.finish();
}

}  // namespace nacre::bench
