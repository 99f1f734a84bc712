// Tries every power cut on a program that maps a file and calls msync, and that knows nothing of
// nacre: crash_msync [--fixed]
//
// The counters below lie in two pages; the second one counts how often the first was completed.
// The kernel may write a page back whenever it likes, so that the order of the two needs an msync
// between them.

#include <cstddef>
#include <cstdint>
#include <functional>
#include <iostream>
#include <string_view>
#include <utility>

#include <nacre/emulation/crash_test.h>

namespace somebody_elses {

constexpr std::size_t kPageBytes = 4096;

/// As a mapping made by mmap(2), with its msync(2).
struct Mapping {
  std::uint64_t* words;
  std::function<int(void* address, std::size_t bytes)> msync;
};

void add_entry(Mapping& mapping, std::uint64_t entry, bool fixed) {
  std::uint64_t& count = mapping.words[kPageBytes / sizeof(std::uint64_t)];
  mapping.words[count] = entry;
  if (fixed) mapping.msync(mapping.words, kPageBytes);
  ++count;
  mapping.msync(mapping.words, 2 * kPageBytes);
}

std::pair<std::uint64_t, std::uint64_t> count_and_last(const Mapping& mapping) {
  const std::uint64_t count = mapping.words[kPageBytes / sizeof(std::uint64_t)];
  return {count, count == 0 ? 0 : mapping.words[count - 1]};
}

}  // namespace somebody_elses

namespace {

using CountAndLast = std::pair<std::uint64_t, std::uint64_t>;

/// All that the other program has to be given: memory that is watched, and an msync that is told.
somebody_elses::Mapping map(nacre::SimulatedMachine& machine) {
  nacre::pmem::Region& region = machine.region();
  return {.words = reinterpret_cast<std::uint64_t*>(region.data()),
          .msync = [&region](void* address, std::size_t bytes) {
            const auto begin =
                static_cast<std::size_t>(static_cast<std::byte*>(address) - region.data());
            return region.commit(begin, begin + bytes) ? 0 : -1;
          }};
}

nacre::Status check(const CountAndLast& found, const nacre::CrashHistory& history) {
  const auto [count, last] = found;
  const bool right =
      count >= history.completed_count() && count <= history.begun_count() && last == count * 100;
  if (right) return {};
  return nacre::Error(nacre::ErrorCode::kCorruption,
                      "entry " + std::to_string(count) + " is " + std::to_string(last));
}

}  // namespace

int main(int argc, char** argv) {
  const bool fixed = argc > 1 && std::string_view(argv[1]) == "--fixed";
  const nacre::CrashReport report =
      nacre::CrashTest<CountAndLast>(
          {.machine = {.model = nacre::CrashModel::mapped_pages(), .region_bytes = 8192}})
          .run([=](nacre::SimulatedMachine& machine, nacre::CrashRun& run) {
            somebody_elses::Mapping mapping = map(machine);
            for (std::uint64_t i = 1; i <= 3; ++i) {
              run.operation("add " + std::to_string(i),
                            [&] { somebody_elses::add_entry(mapping, i * 100, fixed); });
            }
          })
          .recover([](nacre::SimulatedMachine& machine) -> nacre::Result<CountAndLast> {
            return somebody_elses::count_and_last(map(machine));
          })
          .check(check)
          .explore();
  std::cout << report.to_string();
  return report.passed() ? 0 : 1;
}
