#include "tools/crash_suites/log_workload.h"

#include "lib/base/try.h"
#include "mmap/segment_format.h"
#include "tools/crash_suites/workload.h"

namespace nacre::tools {
namespace {

std::string text_of(const MessageView& message) {
  std::string text(as_text(message.key));
  if (!text.empty()) text += '=';
  return text.append(as_text(message.value));
}

}  // namespace

Result<Log> open_suite_log(SimulatedMachine& machine, const SuiteModel& model) {
  return Log::open("/log", {.segment_bytes = kMinSegmentBytes,
                            .spare_segments = 0,
                            .environment = model.environment(machine)});
}

Message message_of(const std::string& text) {
  const std::size_t equals = text.find('=');
  const Bytes bytes = as_bytes(text);
  if (equals == text.npos) return {.value = bytes};
  return {.value = bytes.subspan(equals + 1), .key = bytes.first(equals)};
}

Result<Names> rest_of(PartitionReader& reader) {
  Names messages;
  while (NACRE_TRY(reader.next())) messages.push_back(text_of(reader.message()));
  return messages;
}

Result<Partitions> read_messages(SimulatedMachine& machine, const SuiteModel& model) {
  const Log log = NACRE_TRY(open_suite_log(machine, model));
  const Topic topic = NACRE_TRY(log.topic("topic"));
  Partitions found;
  for (std::uint32_t i = 0; i < topic.partitions(); ++i) {
    const Partition partition = topic.partition(i);
    PartitionReader reader = NACRE_TRY(partition.reader());
    found.push_back(NACRE_TRY(rest_of(reader)));
    if (partition.durable_end() != Offset{found[i].size()}) return wrong("the end is elsewhere");
    for (std::uint64_t offset = 0; offset < found[i].size(); ++offset) {
      const PinnedMessage again = NACRE_TRY(partition.read(Offset{offset}));
      if (again->offset != Offset{offset}) return wrong("an offset is missing");
      if (text_of(*again) != found[i][offset]) {
        return wrong("read in place, it is another message");
      }
    }
  }
  machine.mark_answered();
  return found;
}

Status append_one_more_message(SimulatedMachine& machine, const SuiteModel& model,
                               const std::string& message) {
  Partitions expected = NACRE_TRY(read_messages(machine, model));
  {
    Log log = NACRE_TRY(open_suite_log(machine, model));
    const Topic topic = NACRE_TRY(log.topic("topic"));
    NACRE_TRY(topic.partition(1).append(message_of(message)));
  }
  expected[1].push_back(message);
  if (NACRE_TRY(read_messages(machine, model)) == expected) return {};
  return wrong("a message appended after recovery is not there");
}

}  // namespace nacre::tools
