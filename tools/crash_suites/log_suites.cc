#include <fmt/format.h>

#include <algorithm>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "lib/base/try.h"
#include "nacre/log.h"
#include "tools/crash_suites/log_workload.h"
#include "tools/crash_suites/structure_suites.h"
#include "tools/crash_suites/wal_workload.h"
#include "tools/crash_suites/workload.h"

namespace nacre::tools {
namespace {

constexpr std::uint32_t kTopicPartitions = 2;

/// The names of the topics in their order.
Result<Names> read_topics(SimulatedMachine& machine, const SuiteModel& model) {
  const Log log = NACRE_TRY(open_suite_log(machine, model));
  Names names;
  for (const Topic& topic : log.topics()) {
    names.push_back(topic.name());
    if (topic.partitions() != kTopicPartitions) {
      return wrong(fmt::format("topic {} has {} partitions", topic.name(), topic.partitions()));
    }
    for (std::uint32_t i = 0; i < topic.partitions(); ++i) {
      if (topic.partition(i).durable_end() != Offset{0}) return wrong("a new topic holds messages");
    }
  }
  machine.mark_answered();
  return names;
}

/// Each topic is called as the operation that creates it; the first operation makes the log.
Status check_topics(const Names& found, const CrashHistory& history) {
  const auto operations = history.operations().subspan(1);
  if (found.size() > operations.size()) return wrong("more topics than were created");
  for (std::size_t i = 0; i < operations.size(); ++i) {
    const std::string& name = operations[i].name;
    if (name == "close") continue;
    const OperationState state = history.state(i + 1);
    if (i >= found.size()) {
      if (state == OperationState::kCompleted) return wrong("topic " + name + " is lost");
    } else if (found[i] != name || state == OperationState::kNotBegun) {
      return wrong("topic " + found[i] + " stands in the place of " + name);
    }
  }
  return {};
}

Status create_one_more(SimulatedMachine& machine, const SuiteModel& model) {
  Names expected = NACRE_TRY(read_topics(machine, model));
  {
    Log log = NACRE_TRY(open_suite_log(machine, model));
    NACRE_TRY(log.create_topic("more", kTopicPartitions));
  }
  expected.emplace_back("more");
  if (NACRE_TRY(read_topics(machine, model)) == expected) return {};
  return wrong("a topic that was created after recovery is not there");
}

/// One call on a partition: its messages, as "key=value" or "value".
struct Sending {
  std::uint32_t partition = 0;
  std::vector<std::string> messages = {};
};

const std::vector<Sending>& sendings() {
  static const std::vector<Sending> all = {
      {.partition = 0, .messages = {"first"}},
      {.partition = 1, .messages = {"key=first of one"}},
      {.partition = 0, .messages = {"a", "b=c"}},
      {.partition = 0, .messages = {"last"}},
  };
  return all;
}

void send(const Topic& topic, const Sending& sending) {
  Partition partition = topic.partition(sending.partition);
  if (sending.messages.size() == 1) {
    require(partition.append(message_of(sending.messages.front())));
    return;
  }
  std::vector<Message> messages;
  for (const std::string& text : sending.messages) messages.push_back(message_of(text));
  require(partition.append_batch(messages));
}

Status check_messages(const Partitions& found, const CrashHistory& history) {
  for (std::uint32_t partition = 0; partition < found.size(); ++partition) {
    Names begun;
    std::vector<std::size_t> ends = {0};  // A batch is there as a whole, or not at all.
    std::size_t acknowledged = 0;
    for (std::size_t i = 0; i < sendings().size(); ++i) {
      const Sending& sending = sendings()[i];
      if (sending.partition != partition || history.state(i) == OperationState::kNotBegun) continue;
      begun.insert(begun.end(), sending.messages.begin(), sending.messages.end());
      ends.push_back(begun.size());
      if (history.state(i) == OperationState::kCompleted) acknowledged = begun.size();
    }
    const Names& there = found[partition];
    if (there.size() < acknowledged || std::ranges::find(ends, there.size()) == ends.end()) {
      return wrong(fmt::format("partition {} holds {} messages; {} were acknowledged, {} begun",
                               partition, there.size(), acknowledged, begun.size()));
    }
    if (!std::ranges::equal(there, std::span(begun).first(there.size()))) {
      return wrong(fmt::format("partition {} holds another message", partition));
    }
  }
  return {};
}

}  // namespace

CrashReport explore_log_topics(const SuiteModel& model, CrashTestOptions options) {
  auto log = std::make_shared<std::optional<Log>>();
  return CrashTest<Names>(suite_options(model, std::move(options)))
      .run([=, &model](SimulatedMachine& machine, CrashRun& run) {
        run.operation("open", [&] { log->emplace(require(open_suite_log(machine, model))); });
        for (const char* name : {"one", "two"}) {
          run.operation(name, [&] { require((*log)->create_topic(name, kTopicPartitions)); });
        }
        run.operation("close", [&] { log->reset(); });
      })
      .recover([&model](SimulatedMachine& machine) { return read_topics(machine, model); })
      .check(check_topics)
      .use([&model](SimulatedMachine& machine) { return create_one_more(machine, model); })
      .explore();
}

CrashReport explore_log_messages(const SuiteModel& model, CrashTestOptions options) {
  auto log = std::make_shared<std::optional<Log>>();
  return CrashTest<Partitions>(suite_options(model, std::move(options)))
      .setup([=, &model](SimulatedMachine& machine) {
        log->emplace(require(open_suite_log(machine, model)));
        require((*log)->create_topic("topic", 2));
      })
      .run([=](SimulatedMachine&, CrashRun& run) {
        const Topic topic = require((*log)->topic("topic"));
        for (const Sending& sending : sendings()) {
          run.operation(
              fmt::format("append {} to partition {}", sending.messages.size(), sending.partition),
              [&] { send(topic, sending); });
        }
        run.operation("close", [&] { log->reset(); });
      })
      .recover([&model](SimulatedMachine& machine) { return read_messages(machine, model); })
      .check(check_messages)
      .use([&model](SimulatedMachine& machine) {
        return append_one_more_message(machine, model, "one=more");
      })
      .explore();
}

}  // namespace nacre::tools
