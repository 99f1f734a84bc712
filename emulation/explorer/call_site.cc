#include "emulation/explorer/call_site.h"

#include <cxxabi.h>
#include <dwarf.h>
#include <elfutils/libdw.h>
#include <elfutils/libdwfl.h>
#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cstdint>
#include <cstdlib>
#include <string_view>
#include <utility>

namespace nacre {
namespace {

constexpr std::size_t kMaxCallers = 3;

std::string demangled(const char* name) {
  int status = 0;
  const std::unique_ptr<char, decltype(&std::free)> text(
      abi::__cxa_demangle(name, nullptr, nullptr, &status), &std::free);
  return status == 0 ? text.get() : name;
}

std::string base_name(const char* path) {
  if (path == nullptr) return {};
  const std::string_view text = path;
  return std::string(text.substr(text.find_last_of('/') + 1));
}

/// What a library holds of its own debug information and what lies on this machine for its build
/// ID. libdwfl's standard search may ask a server.
int find_local_debug_info(Dwfl_Module* module, void** user_data, const char* name, Dwarf_Addr base,
                          const char* file, const char* link, GElf_Word checksum, char** found) {
  return ::dwfl_build_id_find_debuginfo(module, user_data, name, base, file, link, checksum, found);
}

const Dwfl_Callbacks kCallbacks = {.find_elf = &::dwfl_linux_proc_find_elf,
                                   .find_debuginfo = &find_local_debug_info,
                                   .section_address = nullptr,
                                   .debuginfo_path = nullptr};

/// The unit that was compiled to the code at `pc`. `bias` is what addresses in it lack.
Dwarf_Die* find_unit(Dwfl_Module* module, Dwarf_Addr pc, Dwarf_Addr& bias) {
  if (Dwarf_Die* const unit = ::dwfl_module_addrdie(module, pc, &bias)) return unit;
  // Clang writes no table of addresses.
  Dwarf_Die* unit = nullptr;
  while ((unit = ::dwfl_module_nextcu(module, unit, &bias)) != nullptr) {
    if (::dwarf_haspc(unit, pc - bias) > 0) return unit;
  }
  return nullptr;
}

Dwarf_Die* follow(Dwarf_Die* die, unsigned name, Dwarf_Die* target) {
  Dwarf_Attribute attribute;
  if (::dwarf_attr(die, name, &attribute) == nullptr) return nullptr;
  return ::dwarf_formref_die(&attribute, target);
}

/// What holds a function in the source, innermost first: classes, namespaces, functions.
std::vector<Dwarf_Die> enclosing_scopes(Dwarf_Die function) {
  for (const unsigned name : {DW_AT_abstract_origin, DW_AT_specification}) {
    Dwarf_Die target;
    if (follow(&function, name, &target) != nullptr) function = target;
  }
  Dwarf_Die* found = nullptr;
  const int count = ::dwarf_getscopes_die(&function, &found);
  if (count <= 0) return {};
  std::vector<Dwarf_Die> scopes(found + 1, found + count);
  std::free(found);
  return scopes;
}

std::string_view name_of(Dwarf_Die& die) {
  const char* const name = ::dwarf_diename(&die);
  return name == nullptr ? std::string_view() : std::string_view(name);
}

bool is_class(Dwarf_Die& die) {
  const int tag = ::dwarf_tag(&die);
  return tag == DW_TAG_class_type || tag == DW_TAG_structure_type;
}

/// The class of a lambda: compilers give it no name, or none that a programmer could have.
bool is_closure(Dwarf_Die& die) {
  return is_class(die) && (name_of(die).empty() || name_of(die).starts_with('<'));
}

/// Put together from the names in the source, and of a lambda as a demangler would.
std::string qualified_name(Dwarf_Die function) {
  std::string name(name_of(function));
  bool is_lambda = false;
  for (Dwarf_Die& scope : enclosing_scopes(function)) {
    const int tag = ::dwarf_tag(&scope);
    if (is_closure(scope)) {
      is_lambda = true;
    } else if (tag == DW_TAG_subprogram) {
      // A lambda in a lambda is one in the function around both.
      if (!is_lambda || name_of(scope) == "operator()") continue;
      return qualified_name(scope) + "::{lambda()#1}::operator()";
    } else if ((is_class(scope) || tag == DW_TAG_namespace) && !name_of(scope).empty()) {
      name.insert(0, std::string(name_of(scope)) + "::");
    }
  }
  return is_lambda ? "::{lambda()#1}::operator()" : name;
}

/// As a linker knows it where that is written down.
std::string function_name(Dwarf_Die* function) {
  Dwarf_Attribute attribute;
  for (const unsigned name : {DW_AT_linkage_name, DW_AT_MIPS_linkage_name}) {
    if (::dwarf_attr_integrate(function, name, &attribute) == nullptr) continue;
    if (const char* const text = ::dwarf_formstring(&attribute)) return demangled(text);
  }
  return qualified_name(*function);
}

std::uint64_t number_of(Dwarf_Die* die, unsigned name) {
  Dwarf_Attribute attribute;
  Dwarf_Word value = 0;
  if (::dwarf_formudata(::dwarf_attr(die, name, &attribute), &value) != 0) return 0;
  return value;
}

/// The scopes that hold `pc`, innermost first, as calls nest and not as the source does.
std::vector<Dwarf_Die> scopes_at(Dwarf_Die* unit, Dwarf_Addr pc) {
  Dwarf_Die* found = nullptr;
  if (::dwarf_getscopes(unit, pc, &found) <= 0) return {};
  Dwarf_Die innermost = found[0];
  std::free(std::exchange(found, nullptr));
  const int count = ::dwarf_getscopes_die(&innermost, &found);
  if (count <= 0) return {};
  std::vector<Dwarf_Die> scopes(found, found + count);
  std::free(found);
  return scopes;
}

struct Place {
  std::string file;
  int line = 0;
};

Place place_at(Dwarf_Die* unit, Dwarf_Addr pc) {
  Place place;
  Dwarf_Line* const line = ::dwarf_getsrc_die(unit, pc);
  if (line == nullptr) return place;
  place.file = base_name(::dwarf_linesrc(line, nullptr, nullptr));
  ::dwarf_lineno(line, &place.line);
  return place;
}

/// Where an inlined function was called.
Place place_of_call(Dwarf_Die* unit, Dwarf_Die* inlined) {
  Place place{.file = {}, .line = static_cast<int>(number_of(inlined, DW_AT_call_line))};
  Dwarf_Files* files = nullptr;
  std::size_t count = 0;
  if (::dwarf_getsrcfiles(unit, &files, &count) == 0) {
    place.file =
        base_name(::dwarf_filesrc(files, number_of(inlined, DW_AT_call_file), nullptr, nullptr));
  }
  return place;
}

CallFrame make_frame(const std::string& raw, const Place& place, const std::string& module) {
  return {.function = short_function_name(raw),
          .file = place.file,
          .line = place.line,
          .module = module,
          .raw_function = raw};
}

std::vector<CallFrame> frames_from_debug_info(Dwarf_Die* unit, Dwarf_Addr pc, const char* symbol,
                                              const std::string& module) {
  std::vector<CallFrame> frames;
  Place place = place_at(unit, pc);
  for (Dwarf_Die& scope : scopes_at(unit, pc)) {
    const int tag = ::dwarf_tag(&scope);
    if (tag == DW_TAG_inlined_subroutine) {
      frames.push_back(make_frame(function_name(&scope), place, module));
      place = place_of_call(unit, &scope);
    } else if (tag == DW_TAG_subprogram) {
      // The symbol knows the parameters where the debug information leaves them to be put together.
      frames.push_back(
          make_frame(symbol != nullptr ? demangled(symbol) : function_name(&scope), place, module));
      break;
    }
  }
  if (frames.empty()) {
    frames.push_back(make_frame(symbol != nullptr ? demangled(symbol) : "", place, module));
  }
  return frames;
}

/// Functions that a reader of one's own program does not want to see.
bool is_plumbing(const CallFrame& frame) {
  static constexpr std::array kPrefixes = std::to_array<std::string_view>(
      {"std::", "__gnu_cxx::", "void std::", "__mem", "operator new", "decltype",
       // What sanitizers put in the place of memcpy.
       "__asan_", "__tsan_", "__msan_", "__interceptor_", "___interceptor_"});
  static constexpr std::array kModules = std::to_array<std::string_view>(
      {"libc.", "libstdc++.", "ld-linux", "libgtest", "libasan.", "libtsan.", "[vdso]"});
  if (std::ranges::any_of(
          kModules, [&](std::string_view module) { return frame.module.starts_with(module); })) {
    return true;
  }
  return frame.raw_function.find(" std::__invoke") != std::string::npos ||
         std::ranges::any_of(kPrefixes, [&](std::string_view prefix) {
           return frame.raw_function.starts_with(prefix);
         });
}

/// From here outwards it is the explorer that calls.
bool is_explorer(const CallFrame& frame) {
  static constexpr std::array<std::string_view, 4> kNames = {
      "nacre::CrashRun::", "nacre::Explorer::", "nacre::explore_crashes", "nacre::CrashTest<"};
  if (frame.file == "crash_history.h" || frame.file == "crash_test.h") return true;
  return std::ranges::any_of(kNames, [&](std::string_view name) {
    const std::size_t at = frame.raw_function.find(name);
    // Not where it is only a parameter, as in what is given the run.
    return at != std::string::npos && at <= frame.raw_function.find_first_of("({");
  });
}

std::string place_text(const CallFrame& frame) {
  if (frame.file.empty()) return frame.function;
  return fmt::format("{}:{}", frame.file, frame.line);
}

std::string frame_text(const CallFrame& frame) {
  if (frame.file.empty() || frame.function.empty()) return place_text(frame);
  return fmt::format("{} in {}", place_text(frame), frame.function);
}

void remove_all(std::string& text, std::string_view what) {
  for (std::size_t at = text.find(what); at != std::string::npos; at = text.find(what, at)) {
    text.erase(at, what.size());
  }
}

/// Where the bracket that opens at `open` closes; the end where it does not.
std::size_t closing(std::string_view text, std::size_t open, char opens, char closes) {
  std::size_t depth = 0;
  for (std::size_t at = open; at < text.size(); ++at) {
    if (text[at] == opens) ++depth;
    if (text[at] == closes && --depth == 0) return at;
  }
  return text.size();
}

/// Clang's names of lambdas, "::$_0::" and "::'lambda'(int)::", as GCC writes them.
void unify_lambdas(std::string& name) {
  for (const std::string_view opening : {"::$_", "::'lambda"}) {
    for (std::size_t at = name.find(opening); at != std::string::npos;
         at = name.find(opening, at)) {
      const std::size_t end = name.find("::operator()", at + 1);
      if (end == std::string::npos) return;
      name.replace(at, end - at, "::{lambda()#1}");
    }
  }
}

}  // namespace

std::string short_function_name(std::string name) {
  constexpr std::size_t kMaxCharacters = 72;
  unify_lambdas(name);
  remove_all(name, "(anonymous namespace)::");
  remove_all(name, "[abi:cxx11]");
  if (const std::size_t clone = name.find(" [clone "); clone != std::string::npos) {
    name.resize(clone);
  }
  if (const std::size_t lambda = name.find("::{lambda("); lambda == 0) {
    return "a lambda";
  } else if (lambda != std::string::npos) {
    std::string outer = name.substr(0, lambda);
    if (const std::size_t parameters = outer.find('('); parameters != std::string::npos) {
      outer.resize(parameters);
    }
    // The result of a template stands before it.
    if (const std::size_t space = outer.rfind(' '); space != std::string::npos) {
      outer.erase(0, space + 1);
    }
    return "a lambda in " + outer;
  }
  const std::size_t parameters = name.find('(');
  if (name.size() > kMaxCharacters && parameters != std::string::npos) {
    const std::size_t end = closing(name, parameters, '(', ')');
    if (end > parameters + 1) name.replace(parameters, end + 1 - parameters, "(...)");
  }
  if (const std::size_t arguments = name.find('<');
      name.size() > kMaxCharacters && arguments != std::string::npos) {
    const std::size_t end = closing(name, arguments, '<', '>');
    if (end < name.size()) name.replace(arguments, end + 1 - arguments, "<...>");
  }
  return name;
}

void CallSites::CloseDwfl::operator()(Dwfl* dwfl) const noexcept { ::dwfl_end(dwfl); }

CallSites::CallSites() = default;
CallSites::~CallSites() = default;

bool CallSites::open() {
  if (std::exchange(opened_, true)) return dwfl_ != nullptr;
  dwfl_.reset(::dwfl_begin(&kCallbacks));
  if (dwfl_ == nullptr) return false;
  if (::dwfl_linux_proc_report(dwfl_.get(), ::getpid()) != 0 ||
      ::dwfl_report_end(dwfl_.get(), nullptr, nullptr) != 0) {
    dwfl_.reset();
  }
  return dwfl_ != nullptr;
}

const std::vector<CallFrame>& CallSites::frames(const void* return_address) {
  const auto known = known_.find(return_address);
  if (known != known_.end()) return known->second;
  return known_[return_address] = look_up(return_address);
}

std::vector<CallFrame> CallSites::look_up(const void* return_address) {
  // A return address may lie behind the last instruction of its function.
  const auto pc = reinterpret_cast<Dwarf_Addr>(return_address) - 1;
  Dwfl_Module* const module = open() ? ::dwfl_addrmodule(dwfl_.get(), pc) : nullptr;
  if (module == nullptr) return {{.function = fmt::format("{}", return_address)}};
  const std::string module_name = base_name(
      ::dwfl_module_info(module, nullptr, nullptr, nullptr, nullptr, nullptr, nullptr, nullptr));
  const char* const symbol = ::dwfl_module_addrname(module, pc);
  Dwarf_Addr bias = 0;
  if (Dwarf_Die* const unit = find_unit(module, pc, bias)) {
    return frames_from_debug_info(unit, pc - bias, symbol, module_name);
  }
  if (symbol != nullptr) return {make_frame(demangled(symbol), {}, module_name)};
  return {
      {.function = fmt::format("{} of {}", return_address, module_name), .module = module_name}};
}

std::vector<CallFrame> CallSites::shown_frames(std::span<const void* const> calls) {
  std::vector<CallFrame> shown;
  for (const void* const call : calls) {
    for (const CallFrame& frame : frames(call)) {
      if (!shown.empty() && is_explorer(frame)) return shown;
      if (!is_plumbing(frame)) shown.push_back(frame);
      if (shown.size() > kMaxCallers) return shown;
    }
  }
  return shown;
}

std::string CallSites::describe(std::span<const void* const> calls) {
  std::string text;
  for (const CallFrame& frame : shown_frames(calls)) {
    if (!text.empty()) text += ", from ";
    text += frame_text(frame);
  }
  if (!text.empty()) return text;
  // All of it plumbing: the innermost is better than nothing.
  return calls.empty() ? "a place unknown" : frame_text(frames(calls.front()).front());
}

std::string CallSites::describe_briefly(std::span<const void* const> calls) {
  const std::vector<CallFrame> shown = shown_frames(calls);
  return shown.empty() ? std::string() : place_text(shown.front());
}

}  // namespace nacre
