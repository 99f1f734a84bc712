#include <utility>

#include "bench/store_engine.h"
#include "lib/base/try.h"
#include "nacre/store.h"
#include "pmem/store_key.h"

namespace nacre::bench {
namespace {

class NacreTransaction final : public StoreTransaction {
 public:
  explicit NacreTransaction(Transaction begun) : transaction_(std::move(begun)) {}

  Result<std::optional<Bytes>> get(Bytes key) override {
    found_ = NACRE_TRY(transaction_.get(key));
    return found_ ? std::optional(found_->bytes()) : std::nullopt;
  }
  Status put(Bytes key, Bytes value) override {
    transaction_.put(key, value);
    return {};
  }
  Status commit() override { return transaction_.commit(); }

 private:
  Transaction transaction_;
  std::optional<PinnedValue> found_;
};

class NacreSession final : public StoreSession {
 public:
  explicit NacreSession(Store& store) : store_(store) {}

  Status put(Bytes key, Bytes value) override { return store_.put(key, value); }

  Result<std::optional<Bytes>> get(Bytes key) override {
    found_ = NACRE_TRY(store_.get(key));
    return found_ ? std::optional(found_->bytes()) : std::nullopt;
  }

  Result<Scanned> scan(Bytes from, std::uint64_t limit) override {
    Scanned scanned;
    StoreIterator at = store_.iterate();
    for (at.seek(from); at.valid() && scanned.entries < limit; at.next()) {
      scanned.add(at.value());
    }
    NACRE_TRY(at.status());
    return scanned;
  }

  Result<Scanned> multi_get(std::span<const Bytes> keys) override {
    Scanned scanned;
    for (const auto& found : NACRE_TRY(store_.multi_get(keys))) {
      if (found) scanned.add(found->bytes());
    }
    return scanned;
  }

  Result<std::unique_ptr<StoreTransaction>> begin() override {
    return std::make_unique<NacreTransaction>(store_.begin());
  }

 private:
  Store& store_;
  std::optional<PinnedValue> found_;
};

class NacreEngine final : public StoreEngine {
 public:
  explicit NacreEngine(Store store) : store_(std::move(store)) {}

  Result<std::unique_ptr<StoreSession>> session() override {
    return std::make_unique<NacreSession>(store_);
  }

  Status settle() override {
    NACRE_TRY(store_.flush());
    return store_.compact();
  }

 private:
  Store store_;
};

Result<std::unique_ptr<StoreEngine>> open_store(const EngineSetting& setting,
                                                bool overwrite_protection) {
  StoreOptions options;
  options.memtable_bytes = setting.memtable_bytes;
  options.segment_bytes = setting.segment_bytes;
  options.domain = setting.sync ? DomainRequest::kBlock : DomainRequest::kEmulated;
  options.overwrite_protection = overwrite_protection;
  return std::make_unique<NacreEngine>(NACRE_TRY(Store::open(setting.directory, options)));
}

}  // namespace

StoreKind nacre_store() {
  return {.name = "nacre",
          .tuning = "Store, emulated domain, otherwise the defaults; a get is a pinned view",
          .sync_tuning = "Store, block domain, durable at every put, otherwise the defaults",
          .open = [](const EngineSetting& setting) { return open_store(setting, false); }};
}

std::optional<StoreKind> nacre_protected_store() {
  if (!pmem::probe_store_keys().kernel) return std::nullopt;
  StoreKind kind = nacre_store();
  kind.name = "nacre_protected";
  kind.tuning = "with overwrite_protection";
  kind.open = [](const EngineSetting& setting) { return open_store(setting, true); };
  return kind;
}

}  // namespace nacre::bench
