#include "bench/report.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "bench/plot.h"

namespace nacre::bench {
namespace {

Figure figure(std::string name, Role role, double value) {
  Figure made;
  made.name = std::move(name);
  made.role = role;
  if (value > 0) made.samples = {value};
  return made;
}

Row sample_row() {
  Row row;
  row.name = "append/64";
  row.unit = "ns/op";
  row.figures = {figure("nacre", Role::kNacre, 110), figure("floor", Role::kFloor, 100),
                 figure("zero", Role::kPeer, 220), figure("classic", Role::kPeer, 0),
                 figure("zero_streamed", Role::kVariant, 105)};
  return row;
}

TEST(BenchReport, RelativeCostGrowsWithTheCostWhicheverWayIsBetter) {
  EXPECT_DOUBLE_EQ(relative_cost(110, 100, Better::kLower), 1.1);
  EXPECT_DOUBLE_EQ(relative_cost(50, 100, Better::kHigher), 2);
}

TEST(BenchReport, FiguresReadAsAPersonReadsThem) {
  EXPECT_EQ(human_figure(104.2, "ns/op"), "104.2 ns");
  EXPECT_EQ(human_figure(78100, "ns/op"), "78.1 µs");
  EXPECT_EQ(human_figure(9.87e6, "ops/s"), "9.87 M/s");
  EXPECT_EQ(human_figure(1 << 20, "bytes"), "1 MiB");
  EXPECT_EQ(human_figure(6.5, "GB/s"), "6.5 GB/s");
}

TEST(BenchReport, JsonNamesWhatWasMeasuredAndNothingElse) {
  const std::string json = to_json({sample_row()}, Machine{});
  EXPECT_NE(json.find("\"nacre\": 110"), std::string::npos) << json;
  EXPECT_NE(json.find("\"floor\": 100"), std::string::npos) << json;
  EXPECT_NE(json.find("\"zero\": 220"), std::string::npos) << json;
  EXPECT_EQ(json.find("classic"), std::string::npos) << json;
}

TEST(BenchReport, JsonEscapesWhatMachinesAreCalled) {
  Machine machine;
  machine.cpu = "a \"quoted\" \\ name\n";
  EXPECT_NE(to_json({}, machine).find(R"("a \"quoted\" \\ name\u000a")"), std::string::npos);
}

TEST(BenchReport, TableSaysWhyAFigureIsMissing) {
  Row row = sample_row();
  row.figures[3].failure = "no room";
  EXPECT_NE(table_rows(row).find("classic                  not measured: no room"),
            std::string::npos)
      << table_rows(row);
}

TEST(BenchReport, TableAndJsonHaveWhatStandsBesideAFigure) {
  Row row = sample_row();
  row.figures[0].beside["p99_ns"] = {1000, 3000, 2000};
  EXPECT_NE(table_rows(row).find("p99 2 µs"), std::string::npos) << table_rows(row);
  const std::string json = to_json({row}, Machine{});
  EXPECT_NE(json.find("\"p99_ns\": 2000"), std::string::npos) << json;
}

TEST(BenchReport, WhatStandsBesideReadsByTheUnitInItsName) {
  EXPECT_EQ(human_beside("cpu_ns", 2100), "cpu 2.1 µs");
  EXPECT_EQ(human_beside("background_bytes_s", 3 << 20), "background 3 MiB/s");
  EXPECT_EQ(human_beside("retries", 3), "retries 3");
}

TEST(BenchPlot, DrawsABarForEachMeasuredContenderBesideTheFloor) {
  const std::string svg = to_svg({sample_row()}, Machine{});
  EXPECT_NE(svg.find("nacre 1.10×"), std::string::npos) << svg;
  EXPECT_NE(svg.find("zero 2.20×"), std::string::npos);
  EXPECT_EQ(svg.find("classic"), std::string::npos);
  EXPECT_EQ(svg.find("<script"), std::string::npos);
}

TEST(BenchPlot, LeavesOutRowsWithoutAFloorAndDrawsNothingFromNothing) {
  Row row = sample_row();
  row.figures[1].samples.clear();
  const std::string svg = to_svg({row}, Machine{});
  EXPECT_EQ(svg.find("append/64"), std::string::npos);
  EXPECT_EQ(svg.find("nan"), std::string::npos);
}

TEST(BenchPlot, EscapesMarkup) {
  Machine machine;
  machine.cpu = "<b>&";
  EXPECT_NE(to_svg({}, machine).find("&lt;b&gt;&amp;"), std::string::npos);
}

}  // namespace
}  // namespace nacre::bench
