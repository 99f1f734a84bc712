#include "bench/stopwatch.h"

#include <algorithm>
#include <cmath>
#include <ctime>

#include "lib/base/assert.h"

namespace nacre::bench {
namespace {

std::uint64_t cpu_ns() noexcept {
  timespec now{};
  clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
  return static_cast<std::uint64_t>(now.tv_sec) * 1'000'000'000 +
         static_cast<std::uint64_t>(now.tv_nsec);
}

}  // namespace

Stopwatch::Stopwatch() noexcept : start_(SteadyClock::now()), cpu_start_ns_(cpu_ns()) {}

Sample Stopwatch::ns_per_operation(std::uint64_t operations) const {
  const auto wall_ns = static_cast<double>(elapsed().count());
  const auto used_ns = static_cast<double>(cpu_ns() - cpu_start_ns_);
  const auto count = static_cast<double>(operations);
  return {wall_ns / count, {{"cpu_ns", used_ns / count}}};
}

Sample Stopwatch::operations_per_second(std::uint64_t operations) const {
  Sample sample = ns_per_operation(operations);
  sample.figure = 1e9 / sample.figure;
  return sample;
}

Sample Stopwatch::gigabytes_per_second(std::uint64_t operations, std::size_t bytes) const {
  Sample sample = ns_per_operation(operations);
  sample.figure = static_cast<double>(bytes) / sample.figure;
  return sample;
}

double percentile(std::vector<std::uint64_t>& values, double share) {
  NACRE_ASSERT(!values.empty());
  const double rank = std::ceil(share * static_cast<double>(values.size()));
  const std::size_t at =
      std::min(values.size() - 1, static_cast<std::size_t>(std::max(rank, 1.0)) - 1);
  std::ranges::nth_element(values, values.begin() + static_cast<std::ptrdiff_t>(at));
  return static_cast<double>(values[at]);
}

}  // namespace nacre::bench
