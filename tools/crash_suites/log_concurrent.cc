#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "lib/base/try.h"
#include "nacre/emulation/durable_linearizability.h"
#include "nacre/log.h"
#include "tools/crash_suites/log_workload.h"
#include "tools/crash_suites/structure_suites.h"
#include "tools/crash_suites/wal_workload.h"
#include "tools/crash_suites/workload.h"

namespace nacre::tools {
namespace {

constexpr std::uint32_t kPartitions = 2;

/// A call on one partition: it appends `message`, or without one reads all that is there.
struct PartitionCall {
  std::uint32_t partition = 0;
  std::string message = {};

  std::string name() const {
    return message.empty() ? fmt::format("read partition {}", partition)
                           : fmt::format("append '{}' to partition {}", message, partition);
  }
};

/// What each thread calls. Whoever is interrupted in an append leaves it to another thread's read.
const std::vector<std::vector<PartitionCall>>& threads() {
  static const std::vector<std::vector<PartitionCall>> all = {
      {{.partition = 0, .message = "a=of one"}, {.partition = 1}, {.partition = 0}},
      {{.partition = 0}, {.partition = 1, .message = "b of two"}, {.partition = 0}},
      {{.partition = 1}, {.partition = 0, .message = "c of three"}, {.partition = 1}},
  };
  return all;
}

/// Of a dozen runs over readers that see what is not durable yet, each with other schedules, so
/// many find it: over a block device 9 with 20 schedules and 12 with 40, over memory 7 and 9.
constexpr std::size_t kSchedules = 40;

/// What a topic is, call by call. An append returns its offset, a read what it has read.
struct MessageLists {
  Partitions partitions = Partitions(kPartitions);

  std::string apply(const PartitionCall& call) {
    Names& messages = partitions[call.partition];
    if (call.message.empty()) return fmt::format("{}", messages);
    messages.push_back(call.message);
    return fmt::format("offset {}", messages.size() - 1);
  }
  friend bool operator==(const MessageLists&, const MessageLists&) = default;
};

std::string to_string(const MessageLists& lists) { return fmt::format("{}", lists.partitions); }

/// A topic that several threads call. While one waits for the device, the others may add theirs to
/// the next commit.
class SharedTopic {
 public:
  explicit SharedTopic(Topic topic) : topic_(topic) {}

  std::string call(const PartitionCall& call) {
    Partition partition = topic_.partition(call.partition);
    if (call.message.empty()) {
      PartitionReader reader = require(partition.reader());
      return fmt::format("{}", require(rest_of(reader)));
    }
    const Offset offset = require(partition.submit(message_of(call.message)));
    // The executor of a simulated machine is driven by one thread at a time.
    const std::scoped_lock driving(drive_);
    require(partition.wait(offset));
    return fmt::format("offset {}", offset.value);
  }

 private:
  Topic topic_;
  std::mutex drive_;
};

}  // namespace

CrashReport explore_log_concurrent(const SuiteModel& model, CrashTestOptions options) {
  auto log = std::make_shared<std::optional<Log>>();
  CrashCalls<PartitionCall, std::string> calls;
  options.schedules = std::max(options.schedules, kSchedules);
  return CrashTest<MessageLists>(suite_options(model, std::move(options)))
      .setup([=, &model](SimulatedMachine& machine) {
        log->emplace(require(open_suite_log(machine, model)));
        require((*log)->create_topic("topic", kPartitions));
      })
      .run([=, &calls](SimulatedMachine&, CrashRun& run) {
        calls.clear();
        SharedTopic topic(require((*log)->topic("topic")));
        std::vector<std::function<void()>> bodies;
        for (const std::vector<PartitionCall>& own : threads()) {
          bodies.emplace_back([&] {
            for (const PartitionCall& call : own) {
              calls.perform(run, call.name(), call, [&] { return topic.call(call); });
            }
          });
        }
        run.threads(bodies);
        run.operation("close", [&] { log->reset(); });
      })
      .recover([&model](SimulatedMachine& machine) -> Result<MessageLists> {
        return MessageLists{NACRE_TRY(read_messages(machine, model))};
      })
      .check([&](const MessageLists& found, const CrashHistory& history) {
        return durably_linearizable(MessageLists(), calls.all(), history, found);
      })
      .use([&model](SimulatedMachine& machine) {
        return append_one_more_message(machine, model, "one=more");
      })
      .explore();
}

}  // namespace nacre::tools
