// nacre cat: prints the messages of a partition, also while another process is writing it.

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <cstdint>
#include <limits>
#include <memory>
#include <string>

#include "lib/base/endian.h"
#include "lib/base/try.h"
#include "lib/codec/json_writer.h"
#include "nacre/log.h"
#include "tools/command.h"
#include "tools/interrupt.h"
#include "tools/key_text.h"
#include "tools/log_directory.h"
#include "tools/output.h"
#include "tools/text.h"

namespace nacre::tools {
namespace {

constexpr std::uint32_t kFirstPollMs = 2;
constexpr std::uint32_t kSlowestPollMs = 100;

constexpr std::uint64_t kAllMessages = std::numeric_limits<std::uint64_t>::max();
/// 2^64-1 itself is never handed out.
constexpr std::uint64_t kLargestOffset = std::numeric_limits<std::uint64_t>::max() - 1;

enum class CatFormat : std::uint8_t { kLines, kStanzas, kLengthPrefixed, kRaw };

struct CatOptions {
  std::string directory;
  std::string topic;
  std::uint32_t partition = 0;
  std::uint64_t from = 0;
  bool from_given = false;
  std::uint64_t count = kAllMessages;
  bool follow = false;
  CatFormat format = CatFormat::kLines;
  bool json = false;
};

std::string json_line(const MessageView& message) {
  JsonWriter json;
  json.begin_object()
      .field("offset", message.offset.value)
      .field("timestamp_ns", message.timestamp_ns)
      .field("time", format_time(message.timestamp_ns));
  if (!message.key.empty()) put_bytes(json, "key", message.key);
  put_bytes(json, "value", message.value);
  return json.end_object().text() + "\n";
}

Status put_message(OutputBuffer& output, const CatOptions& options, const MessageView& message) {
  if (options.json) return output.write(json_line(message));
  if (options.format == CatFormat::kLengthPrefixed) {
    const le32 length = static_cast<std::uint32_t>(message.value.size());
    NACRE_TRY(output.write(std::as_bytes(std::span(&length, 1))));
  }
  NACRE_TRY(output.write(message.value));
  if (options.format == CatFormat::kLines) return output.write("\n");
  if (options.format == CatFormat::kStanzas) return output.write("\n\n");
  return {};
}

// Waits longer each time nothing has come, so that an idle log costs next to nothing.
class Poll {
 public:
  bool wait() {
    const std::uint32_t delay_ms = delay_ms_;
    delay_ms_ = std::min(delay_ms_ * 2, kSlowestPollMs);
    return sleep_unless_stopped(delay_ms, STDOUT_FILENO);
  }
  void something_came() { delay_ms_ = kFirstPollMs; }

 private:
  std::uint32_t delay_ms_ = kFirstPollMs;
};

Result<ExitCode> run_cat(const CatOptions& options) {
  if (options.follow) stop_on_signals();
  NACRE_TRY(check_is_directory(options.directory));
  LogView view = NACRE_TRY(LogView::open(options.directory));
  ViewReader reader = NACRE_TRY(
      options.from_given ? view.reader(options.topic, options.partition, Offset{options.from})
                         : view.reader(options.topic, options.partition));
  OutputBuffer output(STDOUT_FILENO);
  Poll poll;
  std::uint64_t left = options.count;
  while (left > 0 && !stop_requested()) {
    const Result<bool> found = reader.next();
    if (!found) {
      // What stands before the damage is printed all the same.
      NACRE_TRY(output.flush());
      return found.error();
    }
    if (*found) {
      NACRE_TRY(put_message(output, options, reader.message()));
      poll.something_came();
      --left;
      continue;
    }
    NACRE_TRY(output.flush());
    if (!options.follow || !poll.wait()) break;
  }
  NACRE_TRY(output.flush());
  return ExitCode::kOk;
}

}  // namespace

Command add_cat(CommandLine app) {
  auto options = std::make_shared<CatOptions>();
  CommandLine command = app.add_subcommand(
      "cat", "Print the messages of a topic, also while another process is writing it");
  command.add_option("DIR", options->directory, "The log's directory").required();
  command.add_option("TOPIC", options->topic, "The topic").required();
  command.add_option("--partition", options->partition, "Which partition (0)").option_text("N");
  CommandOption from =
      add_number(command, "--from", options->from, kLargestOffset,
                 "Begin at this offset (the oldest there is); beyond the end there is nothing, and "
                 "--follow waits for it")
          .option_text("N");
  add_number(command, "--count", options->count, kAllMessages,
             "Stop after this many messages (all)")
      .option_text("N");
  command.add_flag("--follow", options->follow,
                   "At the end wait for more, until Ctrl-C or until the reader goes away");
  CommandOption records =
      add_choice<CatFormat>(
          command, "--records", options->format,
          {{"lines", CatFormat::kLines},
           {"stanzas", CatFormat::kStanzas},
           {"length-prefixed", CatFormat::kLengthPrefixed},
           {"raw", CatFormat::kRaw}},
          "What separates values: 'lines' (the default), 'stanzas' (a blank line), "
          "'length-prefixed' (exact copies for machines), or 'raw' (nothing)")
          .option_text("FORMAT");
  command
      .add_flag("--json", options->json,
                "One JSON object a line: offset, time, key and value (base64 where not UTF-8)")
      .excludes(records);
  return {.line = command, .run = [options, from] {
            options->from_given = from.given();
            return run_cat(*options);
          }};
}

}  // namespace nacre::tools
