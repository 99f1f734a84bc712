#include "emulation/simulation/call_chain.h"

#include <unwind.h>

namespace nacre {
namespace {

struct Walk {
  const void* site = nullptr;
  bool found = false;  // The frames before belong to the simulator.
  std::vector<const void*> calls;
};

_Unwind_Reason_Code on_frame(_Unwind_Context* context, void* argument) {
  Walk& walk = *static_cast<Walk*>(argument);
  // Set where the frame was interrupted: the address is that of an instruction then.
  int interrupted = 0;
  const auto address = reinterpret_cast<const void*>(_Unwind_GetIPInfo(context, &interrupted));
  if (address == nullptr) return _URC_END_OF_STACK;
  if (walk.found) {
    walk.calls.push_back(address);
  } else if (interrupted != 0 || address == walk.site) {
    walk.found = true;
  }
  return walk.calls.size() < kMaxCalls ? _URC_NO_REASON : _URC_END_OF_STACK;
}

}  // namespace

std::vector<const void*> capture_calls(const void* site) {
  Walk walk{.site = site, .found = false, .calls = {site}};
  _Unwind_Backtrace(&on_frame, &walk);
  return std::move(walk.calls);
}

}  // namespace nacre
