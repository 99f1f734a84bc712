#include "tools/demo_writer.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <charconv>
#include <csignal>
#include <utility>

#include "lib/base/try.h"

namespace nacre::tools {
namespace {

// The smallest pipe there is: a writer whose acknowledgements are not read stops soon, so that a
// kill at an acknowledgement lands near it.
constexpr int kPipeBytes = 4096;

class Descriptor {
 public:
  explicit Descriptor(int value) : value_(value) {}
  Descriptor(const Descriptor&) = delete;
  Descriptor& operator=(const Descriptor&) = delete;
  ~Descriptor() { close(); }
  int get() const noexcept { return value_; }
  void close() {
    if (value_ >= 0) ::close(std::exchange(value_, -1));
  }

 private:
  int value_;
};

Error cannot(const char* what, int cause) {
  return Error(ErrorCode::kIo, fmt::format("cannot {} the writer", what)).with_errno(cause);
}

Result<pid_t> spawn(const WriterPlan& plan, int acks_descriptor) {
  std::vector<std::string> words = {plan.program.string()};
  words.insert(words.end(), plan.arguments.begin(), plan.arguments.end());
  std::vector<char*> argv;
  for (std::string& word : words) argv.push_back(word.data());
  argv.push_back(nullptr);

  posix_spawn_file_actions_t actions;
  ::posix_spawn_file_actions_init(&actions);
  ::posix_spawn_file_actions_adddup2(&actions, acks_descriptor, kWriterAcksDescriptor);
  pid_t process = -1;
  const int failed =
      ::posix_spawn(&process, plan.program.c_str(), &actions, nullptr, argv.data(), environ);
  ::posix_spawn_file_actions_destroy(&actions);
  if (failed != 0) return cannot("start", failed).with_path(plan.program.string());
  return process;
}

// Spinning, because a sleep would be far coarser than what the writer does meanwhile.
void spin(Clock& clock, std::uint64_t duration_ns) {
  const std::uint64_t end_ns = clock.monotonic_ns() + duration_ns;
  while (clock.monotonic_ns() < end_ns) {
  }
}

class Listener {
 public:
  Listener(const WriterPlan& plan, pid_t process, Clock& clock,
           const std::function<void(std::uint64_t)>& on_watermark)
      : plan_(plan), process_(process), clock_(clock), on_watermark_(on_watermark) {}

  // Until the writer has closed its end. What a killed writer has told before it died counts.
  Status listen(int descriptor) {
    std::array<char, kPipeBytes> piece{};
    while (true) {
      const ssize_t count = ::read(descriptor, piece.data(), piece.size());
      if (count == 0) return {};
      if (count < 0 && errno == EINTR) continue;
      if (count < 0) return cannot("listen to", errno);
      const std::string_view text(piece.data(), static_cast<std::size_t>(count));
      NACRE_TRY(parser_.feed(text, [this](std::uint64_t watermark) { note(watermark); }));
      kill_when_due();
    }
  }

  WriterOutcome outcome;

 private:
  void note(std::uint64_t watermark) {
    if (!std::exchange(heard_something_, true)) outcome.reopened_at = watermark;
    outcome.acknowledged = watermark;
    on_watermark_(watermark);
  }

  void kill_when_due() {
    if (kill_sent_ || !plan_.kill_at || outcome.acknowledged < *plan_.kill_at) return;
    spin(clock_, plan_.kill_delay_ns);
    ::kill(process_, SIGKILL);
    kill_sent_ = true;
  }

  const WriterPlan& plan_;
  pid_t process_;
  Clock& clock_;
  const std::function<void(std::uint64_t)>& on_watermark_;
  WatermarkParser parser_;
  bool heard_something_ = false;
  bool kill_sent_ = false;
};

Result<int> wait_for(pid_t process) {
  int status = 0;
  while (::waitpid(process, &status, 0) < 0) {
    if (errno != EINTR) return cannot("wait for", errno);
  }
  return status;
}

}  // namespace

Result<WriterOutcome> run_writer(const WriterPlan& plan, Clock& clock,
                                 const std::function<void(std::uint64_t)>& on_watermark) {
  std::array<int, 2> ends{};
  if (::pipe2(ends.data(), O_CLOEXEC) != 0) return cannot("listen to", errno);
  Descriptor read_end(ends[0]);
  Descriptor write_end(ends[1]);
  // Best effort: with a bigger pipe the kills only land a little later.
  (void)::fcntl(write_end.get(), F_SETPIPE_SZ, kPipeBytes);
  const pid_t process = NACRE_TRY(spawn(plan, write_end.get()));
  write_end.close();

  Listener listener(plan, process, clock, on_watermark);
  const Status listened = listener.listen(read_end.get());
  if (!listened) ::kill(process, SIGKILL);
  const int status = NACRE_TRY(wait_for(process));
  NACRE_TRY(Status(listened));
  WriterOutcome outcome = listener.outcome;
  outcome.killed = WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL;
  if (WIFSIGNALED(status) && !outcome.killed) {
    return Error(ErrorCode::kIo, fmt::format("the writer died of signal {} ({})", WTERMSIG(status),
                                             ::strsignal(WTERMSIG(status))));
  }
  outcome.exit_status = outcome.killed ? 0 : WEXITSTATUS(status);
  return outcome;
}

Status WatermarkParser::feed(std::string_view piece,
                             const std::function<void(std::uint64_t)>& on_watermark) {
  partial_ += piece;
  std::string_view rest = partial_;
  for (std::size_t end = rest.find('\n'); end != std::string_view::npos; end = rest.find('\n')) {
    const std::string_view line = rest.substr(0, end);
    std::uint64_t watermark = 0;
    const auto parsed = std::from_chars(line.data(), line.data() + line.size(), watermark);
    if (parsed.ec != std::errc() || parsed.ptr != line.data() + line.size()) {
      return Error(ErrorCode::kCorruption,
                   fmt::format("'{}' is not a watermark; something else writes to the descriptor "
                               "for acknowledgements",
                               line));
    }
    on_watermark(watermark);
    rest.remove_prefix(end + 1);
  }
  partial_ = std::string(rest);
  return {};
}

}  // namespace nacre::tools
