#include "lib/io/uring_setup.h"

#include <sys/resource.h>
#include <sys/utsname.h>

#include <algorithm>
#include <array>
#include <bit>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <fstream>
#include <string>
#include <string_view>
#include <utility>

#include <fmt/format.h>

#include "lib/io/uring_buffer_ring.h"

namespace nacre {
namespace {

/// A thread of the kernel's that looks for submissions sleeps after so long without any.
constexpr unsigned kIdlePollerMs = 50;

struct SetupFlag {
  unsigned bit;            // Or two that go together.
  std::string_view name;   // Empty: not worth a line of its own.
  std::string_view since;  // The kernel that has it.
};

/// Entries with room for a command, and completions with room for its answer.
constexpr unsigned kCommandEntries = IORING_SETUP_SQE128 | IORING_SETUP_CQE32;

// In the order in which they are given up when the kernel refuses all of them together.
constexpr std::array kSetupFlags{
    SetupFlag{IORING_SETUP_DEFER_TASKRUN, "defer_taskrun", "6.1"},
    SetupFlag{IORING_SETUP_SINGLE_ISSUER, "single_issuer", "6.0"},
    SetupFlag{IORING_SETUP_COOP_TASKRUN, "coop_taskrun", "5.19"},
    SetupFlag{IORING_SETUP_SUBMIT_ALL, "", "5.18"},
    SetupFlag{kCommandEntries, "nvme_passthrough", "5.19"},
    SetupFlag{IORING_SETUP_IOPOLL, "iopoll", "5.1"},
    SetupFlag{IORING_SETUP_SQPOLL, "sqpoll", "5.11"},
};

constexpr std::string_view kSwitchedOff = "all that is optional was switched off";

/// Linux before 6.5 keeps, of a command that has ended, what is left to do for it in the place
/// where its polling looks for the address of a transfer (commit 9408d8a37e6c). A command that
/// another thread has submitted, or that has failed beside others, then crashes the kernel (seen
/// on 6.1).
bool polls_commands_safely() {
  utsname system{};
  int major = 0;
  int minor = 0;
  if (::uname(&system) != 0) return false;
  if (std::sscanf(system.release, "%d.%d", &major, &minor) != 2) return false;
  return major > 6 || (major == 6 && minor >= 5);
}

bool may_poll_device(const UringWishes& wishes) {
  return !wishes.nvme_passthrough || wishes.trusts_kernel || polls_commands_safely();
}

unsigned wished_flags(const UringWishes& wishes) {
  unsigned flags = 0;
  if (wishes.kernel_polls_submissions) flags |= IORING_SETUP_SQPOLL;
  if (wishes.poll_device && may_poll_device(wishes)) flags |= IORING_SETUP_IOPOLL;
  if (wishes.nvme_passthrough) flags |= kCommandEntries;
  if (!wishes.optional_features) return flags;
  flags |= IORING_SETUP_SUBMIT_ALL;
  if (!wishes.single_thread) return flags;
  flags |= IORING_SETUP_SINGLE_ISSUER;
  // The kernel's own thread submits: there is no other whose calls completions could wait for.
  if (!wishes.kernel_polls_submissions) flags |= IORING_SETUP_DEFER_TASKRUN;
  return flags;
}

/// What to try after the kernel has refused `flags`.
unsigned fewer_flags(unsigned flags) {
  for (const SetupFlag& flag : kSetupFlags) {
    if ((flags & flag.bit) == 0) continue;
    flags &= ~flag.bit;
    const bool next_best = flag.bit == IORING_SETUP_DEFER_TASKRUN;
    return next_best ? flags | IORING_SETUP_COOP_TASKRUN : flags;
  }
  return flags;
}

unsigned entries_for(std::size_t depth) {
  // Each operation, each request to call one back, and the bell have room at any time, so that
  // neither queue can overflow.
  return static_cast<unsigned>(std::bit_ceil(depth + std::min(depth, kUringCancels) + 2));
}

int try_flags(const UringWishes& wishes, unsigned flags, io_uring& ring) {
  io_uring_params params{};
  params.flags = flags | IORING_SETUP_CQSIZE | IORING_SETUP_CLAMP;
  params.cq_entries = 2 * entries_for(wishes.depth);
  params.sq_thread_idle = kIdlePollerMs;
  return -io_uring_queue_init_params(entries_for(wishes.depth), &ring, &params);
}

std::string why_no_flag(const SetupFlag& flag, const UringWishes& wishes, int sys_errno) {
  const bool of_one_thread = flag.bit == IORING_SETUP_DEFER_TASKRUN ||
                             flag.bit == IORING_SETUP_SINGLE_ISSUER ||
                             flag.bit == IORING_SETUP_COOP_TASKRUN;
  if (of_one_thread && !wishes.single_thread) {
    return "several threads may submit; `single_thread` allows it";
  }
  if (flag.bit == IORING_SETUP_SQPOLL && !wishes.kernel_polls_submissions) {
    return "not asked for (`kernel_polls_submissions`)";
  }
  if (flag.bit == IORING_SETUP_IOPOLL && !wishes.poll_device) {
    return "not asked for (`poll_device`)";
  }
  if (flag.bit == IORING_SETUP_IOPOLL && !may_poll_device(wishes)) {
    return "Linux before 6.5 may crash when it polls for commands; it polls without "
           "`nvme_passthrough`";
  }
  if (flag.bit == kCommandEntries && !wishes.nvme_passthrough) {
    return "not asked for (`nvme_passthrough`)";
  }
  if (!wishes.optional_features) return std::string(kSwitchedOff);
  if (flag.bit == IORING_SETUP_COOP_TASKRUN || wishes.kernel_polls_submissions) {
    return "something better takes its place";
  }
  return fmt::format("the kernel refused it ({}); Linux {} has it", std::strerror(sys_errno),
                     flag.since);
}

class Probe {
 public:
  explicit Probe(io_uring& ring) : probe_(io_uring_get_probe_ring(&ring)) {}
  ~Probe() {
    if (probe_ != nullptr) io_uring_free_probe(probe_);
  }
  Probe(const Probe&) = delete;
  Probe& operator=(const Probe&) = delete;

