// Counts words in a map that survives a crash: wal_replay DIRECTORY WORD...
//
// Each word goes to one of two lanes of a write-ahead log and only then into the map. A lane has
// one writer at a time, so that two threads could append at once. The next start replays both
// lanes in one order, that of their LSNs, and has the same map again.
//
// The emulated domain runs on any file system, tmpfs included, and survives a crash of the process
// but not power loss. Leave `domain` out to get one that survives both.

#include <cstdint>
#include <functional>
#include <iostream>
#include <map>
#include <span>
#include <string>
#include <string_view>

#include <nacre/wal.h>

namespace {

constexpr std::uint32_t kLanes = 2;

nacre::Status run(const char* directory, std::span<char*> words) {
  auto wal =
      nacre::Wal::open(directory, {.lanes = kLanes, .domain = nacre::DomainRequest::kEmulated});
  if (!wal) return wal.error();

  std::map<std::string, int> counts;
  const auto apply = [&](std::uint32_t, const nacre::RecordView& record) -> nacre::Status {
    ++counts[std::string(nacre::as_text(record.payload))];
    return {};
  };
  if (auto replayed = wal->replay(apply); !replayed) return replayed.error();
  std::cout << "replayed " << wal->recovery().records << " records\n";

  for (const std::string_view word : words) {
    const auto lane = static_cast<std::uint32_t>(std::hash<std::string_view>()(word) % kLanes);
    const auto lsn = wal->lane(lane).append(nacre::as_bytes(word));
    if (!lsn) return lsn.error();
    ++counts[std::string(word)];  // Durable first, visible second.
  }
  for (const auto& [word, count] : counts) std::cout << word << " " << count << "\n";
  return wal->close();
}

}  // namespace

int main(int argc, char** argv) {
  if (argc < 2) {
    std::cerr << "usage: wal_replay DIRECTORY WORD...\n";
    return 2;
  }
  const std::span arguments(argv, static_cast<std::size_t>(argc));
  if (auto status = run(argv[1], arguments.subspan(2)); !status) {
    std::cerr << status.error().to_string() << "\n";
    return 1;
  }
  return 0;
}
