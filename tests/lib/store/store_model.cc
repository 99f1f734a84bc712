#include "tests/lib/store/store_model.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <future>
#include <type_traits>
#include <utility>

#include "tests/support/result_matchers.h"

namespace nacre::test {
namespace {

constexpr std::uint64_t kKeys = 60;

}  // namespace

Comparator by_length() {
  return Comparator::custom("test.by_length", [](Bytes a, Bytes b) {
    if (a.size() != b.size()) return a.size() <=> b.size();
    return std::lexicographical_compare_three_way(a.begin(), a.end(), b.begin(), b.end());
  });
}

StoreModel::StoreModel(Options options)
    : options_(std::move(options)),
      random_(options_.seed),
      directory_(directory_for(options_.place)),
      content_(Less{options_.comparator}) {
  open();
}

StoreModel::~StoreModel() { held_.clear(); }

void StoreModel::open() {
  while (writers_.size() < options_.writers) {
    ASSERT_OK_AND_ASSIGN(writers_.emplace_back(), ThreadPool::create(1));
  }
  StoreOptions options;
  options.memtable_bytes = std::uint64_t{1} << 20;
  options.write_lanes = std::max(2U, options_.writers);
  options.segment_bytes = std::uint64_t{options_.writers > 0 ? 64U : 256U} << 10;
  options.domain = domain_of(options_.place);
  options.comparator = options_.comparator;
  options.merge = append();
  options.environment.clock = &clock_;
  ASSERT_OK_AND_ASSIGN(Store store, Store::open(directory_->path() / "store", options));
  store_.emplace(std::move(store));
}

void StoreModel::reopen() {
  held_.clear();
  ASSERT_OK(store_->close());
  store_.reset();
  open();
}

Status StoreModel::by_a_writer(const std::function<Status()>& write) {
  if (writers_.empty()) return write();
  const auto done = std::make_shared<std::promise<Status>>();
  writers_[below(writers_.size())]->submit([&write, done] { done->set_value(write()); });
  return done->get_future().get();
}

std::string StoreModel::random_key() {
  // The empty one, and keys that begin with others, among them.
  std::string key;
  for (std::uint64_t number = below(kKeys); number > 0; number /= 4) {
    key.push_back(static_cast<char>('a' + number % 4));
  }
  return key;
}

void StoreModel::write() {
  if (below(4) == 0) {
    write_batch();
    return;
  }
  ASSERT_OK(by_a_writer([this] { return write_to(*store_); }));
}

void StoreModel::step() {
  switch (below(24)) {
    case 0:
      ASSERT_OK(store_->flush());
      return;
    case 1:
      ASSERT_OK(store_->compact());
      return;
    case 2:
      if (below(3) == 0) reopen();
      return;
    case 3:
      if (held_.size() < 3) held_.push_back({store_->snapshot(), content_});
      return;
    case 4:
      if (!held_.empty()) held_.erase(held_.begin() + static_cast<long>(below(held_.size())));
      return;
    case 5:
      clock_.advance_ms(1);
      return;
    case 6:
    case 7:
    case 8:
      write_batch();
      return;
    case 9:
      bulk_load();
      return;
    default:
      ASSERT_OK(by_a_writer([this] { return write_to(*store_); }));
  }
}

namespace {

/// A WriteBatch cannot fail, and so says nothing.
template <class Write>
Status status_of(Write&& write) {
  if constexpr (std::is_void_v<decltype(write())>) {
    write();
    return {};
  } else {
    return write();
  }
}

}  // namespace

/// One random write, to the store or to a batch, and to the model.
template <class Target>
Status StoreModel::write_to(Target& target) {
  const std::string key = random_key();
  const std::string value = std::to_string(++writes_) + ",";
  switch (below(12)) {
    case 0:
    case 1:
      content_.erase(key);
      return status_of([&] { return target.remove(as_bytes(key)); });
    case 2: {
      std::string end = random_key();
      if (content_.key_comp()(end, key)) return {};
      if (end == key) return {};
      content_.erase(content_.lower_bound(key), content_.lower_bound(end));
      return status_of([&] { return target.remove_range(as_bytes(key), as_bytes(end)); });
    }
    case 3:
    case 4: {
      const std::uint64_t ttl_ms = 1 + below(8);
      content_[key] = {.put = value, .until_ms = now_ms() + ttl_ms};
      return status_of(
          [&] { return target.put(as_bytes(key), as_bytes(value), {.ttl_ms = ttl_ms}); });
    }
    case 5:
    case 6:
    case 7:
      content_[key].operands += value;
      return status_of([&] { return target.merge(as_bytes(key), as_bytes(value)); });
    default:
      content_[key] = {.put = value};
      return status_of([&] { return target.put(as_bytes(key), as_bytes(value)); });
  }
}

void StoreModel::write_batch() {
  WriteBatch batch;
  for (std::uint64_t left = 1 + below(6); left > 0; --left) {
    ASSERT_OK(write_to(batch));
  }
  if (batch.count() == 0) return;
  ASSERT_OK(by_a_writer([&] { return store_->write(batch); }));
}

void StoreModel::bulk_load() {
  Content loaded(Less{options_.comparator});
  for (std::uint64_t left = below(12); left > 0; --left) {
    loaded[random_key()] = {.put = std::to_string(++writes_) + ","};
  }
  BulkLoad load = store_->begin_bulk_load();
  for (const auto& [key, value] : loaded) {
    ASSERT_OK(load.add(as_bytes(key), as_bytes(*value.put)));
  }
  // What is written meanwhile is older.
  if (below(2) == 0) {
    ASSERT_OK(write_to(*store_));
  }
  // Not all are committed.
  if (below(5) == 0) return;
  ASSERT_OK(load.commit());
  for (const auto& [key, value] : loaded) content_[key] = value;
}

StoreModel::Visible StoreModel::visible(const Content& content) {
  Visible shown;
  for (const auto& [key, value] : content) {
    const bool is_there = value.put.has_value() && value.until_ms > now_ms();
    if (!is_there && value.operands.empty()) continue;
    shown.emplace_back(key, (is_there ? *value.put : "") + value.operands);
  }
  return shown;
}

void StoreModel::check() {
  check_against(content_, {});
  for (const Held& held : held_) check_against(held.content, {.snapshot = &held.snapshot});
}

void StoreModel::check_against(const Content& content, const ReadOptions& options) {
  const Visible expected = visible(content);
  check_walks(expected, options);
  check_seeks(expected, options);
  check_bounds(expected, options);
  check_lookups(expected, options);
}

void StoreModel::check_bounds(const Visible& all, ReadOptions options) {
  const std::string lower = random_key();
  const std::string upper = random_key();
  const std::string prefix = random_key().substr(0, 2);
  if (below(2) == 0) options.lower_bound = as_bytes(lower);
  if (below(2) == 0) options.upper_bound = as_bytes(upper);
  if (below(2) == 0) options.prefix = as_bytes(prefix);
  Visible within = all;
  std::erase_if(within, [&](const auto& entry) {
    const Bytes key = as_bytes(entry.first);
    return (options.lower_bound && options_.comparator(key, *options.lower_bound) < 0) ||
           (options.upper_bound && options_.comparator(key, *options.upper_bound) >= 0) ||
           !entry.first.starts_with(as_text(options.prefix));
  });
  check_walks(within, options);
  check_seeks(within, options);
}

void StoreModel::check_walks(const Visible& expected, const ReadOptions& options) {
  StoreIterator at = store_->iterate(options);
  Visible found;
  for (at.seek_first(); at.valid(); at.next())
    found.emplace_back(as_text(at.key()), as_text(at.value()));
  ASSERT_OK(at.status());
  ASSERT_EQ(found, expected);
  found.clear();
  for (at.seek_last(); at.valid(); at.prev())
    found.emplace_back(as_text(at.key()), as_text(at.value()));
  ASSERT_OK(at.status());
  std::ranges::reverse(found);
  ASSERT_EQ(found, expected);
}

void StoreModel::check_seeks(const Visible& expected, const ReadOptions& options) {
  StoreIterator at = store_->iterate(options);
  for (int i = 0; i < 4; ++i) {
    const std::string key = random_key();
    const auto place = static_cast<std::size_t>(
        std::ranges::partition_point(expected,
                                     [&](const auto& entry) {
                                       return options_.comparator(as_bytes(entry.first),
                                                                  as_bytes(key)) < 0;
                                     }) -
        expected.begin());
    at.seek(as_bytes(key));
    ASSERT_EQ(at.valid(), place < expected.size());
    if (at.valid()) {
      ASSERT_EQ(as_text(at.key()), expected[place].first);
    }
    if (at.valid() && place > 0) {
      at.prev();
      ASSERT_TRUE(at.valid());
      ASSERT_EQ(as_text(at.key()), expected[place - 1].first);
    }
    const bool is_there = place < expected.size() && expected[place].first == key;
    const std::size_t before = place + static_cast<std::size_t>(is_there);
    at.seek_for_prev(as_bytes(key));
    ASSERT_EQ(at.valid(), before > 0);
    if (at.valid()) {
      ASSERT_EQ(as_text(at.value()), expected[before - 1].second);
    }
    if (at.valid() && before < expected.size()) {
      at.next();
      ASSERT_TRUE(at.valid());
      ASSERT_EQ(as_text(at.value()), expected[before].second);
    }
  }
}

void StoreModel::check_lookups(const Visible& expected, const ReadOptions& options) {
  std::vector<std::string> keys;
  // More than are looked up together, some of them twice.
  for (int i = 0; i < 80; ++i) keys.push_back(random_key());
  const std::vector<Bytes> wanted = [&] {
    std::vector<Bytes> all;
    for (const std::string& key : keys) all.push_back(as_bytes(key));
    return all;
  }();
  ASSERT_OK_AND_ASSIGN(const auto together, store_->multi_get(wanted, options));
  ASSERT_EQ(together.size(), keys.size());
  for (std::size_t i = 0; i < keys.size(); ++i) {
    const auto there = std::ranges::find(expected, keys[i], &Visible::value_type::first);
    std::optional<std::string> value;
    if (there != expected.end()) value = there->second;
    const auto text = [](const std::optional<PinnedValue>& found) {
      return found.has_value() ? std::optional(found->to_string()) : std::nullopt;
    };
    ASSERT_EQ(text(together[i]), value) << "multi_get " << keys[i];
    ASSERT_OK_AND_ASSIGN(const auto alone, store_->get(as_bytes(keys[i]), options));
    ASSERT_EQ(text(alone), value) << "get " << keys[i];
  }
}

}  // namespace nacre::test