  bool answered() const { return probe_ != nullptr; }
  /// Without an answer only what every kernel has that this engine runs on at all.
  bool has(int operation) const {
    if (probe_ == nullptr) return operation <= IORING_OP_UNLINKAT;
    return io_uring_opcode_supported(probe_, operation) != 0;
  }

 private:
  io_uring_probe* probe_;
};

/// Fills in what the ring can do, with a line for each.
class Survey {
 public:
  Survey(const UringWishes& wishes, UringSetup& setup) : wishes_(wishes), setup_(setup) {}

  void note(std::string_view name, bool& ability, bool available, std::string why_not) {
    ability = available && wishes_.optional_features;
    if (!wishes_.optional_features) why_not = kSwitchedOff;
    setup_.features.push_back({name, ability, ability ? std::string() : std::move(why_not)});
  }

  void operation(std::string_view name, bool& ability, const Probe& probe, int operation,
                 std::string_view since) {
    note(name, ability, probe.has(operation) && !setup_.abilities.polls_device,
         setup_.abilities.polls_device ? "a ring that polls its device takes reads and writes alone"
         : probe.answered()
             ? fmt::format("this kernel has no such operation; Linux {} does", since)
             : "the kernel does not say what it has: io_uring_register is forbidden");
  }

  /// `result` is what a call of io_uring_register returned.
  void registration(std::string_view name, bool& ability, int result, std::string_view since) {
    const bool forbidden = result == -EPERM || result == -EACCES || result == -ENOSYS;
    note(name, ability, result >= 0,
         forbidden ? fmt::format("a sandbox forbids io_uring_register ({}); allow it there",
                                 std::strerror(-result))
                   : fmt::format("the kernel refused to register ({}); Linux {} has it",
                                 std::strerror(-result), since));
  }

