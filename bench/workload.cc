#include "bench/workload.h"

#include <algorithm>
#include <atomic>
#include <barrier>
#include <cstring>
#include <thread>

#include "bench/nt_store.h"
#include "nacre/random.h"

namespace nacre::bench {

Payloads::Payloads(std::size_t bytes)
    : bytes_(bytes),
      stride_(round_up_to_line(kRecordHeaderBytes + bytes)),
      storage_(kCount * stride_) {
  constexpr std::uint64_t kSeed = 20190701;
  SeededRandom random(kSeed);
  for (std::size_t at = 0; at < storage_.size(); at += sizeof(std::uint64_t)) {
    const std::uint64_t word = random.next_u64();
    std::memcpy(storage_.data() + at, &word, sizeof(word));
  }
}

std::size_t record_bytes(std::size_t payload_bytes) noexcept {
  return round_up_to_line(kRecordHeaderBytes + payload_bytes);
}

std::optional<double> operations_per_second(
    std::size_t threads, Nanoseconds slice,
    const std::function<bool(std::size_t thread, std::uint64_t n)>& chunk) {
  struct alignas(kLineBytes) PerThread {
    double operations = 0;
    SteadyClock::time_point end;
    bool failed = false;
  };
  std::vector<PerThread> results(threads);
  SteadyClock::time_point start;
  std::barrier at_start(static_cast<std::ptrdiff_t>(threads),
                        [&start]() noexcept { start = SteadyClock::now(); });
  {
    std::vector<std::jthread> workers;
    for (std::size_t index = 0; index < threads; ++index) {
      workers.emplace_back([&, index] {
        at_start.arrive_and_wait();
        std::uint64_t operations = 0;
        const auto counted = [&](std::uint64_t n) {
          operations += n;
          return chunk(index, n);
        };
        results[index].failed = !ns_per_operation(slice, counted).has_value();
        results[index].operations = static_cast<double>(operations);
        results[index].end = SteadyClock::now();
      });
    }
  }
  double operations = 0;
  SteadyClock::time_point end = start;
  for (const PerThread& result : results) {
    if (result.failed) return std::nullopt;
    operations += result.operations;
    end = std::max(end, result.end);
  }
  return operations / std::chrono::duration<double>(end - start).count();
}

}  // namespace nacre::bench
