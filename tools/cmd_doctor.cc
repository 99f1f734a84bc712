// nacre doctor: what this machine and a directory offer, what nacre would choose there, and why.

#include <fmt/format.h>

#include <cstring>
#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include "lib/base/try.h"
#include "lib/codec/json_writer.h"
#include "mmap/superblock.h"
#include "nacre/file_system.h"
#include "nacre/pmem.h"
#include "nacre/version.h"
#include "tools/command.h"
#include "tools/diagnosis.h"
#include "tools/log_directory.h"
#include "tools/machine_probe.h"
#include "tools/output.h"
#include "tools/progress.h"
#include "tools/table.h"
#include "tools/text.h"

namespace nacre::tools {
namespace {

struct DoctorOptions {
  std::string path = ".";
  bool json = false;
};

const char* yes_no(bool value) { return value ? "yes" : "no"; }

std::string list_available(const std::vector<NamedFlag>& flags, bool available) {
  std::string text;
  for (const NamedFlag& flag : flags) {
    if (flag.available != available) continue;
    if (!text.empty()) text += ' ';
    text += flag.name;
  }
  return text;
}

std::string flags_text(const std::vector<NamedFlag>& flags) {
  const std::string missing = list_available(flags, false);
  std::string text = list_available(flags, true);
  if (text.empty()) text = "none";
  return missing.empty() ? text : fmt::format("{} (missing: {})", text, missing);
}

std::string map_sync_text(const pmem::PersistenceFacts& facts) {
  if (facts.device_dax) return "not needed: device DAX";
  if (facts.map_sync_errno == 0) return "yes";
  return fmt::format("no ({})", std::strerror(facts.map_sync_errno));
}

std::string pmem2_text(const pmem::PersistenceFacts& facts) {
  if (!facts.pmem2_granularity) return fmt::format("cannot map: {}", facts.pmem2_message);
  const auto name = pmem::store_granularity_name(*facts.pmem2_granularity);
  if (facts.pmem2_granularity == pmem::StoreGranularity::kPage) {
    return fmt::format("{}: an ordinary file, not persistent memory", name);
  }
  return std::string(name);
}

std::string direct_text(const pmem::DirectoryProbe& probe) {
  if (probe.direct_write_error) {
    const int cause = probe.direct_write_error->sys_errno();
    return fmt::format("refused ({})",
                       cause != 0 ? std::strerror(cause) : probe.direct_write_error->message());
  }
  if (!probe.direct_alignment) return "yes; the kernel does not tell the alignment";
  return fmt::format("yes; aligned to {} bytes in memory, {} in the file",
                     probe.direct_alignment->memory, probe.direct_alignment->offset);
}

std::string io_uring_refusal(const IoUringProbe& probe) {
  std::string text = fmt::format("no ({})", std::strerror(probe.setup_errno));
  if (probe.disabled_sysctl.value_or(0) != 0) {
    text += fmt::format("; kernel.io_uring_disabled = {}", *probe.disabled_sysctl);
  }
  return text;
}

std::string memlock_text(const MemoryProbe& memory) {
  return memory.memlock_limit_bytes ? format_bytes(*memory.memlock_limit_bytes) : "unlimited";
}

std::string huge_pages_text(const MemoryProbe& memory) {
  std::string text = memory.transparent_huge_pages.empty()
                         ? "transparent: unknown"
                         : fmt::format("transparent: {}", memory.transparent_huge_pages);
  if (memory.huge_page_bytes > 0) {
    text += fmt::format("; reserved: {} of {} ({} free)", format_count(memory.huge_pages_total),
                        format_bytes(memory.huge_page_bytes), format_count(memory.huge_pages_free));
  }
  return text;
}

std::string choice_text(const Result<DomainInfo>& choice) {
  if (!choice) return fmt::format("none: {}", choice.error().message());
  return fmt::format("{}, {}-byte granularity, survives {}", domain_name(choice->kind),
                     choice->granularity_bytes, survival_text(*choice));
}

Facts choice_facts(const Diagnosis& diagnosis) {
  Facts facts;
  facts.add("--durability power", choice_text(diagnosis.power));
  if (diagnosis.power) facts.add("  because", diagnosis.power->reason);
  facts.add("--durability process", choice_text(diagnosis.process));
  return facts;
}

/// What of nacre's is there; empty when nothing is.
std::string held_text(const std::filesystem::path& directory) {
  PosixFileSystem file_system;
  const auto superblock = read_superblock(file_system, directory);
  if (superblock) return std::string(log_kind_name(superblock->kind));
  if (superblock.error().code() == ErrorCode::kNotFound) return {};
  return fmt::format("log that cannot be opened: {}", superblock.error().message());
}

Facts directory_facts(const Diagnosis& diagnosis) {
  const pmem::DirectoryProbe& probe = diagnosis.directory;
  Facts facts;
  if (const std::string held = held_text(probe.directory); !held.empty()) {
    facts.add("holds", "a " + held);
  }
  facts.add("file system", fmt::format("{}{}, {} free", probe.file_system.name,
                                       probe.file_system.in_memory ? " (in memory)" : "",
                                       format_bytes(diagnosis.free_bytes)));
  if (probe.mappable) {
    facts.add("libpmem2", pmem2_text(probe.persistence));
    facts.add("MAP_SYNC", map_sync_text(probe.persistence));
  } else {
    facts.add("mapping", "files here cannot be mapped");
  }
  facts.add("O_DIRECT|O_DSYNC", direct_text(probe));
  if (probe.unsafe_shutdowns) {
    facts.add("unsafe shutdowns", format_count(*probe.unsafe_shutdowns));
  }
  return facts;
}

std::string store_keys_text(const pmem::StoreKeySupport& support) {
  if (!support.processor) return "no: this processor has none (pku)";
  if (!support.kernel) return "no: the kernel does not use them (nopku?)";
  return "yes: for overwrite_protection";
}

Facts machine_facts(const Diagnosis& diagnosis) {
  Facts facts;
  const KernelProbe& kernel = diagnosis.kernel;
  facts.add("kernel", fmt::format("Linux {} {}", kernel.release, kernel.architecture));
  facts.add("CPU", fmt::format("{}{}{} {}", kernel.cpu_model, kernel.cpu_model.empty() ? "" : ", ",
                               kernel.cpus, plural(kernel.cpus, "core")));
  const std::vector<NamedFlag> cpu = {{"clwb", diagnosis.cpu.clwb},
                                      {"clflushopt", diagnosis.cpu.clflushopt},
                                      {"avx512", diagnosis.cpu.avx512},
                                      {"movdir64b", diagnosis.cpu.movdir64b}};
  facts.add("CPU features", flags_text(cpu));
  facts.add("copy, flush",
            fmt::format("{}, {}", diagnosis.cpu.copy_routine, diagnosis.cpu.flush_routine));
  facts.add("protection keys", store_keys_text(diagnosis.cpu.store_keys));
  const MemoryProbe& memory = diagnosis.memory;
  facts.add("memory", fmt::format("{}, {} available", format_bytes(memory.total_bytes),
                                  format_bytes(memory.available_bytes)));
  facts.add("memlock limit", memlock_text(memory));
  facts.add("huge pages", huge_pages_text(memory));
  return facts;
}

Facts io_uring_facts(const IoUringProbe& probe) {
  Facts facts;
  if (probe.setup_errno != 0) {
    facts.add("available", io_uring_refusal(probe));
    return facts;
  }
  facts.add("available", "yes");
  facts.add("features", flags_text(probe.features));
  facts.add("setup flags", flags_text(probe.setup_flags));
  facts.add("operations", flags_text(probe.operations));
  facts.add("registered buffers", yes_no(probe.registered_buffers));
  return facts;
}

Facts io_engine_facts(const IoBackendInfo& engine) {
  Facts facts;
  facts.add("engine", std::string(engine.name));
  facts.add("  because", engine.reason);
  for (const IoFeature& feature : engine.features) {
    facts.add(std::string(feature.name),
              feature.on ? feature.reason.empty() ? "on" : "on; " + feature.reason
                         : "off: " + feature.reason);
  }
  return facts;
}

Status print_text(const Diagnosis& diagnosis) {
  constexpr std::size_t kIndent = 2;
  const std::size_t width = std::min<std::size_t>(terminal_width(1), 100);
  std::error_code failed;
  const auto absolute = std::filesystem::weakly_canonical(diagnosis.directory.directory, failed);
  const std::string shown = failed ? diagnosis.directory.directory.string() : absolute.string();
  std::string text =
      fmt::format("What nacre {} would choose for a log in {}\n{}\n", NACRE_VERSION_STRING, shown,
                  choice_facts(diagnosis).render(kIndent, width));
  text += "This directory\n" + directory_facts(diagnosis).render(kIndent, width) + "\n";
  text += "This machine\n" + machine_facts(diagnosis).render(kIndent, width) + "\n";
  text += "io_uring\n" + io_uring_facts(diagnosis.io_uring).render(kIndent, width) + "\n";
  text += "File I/O\n" + io_engine_facts(diagnosis.io_engine).render(kIndent, width) + "\n";
  text += "Advice\n";
  if (diagnosis.advice.empty()) text += "  None: nothing here stands in nacre's way.\n";
  for (const std::string& advice : diagnosis.advice) {
    Facts bullet;
    bullet.add("-", advice);
    text += bullet.render(kIndent, width);
  }
  return print_out(text);
}

void put_choice(JsonWriter& json, std::string_view name, const Result<DomainInfo>& choice) {
  json.key(name).begin_object();
  if (choice) {
    json.field("domain", domain_name(choice->kind))
        .field("granularity_bytes", choice->granularity_bytes)
        .field("survives_power_loss", choice->survives_power_loss)
        .field("reason", choice->reason);
  } else {
    json.field("error", choice.error().to_string());
  }
  json.end_object();
}

void put_flags(JsonWriter& json, std::string_view name, const std::vector<NamedFlag>& flags) {
  json.key(name).begin_object();
  for (const NamedFlag& flag : flags) json.field(flag.name, flag.available);
  json.end_object();
}

void put_directory(JsonWriter& json, const Diagnosis& diagnosis) {
  const pmem::DirectoryProbe& probe = diagnosis.directory;
  json.key("directory")
      .begin_object()
      .field("path", probe.directory.string())
      .field("file_system", probe.file_system.name)
      .field("in_memory", probe.file_system.in_memory)
      .field("free_bytes", diagnosis.free_bytes)
      .field("mappable", probe.mappable)
      .field("direct_sync_writes", !probe.direct_write_error.has_value());
  if (const std::string held = held_text(probe.directory); !held.empty()) json.field("holds", held);
  if (probe.mappable) {
    json.field("map_sync", probe.persistence.map_sync_errno == 0);
    if (probe.persistence.pmem2_granularity) {
      json.field("pmem2_granularity",
                 pmem::store_granularity_name(*probe.persistence.pmem2_granularity));
    }
  }
  if (probe.direct_alignment) {
    json.field("direct_memory_alignment", probe.direct_alignment->memory)
        .field("direct_offset_alignment", probe.direct_alignment->offset);
  }
  if (probe.unsafe_shutdowns) json.field("unsafe_shutdowns", *probe.unsafe_shutdowns);
  json.end_object();
}

void put_machine(JsonWriter& json, const Diagnosis& diagnosis) {
  const MemoryProbe& memory = diagnosis.memory;
  json.key("machine")
      .begin_object()
      .field("kernel", diagnosis.kernel.release)
      .field("architecture", diagnosis.kernel.architecture)
      .field("cpu_model", diagnosis.kernel.cpu_model)
      .field("cpus", diagnosis.kernel.cpus)
      .field("clwb", diagnosis.cpu.clwb)
      .field("clflushopt", diagnosis.cpu.clflushopt)
      .field("avx512", diagnosis.cpu.avx512)
      .field("movdir64b", diagnosis.cpu.movdir64b)
      .field("copy_routine", diagnosis.cpu.copy_routine)
      .field("flush_routine", diagnosis.cpu.flush_routine)
      .field("protection_keys", diagnosis.cpu.store_keys.kernel)
      .field("memory_bytes", memory.total_bytes)
      .field("memory_available_bytes", memory.available_bytes)
      .field("transparent_huge_pages", memory.transparent_huge_pages)
      .field("huge_page_bytes", memory.huge_page_bytes)
      .field("huge_pages_total", memory.huge_pages_total)
      .field("huge_pages_free", memory.huge_pages_free);
  if (memory.memlock_limit_bytes) json.field("memlock_limit_bytes", *memory.memlock_limit_bytes);
  json.end_object();
}

void put_io_uring(JsonWriter& json, const IoUringProbe& probe) {
  json.key("io_uring").begin_object().field("available", probe.setup_errno == 0);
  if (probe.setup_errno != 0) json.field("error", std::strerror(probe.setup_errno));
  put_flags(json, "features", probe.features);
  put_flags(json, "setup_flags", probe.setup_flags);
  put_flags(json, "operations", probe.operations);
  json.field("registered_buffers", probe.registered_buffers).end_object();
}

void put_io_engine(JsonWriter& json, const IoBackendInfo& engine) {
  json.key("io_engine")
      .begin_object()
      .field("name", engine.name)
      .field("reason", engine.reason)
      .key("features")
      .begin_array();
  for (const IoFeature& feature : engine.features) {
    json.begin_object().field("name", feature.name).field("on", feature.on);
    if (!feature.reason.empty()) json.field("reason", feature.reason);
    json.end_object();
  }
  json.end_array().end_object();
}

Status print_json(const Diagnosis& diagnosis) {
  JsonWriter json;
  json.begin_object().field("version", NACRE_VERSION_STRING);
  put_choice(json, "power", diagnosis.power);
  put_choice(json, "process", diagnosis.process);
  put_directory(json, diagnosis);
  put_machine(json, diagnosis);
  put_io_uring(json, diagnosis.io_uring);
  put_io_engine(json, diagnosis.io_engine);
  json.key("advice").begin_array();
  for (const std::string& advice : diagnosis.advice) json.value(advice);
  json.end_array().end_object();
  return print_out(json.text() + "\n");
}

// A log that is yet to be created is judged by the directory it would stand in.
Result<std::filesystem::path> directory_for(const std::filesystem::path& path) {
  if (NACRE_TRY(names_directory(path))) return path;
  const std::filesystem::path parent = path.parent_path();
  return parent.empty() ? "." : parent;
}

Result<ExitCode> run_doctor(const DoctorOptions& options) {
  const std::filesystem::path directory = NACRE_TRY(directory_for(options.path));
  const Diagnosis diagnosis = NACRE_TRY(examine(directory));
  if (options.json) {
    NACRE_TRY(print_json(diagnosis));
  } else {
    NACRE_TRY(print_text(diagnosis));
  }
  return ExitCode::kOk;
}

}  // namespace

Command add_doctor(CommandLine app) {
  auto options = std::make_shared<DoctorOptions>();
  CommandLine command = app.add_subcommand(
      "doctor", "Show what this machine and a directory offer, and what nacre would choose");
  command.add_option("PATH", options->path, "Where a log is or would be (here)");
  add_json_flag(command, options->json);
  return {.line = command, .run = [options] { return run_doctor(*options); }};
}

}  // namespace nacre::tools
