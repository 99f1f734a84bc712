// Mutant 23: a non-temporal copy is published without a fence.
//
// Streamed words wait in write-combining buffers, in no order, and the word that publishes them
// goes another way. It needs no flush, which is why it is forgotten that it needs a fence; caches
// that survive the loss of power do not help, since these buffers are not caches.

#include <span>

#include "tests/mutants/programs.h"

namespace nacre::mutants {
namespace {

constexpr std::size_t kWords = 4;

/// Messages of four words, a line each; line 0 counts them.
class Mailbox {
 public:
  Mailbox(pmem::Region& region, Variant variant) : region_(region), variant_(variant) {}

  void send(std::uint64_t value) {
    const std::uint64_t count = read_u64(region_, 0);
    const Values message(kWords, value);
    region_.copy((count + 1) * kLine, std::as_bytes(std::span(message)));
    // The message holds before it is counted.
    if (variant_ == Variant::kCorrect) region_.fence();
    persist_u64(region_, 0, count + 1);
  }

  Values words() {
    Values words;
    const std::uint64_t count = read_u64(region_, 0);
    for (std::uint64_t i = 1; i <= count; ++i) {
      for (std::size_t word = 0; word < kWords; ++word) {
        words.push_back(read_u64(region_, i * kLine + word * kWord));
      }
    }
    return words;
  }

 private:
  pmem::Region& region_;
  Variant variant_;
};

}  // namespace

CrashReport streamed_without_fence(const CrashTestOptions& options, Variant variant) {
  return CrashTest<Values>(options)
      .run([variant](SimulatedMachine& machine, CrashRun& run) {
        Mailbox mailbox(machine.region(), variant);
        run.operation("send 1", [&] { mailbox.send(11); });
        run.operation("send 2", [&] { mailbox.send(22); });
      })
      .recover([variant](SimulatedMachine& machine) -> Result<Values> {
        return Mailbox(machine.region(), variant).words();
      })
      .check([](const Values& found, const CrashHistory& history) {
        return check_after("mailbox", found,
                           {{}, {11, 11, 11, 11}, {11, 11, 11, 11, 22, 22, 22, 22}}, history);
      })
      .explore();
}

}  // namespace nacre::mutants
