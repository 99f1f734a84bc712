// Tries every power cut on a linked list in persistent memory: crash_list [--fixed]
//
// The list publishes a node before the node is durable. Without --fixed the explorer finds the
// crash that shows it, and says what would have kept the node; with it, every state passes.

#include <cstdint>
#include <cstring>
#include <iostream>
#include <string_view>
#include <vector>

#include <nacre/emulation/crash_test.h>

namespace {

using Values = std::vector<std::uint64_t>;

struct Node {
  std::uint64_t value;
  std::uint64_t next;  // Where in the region; 0 at the end.
};

/// A stack of numbers. The first word says where its newest node is; node i lies in line i.
class List {
 public:
  List(nacre::pmem::Region& region, bool fixed) : region_(region), fixed_(fixed) {}

  void push(std::uint64_t value, std::uint64_t line) {
    const std::size_t at = line * kLineBytes;
    const Node node{.value = value, .next = head()};
    std::memcpy(region_.data() + at, &node, sizeof node);
    region_.flush(at, sizeof node);
    // The head must not be durable before what it points to.
    if (fixed_) region_.fence();
    region_.store_u64(0, at);
    region_.fence();
  }

  /// Oldest first. Errors: `corruption`.
  nacre::Result<Values> values() const {
    Values values;
    for (std::uint64_t at = head(); at != 0;) {
      if (at >= region_.size() || values.size() > kMostNodes) {
        return nacre::Error(nacre::ErrorCode::kCorruption, "a node points out of the list");
      }
      Node node{};
      std::memcpy(&node, region_.data() + at, sizeof node);
      values.insert(values.begin(), node.value);
      at = node.next;
    }
    return values;
  }

 private:
  static constexpr std::size_t kLineBytes = 64;
  static constexpr std::size_t kMostNodes = 63;

  std::uint64_t head() const {
    std::uint64_t at = 0;
    std::memcpy(&at, region_.data(), sizeof at);
    return at;
  }

  nacre::pmem::Region& region_;
  bool fixed_;
};

/// What was pushed must be there, in order; what was being pushed may be.
nacre::Status check(const Values& values, const nacre::CrashHistory& history) {
  bool right = values.size() >= history.completed_count() && values.size() <= history.begun_count();
  for (std::size_t i = 0; i < values.size(); ++i) right = right && values[i] == (i + 1) * 100;
  if (right) return {};
  return nacre::Error(nacre::ErrorCode::kCorruption,
                      "the list holds something else than was pushed");
}

}  // namespace

int main(int argc, char** argv) {
  const bool fixed = argc > 1 && std::string_view(argv[1]) == "--fixed";
  const nacre::CrashReport report =
      nacre::CrashTest<Values>()
          .run([=](nacre::SimulatedMachine& machine, nacre::CrashRun& run) {
            List list(machine.region(), fixed);
            for (std::uint64_t i = 1; i <= 3; ++i) {
              run.operation("push " + std::to_string(i), [&] { list.push(i * 100, i); });
            }
          })
          .recover([=](nacre::SimulatedMachine& machine) {
            return List(machine.region(), fixed).values();
          })
          .check(check)
          .explore();
  std::cout << report.to_string();
  return report.passed() ? 0 : 1;
}