 private:
  const UringWishes& wishes_;
  UringSetup& setup_;
};

unsigned file_slots() {
  rlimit limit{};
  if (::getrlimit(RLIMIT_NOFILE, &limit) != 0) return kUringFileSlots;
  return static_cast<unsigned>(std::min<rlim_t>(limit.rlim_cur, kUringFileSlots));
}

void survey_registrations(const UringWishes& wishes, Survey& survey, UringSetup& setup) {
  UringAbilities& can = setup.abilities;
  const bool wanted = wishes.optional_features;
  if (wishes.single_thread) {
    const int result = wanted ? io_uring_register_ring_fd(&setup.ring) : 0;
    survey.registration("registered_ring", can.registers_ring, result, "5.18");
  } else {
    survey.note("registered_ring", can.registers_ring, false,
                "the kernel registers a ring for one thread; `single_thread` allows it");
  }
  survey.registration("registered_files", can.registers_files,
                      wanted ? io_uring_register_files_sparse(&setup.ring, file_slots()) : 0,
                      "5.19");
  survey.registration("registered_buffers", can.registers_buffers,
                      wanted ? io_uring_register_buffers_sparse(&setup.ring, kUringMemorySlots) : 0,
                      "5.19");
  if (can.polls_device) {
    survey.note("provided_buffers", can.lends_buffers, false,
                "a ring that polls its device takes buffers from a list");
  } else {
    survey.registration("provided_buffers", can.lends_buffers,
                        wanted ? try_uring_buffer_ring(setup.ring) : 0, "5.19");
  }
}

void survey_operations(Survey& survey, UringSetup& setup) {
  UringAbilities& can = setup.abilities;
  const bool skips = (setup.ring.features & IORING_FEAT_CQE_SKIP) != 0;
  survey.note("linked_chains", can.links, skips && !can.polls_device,
              can.polls_device ? "a ring that polls its device runs its chains step by step"
                               : "the kernel cannot keep quiet about steps that succeed; Linux "
                                 "5.17 can");
  survey.note("durable_writes", can.durable_flag, true, {});
  survey.note("async_reads", can.async_flag, !can.polls_device,
              "a ring that polls its device has no workers");
  const Probe probe(setup.ring);
  // Commands from registered memory came with Linux 6.1, and so did this operation.
  can.commands_from_registered = can.passes_commands && probe.has(IORING_OP_SENDMSG_ZC);
  survey.operation("allocate", can.allocates, probe, IORING_OP_FALLOCATE, "5.6");
  survey.operation("advise", can.advises, probe, IORING_OP_FADVISE, "5.6");
  survey.operation("truncate", can.truncates, probe, kUringOpFtruncate, "6.9");
  survey.operation("rename", can.renames, probe, IORING_OP_RENAMEAT, "5.11");
  survey.operation("remove", can.removes, probe, IORING_OP_UNLINKAT, "5.11");
}

/// The sysctl kernel.io_uring_disabled; 0 where the kernel does not have it.
int disabled_sysctl() {
  int value = 0;
  std::ifstream("/proc/sys/kernel/io_uring_disabled") >> value;
  return value;
}

std::string_view advice_for(int sys_errno) {
  switch (sys_errno) {
    case ENOSYS:
      return "this kernel has no io_uring, or a sandbox hides it; Linux 5.11 or later has it";
    case EPERM:
    case EACCES:
      return "a sandbox forbids io_uring (a container's seccomp profile, as a rule); allow "
             "io_uring_setup, io_uring_enter and io_uring_register there";
    case ENOMEM:
      return "the memory for the rings could not be had; choose a smaller depth, or raise "
             "`ulimit -l`";
    case EMFILE:
      return "too many files are open in this process; raise `ulimit -n`";
    default:
      return "the kernel refused to make a ring";
  }
}

}  // namespace

Error uring_refusal(int sys_errno) {
  std::string why(advice_for(sys_errno));
  if (const int disabled = disabled_sysctl(); sys_errno == EPERM && disabled != 0) {
    why = fmt::format(
        "the sysctl kernel.io_uring_disabled is {}; `sysctl kernel.io_uring_disabled=0` allows it "
        "to everybody, kernel.io_uring_group to a group",
        disabled);
  }
  return Error(ErrorCode::kUnsupported, fmt::format("io_uring cannot be used: {}", why))
      .with_errno(sys_errno);
}

Result<UringSetup> set_up_uring(const UringWishes& wishes) {
  UringSetup setup;
  unsigned flags = wished_flags(wishes);
  int first_errno = 0;
  int failed = try_flags(wishes, flags, setup.ring);
  while (failed != 0 && flags != 0 && failed != ENOSYS) {
    if (first_errno == 0) first_errno = failed;
    flags = fewer_flags(flags);
    failed = try_flags(wishes, flags, setup.ring);
  }
  if (failed != 0) return uring_refusal(failed);
  if ((setup.ring.features & IORING_FEAT_EXT_ARG) == 0) {
    io_uring_queue_exit(&setup.ring);
    return uring_refusal(ENOSYS);
  }
  // A child has no business with the ring; without its mappings it cannot do harm by mistake.
  static_cast<void>(io_uring_ring_dontfork(&setup.ring));
  setup.abilities.deferred = (flags & IORING_SETUP_DEFER_TASKRUN) != 0;
  setup.abilities.kernel_polls_submissions = (flags & IORING_SETUP_SQPOLL) != 0;
  setup.abilities.polls_device = (flags & IORING_SETUP_IOPOLL) != 0;
  setup.abilities.passes_commands = (flags & kCommandEntries) != 0;
  for (const SetupFlag& flag : kSetupFlags) {
    if (flag.name.empty()) continue;
    const bool on = (flags & flag.bit) != 0;
    setup.features.push_back(
        {flag.name, on, on ? std::string() : why_no_flag(flag, wishes, first_errno)});
  }
  Survey survey(wishes, setup);
  survey_registrations(wishes, survey, setup);
  survey_operations(survey, setup);
  return setup;
}

}  // namespace nacre
