#pragma once

// A workload that stores words, and a recovery that reads them, for tests of what else may happen.

#include <cstdint>
#include <cstring>
#include <functional>
#include <string>
#include <utility>

#include "nacre/emulation/crash_test.h"
#include "nacre/emulation/simulated_machine.h"

namespace nacre::test {

inline constexpr std::size_t kLineBytes = 64;

inline std::uint64_t word_at(SimulatedMachine& machine, std::size_t line) {
  std::uint64_t value = 0;
  std::memcpy(&value, machine.region().load(line * kLineBytes, sizeof value).data(), sizeof value);
  return value;
}

/// Number by number: into line 1, and then, with or without a fence between, into line 0.
inline void store_numbers(SimulatedMachine& machine, CrashRun& run, bool fences) {
  for (std::uint64_t i = 1; i <= 3; ++i) {
    run.operation("number " + std::to_string(i), [&] {
      machine.region().store_u64(kLineBytes, i);
      if (fences) machine.region().fence();
      machine.region().store_u64(0, i);
      machine.region().fence();
    });
  }
}

/// The number in line 0, which line 1 has to have as well.
inline Result<std::uint64_t> read_number(SimulatedMachine& machine) {
  const std::uint64_t number = word_at(machine, 0);
  if (number != 0 && word_at(machine, 1) < number) {
    return Error(ErrorCode::kCorruption, "line 1 is behind line 0");
  }
  return number;
}

/// `in_recovery(machine)` comes before that, in each recovery. Without a fence a state fails.
inline CrashTest<std::uint64_t> number_test(bool fences,
                                            std::function<void(SimulatedMachine&)> in_recovery,
                                            CrashTestOptions options = {}) {
  CrashTest<std::uint64_t> test(std::move(options));
  test.run([fences](SimulatedMachine& machine, CrashRun& run) {
        store_numbers(machine, run, fences);
      })
      .recover([in_recovery = std::move(in_recovery)](SimulatedMachine& machine) {
        in_recovery(machine);
        return read_number(machine);
      })
      .check([](const std::uint64_t& number, const CrashHistory& history) -> Status {
        if (number >= history.completed_count() && number <= history.begun_count()) return {};
        return Error(ErrorCode::kCorruption, "found " + std::to_string(number));
      });
  return test;
}

}  // namespace nacre::test
