// Correct: a linked list of structs, used through plain pointers.
//
// It asks the region for nothing but its memory and for flushes, as code that knows no simulator
// does; every load and store is seen by its page fault.

#include <atomic>

#include "tests/mutants/programs.h"

namespace nacre::mutants {
namespace {

struct alignas(kLine) Node {
  std::atomic<std::uint64_t> value;
  std::atomic<std::uint64_t> next;  // Its place among the nodes; 0, the head itself, for none.
};
static_assert(sizeof(Node) == kLine && std::atomic<std::uint64_t>::is_always_lock_free);

/// Node 0 is the head, and leads to the first one.
class List {
 public:
  explicit List(pmem::Region& region)
      : region_(region), nodes_(reinterpret_cast<Node*>(region.data())) {}

  void insert_after(std::size_t before, std::size_t node, std::uint64_t value) {
    nodes_[node].value = value;
    nodes_[node].next = nodes_[before].next.load();
    // The node holds before anything leads to it.
    persist(node);
    nodes_[before].next = node;
    persist(before);
  }
  void remove_after(std::size_t before) {
    nodes_[before].next = nodes_[nodes_[before].next].next.load();
    persist(before);
  }

  Values values() {
    Values values;
    for (std::size_t at = nodes_[0].next; at != 0; at = nodes_[at].next) {
      values.push_back(nodes_[at].value);
    }
    return values;
  }

 private:
  void persist(std::size_t node) {
    region_.flush(node * sizeof(Node), sizeof(Node));
    region_.fence();
  }

  pmem::Region& region_;
  Node* nodes_;
};

}  // namespace

CrashReport linked_list(const CrashTestOptions& options) {
  return CrashTest<Values>(options)
      .run([](SimulatedMachine& machine, CrashRun& run) {
        List list(machine.region());
        run.operation("insert 11", [&] { list.insert_after(0, 1, 11); });
        run.operation("insert 22", [&] { list.insert_after(1, 2, 22); });
        run.operation("insert between", [&] { list.insert_after(1, 3, 33); });
        run.operation("remove the first", [&] { list.remove_after(0); });
      })
      .recover([](SimulatedMachine& machine) -> Result<Values> {
        return List(machine.region()).values();
      })
      .check([](const Values& found, const CrashHistory& history) {
        return check_after("list", found, {{}, {11}, {11, 22}, {11, 33, 22}, {33, 22}}, history);
      })
      .explore();
}

}  // namespace nacre::mutants
