#include "tools/crash_suites/store_workload.h"

#include <map>
#include <optional>
#include <span>
#include <utility>
#include <vector>

#include "lib/base/try.h"
#include "mmap/segment_format.h"
#include "tools/crash_suites/workload.h"

namespace nacre::tools {
namespace {

using Kind = StoreStep::Kind;

MergeOperator append() {
  return {"test.append", [](Bytes, std::optional<Bytes> existing, std::span<const Bytes> operands) {
            std::vector<std::byte> value;
            if (existing.has_value()) value.assign(existing->begin(), existing->end());
            for (const Bytes operand : operands) {
              value.insert(value.end(), operand.begin(), operand.end());
            }
            return value;
          }};
}

}  // namespace

Result<Store> open_suite_store(const Environment& environment, std::uint32_t lanes,
                               const std::filesystem::path& directory) {
  return Store::open(directory, {.write_lanes = lanes,
                                 .segment_bytes = kMinSegmentBytes,
                                 .spare_segments = 0,
                                 .merge = append(),
                                 .environment = environment});
}

Result<Store> open_suite_store(SimulatedMachine& machine, const SuiteModel& model) {
  return open_suite_store(model.environment(machine));
}

namespace {

using Content = std::map<std::string, std::string>;

/// Both ways, which have to show the same.
Result<Content> walk(StoreIterator at) {
  std::vector<std::pair<std::string, std::string>> forwards;
  for (at.seek_first(); at.valid(); at.next()) {
    forwards.emplace_back(as_text(at.key()), as_text(at.value()));
  }
  NACRE_TRY(at.status());
  auto expected = forwards.rbegin();
  for (at.seek_last(); at.valid(); at.prev(), ++expected) {
    if (expected == forwards.rend() || expected->first != as_text(at.key()) ||
        expected->second != as_text(at.value())) {
      return wrong("an iterator shows something else on its way back");
    }
  }
  NACRE_TRY(at.status());
  if (expected != forwards.rend()) return wrong("an iterator shows less on its way back");
  return Content(forwards.begin(), forwards.end());
}

Result<std::string> default_text(StoreIterator at) {
  const Content content = NACRE_TRY(walk(std::move(at)));
  return to_string(StoreContents::Visible{{std::string(kDefaultKeyspace), content}});
}

Result<std::string> get(const Store& store, const std::string& key) {
  const auto found = NACRE_TRY(store.get(as_bytes(key)));
  return found.has_value() ? found->to_string() : "none";
}

Status write_batch(Store& store, const StoreStep& step) {
  WriteBatch batch;
  const auto other = store.keyspace(kOtherKeyspace);
  for (const std::string& key : step.keys) {
    if (step.kind == Kind::kOperands) {
      batch.merge(as_bytes(key), as_bytes(step.value));
      batch.merge(as_bytes(key), as_bytes(step.value));
      continue;
    }
    batch.put(as_bytes(key), as_bytes(step.value));
    if (other) batch.put(*other, as_bytes(key), as_bytes(step.value));
  }
  return store.write(batch);
}

Status load(Store& store, const StoreStep& step) {
  BulkLoad load = store.begin_bulk_load();
  for (const std::string& key : step.keys) {
    NACRE_TRY(load.add(as_bytes(key), as_bytes(step.value)));
  }
  return load.commit();
}

Status run_transaction(Store& store, const StoreStep& step) {
  Transaction transaction = store.begin();
  const Bytes first = as_bytes(step.keys.front());
  NACRE_TRY(transaction.get(first));
  if (step.kind == Kind::kConflict) NACRE_TRY(store.put(first, as_bytes(step.value)));
  const auto other = store.keyspace(kOtherKeyspace);
  for (const std::string& key : std::span(step.keys).subspan(1)) {
    transaction.put(as_bytes(key), as_bytes(step.value));
    if (other) transaction.put(*other, as_bytes(key), as_bytes(step.value));
  }
  if (step.kind == Kind::kTransaction) {
    transaction.remove(first);
    return transaction.commit();
  }
  const Status committed = transaction.commit();
  if (!committed && committed.error().code() == ErrorCode::kBusy) return {};
  return committed ? Status(wrong("a transaction does not see that what it read was changed"))
                   : committed;
}

Result<std::string> read_beside(Store& store, const StoreStep& step) {
  if (step.kind == Kind::kIterate) {
    StoreIterator at = store.iterate();
    NACRE_TRY(store.remove(as_bytes(step.keys.front())));
    return default_text(std::move(at));
  }
  const Snapshot snapshot = store.snapshot();
  NACRE_TRY(store.put(as_bytes(step.keys.front()), as_bytes(step.value)));
  NACRE_TRY(store.flush());
  NACRE_TRY(store.compact());
  return default_text(store.iterate({.snapshot = &snapshot}));
}

Status write(Store& store, const StoreStep& step) {
  const Bytes key = as_bytes(step.keys.front());
  const Bytes value = as_bytes(step.value);
  switch (step.kind) {
    case Kind::kPut:
      return store.put(key, value);
    case Kind::kPutBriefly:
      return store.put(key, value, {.ttl_ms = StoreStep::kBriefMs});
    case Kind::kRemove:
      return store.remove(key);
    case Kind::kRemoveRange:
      return store.remove_range(key, as_bytes(step.keys[1]));
    case Kind::kOperand:
      return store.merge(key, value);
    case Kind::kBatch:
    case Kind::kOperands:
      return write_batch(store, step);
    case Kind::kTransaction:
    case Kind::kConflict:
      return run_transaction(store, step);
    case Kind::kLoad:
      return load(store, step);
    case Kind::kFlush:
      return store.flush();
    case Kind::kMerge:
      return store.compact();
    case Kind::kCreate: {
      const auto made = store.create_keyspace(kOtherKeyspace);
      return made ? Status() : Status(made.error());
    }
    case Kind::kDrop:
      return store.drop_keyspace(NACRE_TRY(store.keyspace(kOtherKeyspace)));
    case Kind::kCheckpoint:
      return store.checkpoint(kCopyDirectory);
    default:
      return {};
  }
}

}  // namespace

Result<std::string> take(Store& store, const StoreStep& step) {
  if (step.kind == Kind::kGet) return get(store, step.keys.front());
  if (step.kind == Kind::kIterate || step.kind == Kind::kSnapshot) return read_beside(store, step);
  NACRE_TRY(write(store, step));
  return std::string();
}

Result<StoreContents> contents_of(const Store& store) {
  StoreContents::Visible all;
  for (const std::string& name : store.keyspaces()) {
    const Keyspace keyspace = NACRE_TRY(store.keyspace(name));
    Content& content = all[name];
    content = NACRE_TRY(walk(store.iterate(keyspace)));
    for (const auto& [key, value] : content) {
      const auto found = NACRE_TRY(store.get(keyspace, as_bytes(key)));
      if (found.has_value() && found->text() == value) continue;
      return wrong("a key that an iterator shows has another value, or none, when it is got");
    }
  }
  return StoreContents(all);
}

}  // namespace nacre::tools
