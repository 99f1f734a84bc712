#pragma once

// Which operations on names a crash may leave: create, rename, remove, make a directory.
//
// In the minimum of POSIX.1 an operation is durable once every directory that it changes has been
// synced: both of them, where a rename goes from one to the other. A sync of a directory says
// nothing of that directory's own name, which is in another one, nor of what is below it: a synced
// name is there when its directory is. Operations that are not synced may be there or not, in any
// set that holds, with each, what it depends on. A directory that is renamed is one directory under
// either name.
//
// With one journal, as ext4 and XFS have it, there is a prefix of the operations, and a sync of a
// directory commits the journal up to the newest operation in it, all before included (Pillai and
// others, "All File Systems Are Not Created Equal", OSDI 2014, table 1 and section 3.2.1).
//
// A sync of a file makes no name durable, which is less than those journals do.

#include <optional>
#include <set>
#include <vector>

#include "emulation/simulation/name_table.h"
#include "emulation/simulation/persistence_model.h"
#include "nacre/emulation/crash_model.h"

namespace nacre {

class NamesModel final : public PersistenceModel {
 public:
  /// Sets of operations that are tried one by one. Of more there are those with one operation, with
  /// all but one, and the prefixes; CrashState::limit then says so.
  static constexpr std::size_t kMaxSets = 16384;

  /// Lifetime: `definite` outlives this.
  NamesModel(DefiniteBytes& definite, NameModel profile) : definite_(definite), profile_(profile) {}

  bool narrows(const Trace& trace, std::size_t index) const override;
  void apply(const Trace& trace, std::size_t index) override;
  void collect(CrashState& state) const override;
  void clear() override { pending_.clear(); }

 private:
  struct Pending {
    NameOperation operation;
    std::set<std::size_t> needs;  // Places of others in `pending_`, all before it.
    std::size_t event = 0;
    const void* site = nullptr;
    // The directory it was in, and the one of a rename's target.
    bool is_source_synced = false;
    bool is_target_synced = false;
  };
  struct Collection;
  class Choosing;

  void add(const Trace& trace, std::size_t index);
  bool is_synced(const Pending& pending) const;
  /// `pending_` once `directory` has been synced, with nothing taken out of it.
  std::vector<Pending> synced(std::string_view directory) const;
  /// Whether the first is not synced without the second, which it needs.
  bool pulls(const Pending& pending, const Pending& needed) const;
  /// An operation as it is where, of those before it, `there` says which are there: in a directory
  /// that has not been renamed it is there under that one's older name. None where it cannot be.
  std::optional<NameOperation> as_it_is(std::size_t place, const Names& names,
                                        const std::vector<bool>& there) const;
  void settle();
  void forget_settled(const std::vector<bool>& settled);
  Names definite_names() const;
  void collect_some(Collection& found) const;

  DefiniteBytes& definite_;
  NameModel profile_;
  MediaAddress address_ = 0;
  std::shared_ptr<NameTable> table_;
  std::vector<Pending> pending_;
};

}  // namespace nacre
