#include "lib/metrics/prometheus.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace nacre {
namespace {

using testing::HasSubstr;

TEST(PrometheusWriter, WritesFamiliesAndSamples) {
  PrometheusWriter writer;
  writer.counter("nacre_device_writes_total", "Writes of log blocks to the device.");
  writer.sample({}, 7);
  writer.gauge("nacre_segment_bytes", "Size of the segment files.");
  writer.sample({{"topic", "a"}, {"partition", "0"}}, 65536);
  writer.sample_ratio({}, 2.5);
  writer.sample({{"topic", "b\"\\\n"}, {"partition", "1"}}, 0);
  EXPECT_EQ(writer.text(),
            "# HELP nacre_device_writes_total Writes of log blocks to the device.\n"
            "# TYPE nacre_device_writes_total counter\n"
            "nacre_device_writes_total 7\n"
            "# HELP nacre_segment_bytes Size of the segment files.\n"
            "# TYPE nacre_segment_bytes gauge\n"
            "nacre_segment_bytes{topic=\"a\",partition=\"0\"} 65536\n"
            "nacre_segment_bytes 2.5\n"
            "nacre_segment_bytes{topic=\"b\\\"\\\\\\n\",partition=\"1\"} 0\n");
}

TEST(PrometheusWriter, BucketsOfAHistogramAddUp) {
  Histogram histogram;
  histogram.record(1000);                    // Below the first bound.
  histogram.record(1024);                    // Just above it.
  histogram.record(std::uint64_t{1} << 40);  // Above the last.
  PrometheusWriter writer;
  writer.histogram("nacre_device_write_seconds", "Time of one write.");
  writer.sample_seconds({{"class", "log"}}, histogram.snapshot());
  const std::string& text = writer.text();
  EXPECT_THAT(text, HasSubstr("# TYPE nacre_device_write_seconds histogram\n"));
  EXPECT_THAT(text, HasSubstr("_bucket{class=\"log\",le=\"1.023e-06\"} 1\n"));
  EXPECT_THAT(text, HasSubstr("_bucket{class=\"log\",le=\"2.047e-06\"} 2\n"));
  EXPECT_THAT(text, HasSubstr("_bucket{class=\"log\",le=\"17.179869183\"} 2\n"));
  EXPECT_THAT(text, HasSubstr("_bucket{class=\"log\",le=\"+Inf\"} 3\n"));
  EXPECT_THAT(text, HasSubstr("nacre_device_write_seconds_count{class=\"log\"} 3\n"));
  EXPECT_THAT(text, HasSubstr("nacre_device_write_seconds_sum{class=\"log\"} 1099.5"));
}

}  // namespace
}  // namespace nacre
