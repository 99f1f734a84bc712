#pragma once

// Return addresses as places in the source: what a debugger would say.
//
// Reads the debug information (DWARF) of this process and its libraries with elfutils' libdw; where
// there is none, the symbol table.
//
// Thread safety: none.

#include <map>
#include <memory>
#include <span>
#include <string>
#include <vector>

struct Dwfl;

namespace nacre {

/// A function and where in it; `file` is empty where it has no debug information, and `function`
/// where it has not even a symbol.
struct CallFrame {
  std::string function = {};  ///< As C++ writes it, shortened to what a person reads.
  std::string file = {};      ///< Without its directory.
  int line = 0;
  std::string module = {};        ///< The program or library, without its directory.
  std::string raw_function = {};  ///< Demangled, all of it.
};

class CallSites {
 public:
  CallSites();
  ~CallSites();
  CallSites(const CallSites&) = delete;
  CallSites& operator=(const CallSites&) = delete;

  /// The frames at a return address, innermost first: more than one where calls were inlined.
  const std::vector<CallFrame>& frames(const void* return_address);

  /// Such as "list.cc:42 in List::push(unsigned long), from list_test.cc:7 in main". `calls` is a
  /// return address and those of its callers. Library functions such as memcpy, and the explorer's
  /// own, are left out; at most three callers are named.
  std::string describe(std::span<const void* const> calls);
  /// Such as "list.cc:42", or the function where there is no line; empty where it is not known.
  std::string describe_briefly(std::span<const void* const> calls);

 private:
  struct CloseDwfl {
    void operator()(Dwfl* dwfl) const noexcept;
  };

  std::vector<CallFrame> shown_frames(std::span<const void* const> calls);
  std::vector<CallFrame> look_up(const void* return_address);
  bool open();

  std::unique_ptr<Dwfl, CloseDwfl> dwfl_;
  bool opened_ = false;
  std::map<const void*, std::vector<CallFrame>> known_;
};

/// `name` without what only a compiler wants to know: unnamed namespaces, ABI tags, the types in a
/// lambda's name, parameters that do not fit.
std::string short_function_name(std::string name);

}  // namespace nacre
