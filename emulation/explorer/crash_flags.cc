#include "nacre/emulation/crash_flags.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <charconv>
#include <cstdlib>
#include <utility>
#include <vector>

#include "lib/base/try.h"

namespace nacre {
namespace {

Error no_value(std::string_view flag) {
  return Error(ErrorCode::kInvalidArgument, fmt::format("--{} needs a value", flag));
}

Status set(CrashFlags& flags, std::string_view name, std::string_view value) {
  if (name == "crash_in_process") {
    flags.in_process = value != "0";
    return {};
  }
  if (name == "crash_kills") {
    flags.kills = value != "0";
    return {};
  }
  if (value.empty()) return no_value(name);
  if (name == "crash_repro") {
    flags.reproduce = value;
  } else if (name == "crash_report") {
    flags.report = value;
  } else if (name == "crash_seed") {
    std::uint64_t seed = 0;
    const auto [end, error] = std::from_chars(value.data(), value.data() + value.size(), seed);
    if (error != std::errc() || end != value.data() + value.size()) {
      return Error(ErrorCode::kInvalidArgument,
                   fmt::format("--crash_seed={}: a seed is a number below 2^64", value));
    }
    flags.seed = seed;
  } else {
    return Error(ErrorCode::kInvalidArgument,
                 fmt::format("--{} is not known; there are --crash_repro, --crash_seed, "
                             "--crash_report, --crash_in_process and --crash_kills",
                             name));
  }
  return {};
}

/// The arguments of this process, its name first.
std::vector<std::string> command_line() {
  std::string text;
  const int descriptor = ::open("/proc/self/cmdline", O_RDONLY | O_CLOEXEC);
  if (descriptor < 0) return {};
  std::array<char, 4096> buffer;
  for (ssize_t got = 0; (got = ::read(descriptor, buffer.data(), buffer.size())) > 0;) {
    text.append(buffer.data(), static_cast<std::size_t>(got));
  }
  ::close(descriptor);
  std::vector<std::string> arguments;
  for (std::size_t at = 0; at < text.size();) {
    const std::size_t end = std::min(text.find('\0', at), text.size());
    arguments.push_back(text.substr(at, end - at));
    at = end + 1;
  }
  return arguments;
}

}  // namespace

CrashTestOptions CrashFlags::apply(CrashTestOptions options) const {
  if (!reproduce.empty()) options.reproduce = reproduce;
  if (seed) options.seed = *seed;
  if (!report.empty()) options.timeline = true;
  if (kills) options.process_kills = true;
  if (in_process) {
    options.in_process = true;
    options.fork_each_state = false;
    options.jobs = 1;
  }
  return options;
}

Result<CrashFlags> parse_crash_flags(std::span<const std::string> arguments) {
  CrashFlags flags;
  for (std::string_view argument : arguments) {
    if (!argument.starts_with("--crash_")) continue;
    argument.remove_prefix(2);
    const std::size_t equals = argument.find('=');
    NACRE_TRY(set(flags, argument.substr(0, equals),
                  equals == argument.npos ? "" : argument.substr(equals + 1)));
  }
  return flags;
}

Result<CrashFlags> crash_flags() {
  static constexpr std::array<std::pair<const char*, std::string_view>, 5> kVariables = {
      {{"CRASH_REPRO", "crash_repro"},
       {"CRASH_SEED", "crash_seed"},
       {"CRASH_REPORT", "crash_report"},
       {"CRASH_IN_PROCESS", "crash_in_process"},
       {"CRASH_KILLS", "crash_kills"}}};
  std::vector<std::string> arguments;
  for (const auto& [variable, flag] : kVariables) {
    const char* const value = std::getenv(variable);
    if (value != nullptr) arguments.push_back(fmt::format("--{}={}", flag, value));
  }
  // Behind the environment, since the last one counts.
  for (std::string& argument : command_line()) arguments.push_back(std::move(argument));
  return parse_crash_flags(arguments);
}

std::string program_name() {
  const std::vector<std::string> arguments = command_line();
  return arguments.empty() ? std::string() : arguments.front();
}

Status save_crash_report(const CrashReport& report, const std::string& path) {
  const std::string text = path.ends_with(".json") ? report.to_json() : report.to_html();
  const auto failed = [&](std::string_view what) {
    const int sys_errno = errno;
    return Error(ErrorCode::kIo, fmt::format("cannot {} the report of a crash test", what))
        .with_errno(sys_errno)
        .with_path(path);
  };
  const int descriptor = ::open(path.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);
  if (descriptor < 0) return failed("create");
  Status status;
  for (std::string_view rest = text; !rest.empty() && status;) {
    const ssize_t put = ::write(descriptor, rest.data(), rest.size());
    if (put >= 0) {
      rest.remove_prefix(static_cast<std::size_t>(put));
    } else if (errno != EINTR) {
      status = failed("write");
    }
  }
  ::close(descriptor);
  return status;
}

}  // namespace nacre
