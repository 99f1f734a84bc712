#include <gtest/gtest.h>

#include <atomic>
#include <functional>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "nacre/store.h"
#include "tests/lib/store/store_model.h"
#include "tests/support/result_matchers.h"
#include "tests/wal/wal_domain.h"

namespace nacre {
namespace {

using test::has_code;
using test::LogPlace;

std::string text_of(const Result<std::optional<PinnedValue>>& found) {
  if (!found) return found.error().to_string();
  return found->has_value() ? (*found)->to_string() : "none";
}

class TransactionTest : public testing::TestWithParam<LogPlace> {
 protected:
  TransactionTest() {
    StoreOptions options;
    options.write_lanes = 2;
    options.memtable_bytes = std::uint64_t{1} << 20;
    options.domain = test::domain_of(GetParam());
    store_.emplace(Store::open(directory_->path() / "store", options).value());
  }
  Status put(std::string_view key, std::string_view value) {
    return store_->put(as_bytes(key), as_bytes(value));
  }
  std::string get(std::string_view key) { return text_of(store_->get(as_bytes(key))); }

  std::unique_ptr<test::TempDirectory> directory_ = test::directory_for(GetParam());
  std::optional<Store> store_;
};

TEST_P(TransactionTest, HappensAsAWholeAtItsCommit) {
  ASSERT_OK(put("a", "1"));
  ASSERT_OK(put("b", "1"));
  Transaction transaction = store_->begin();
  ASSERT_OK(put("b", "2"));
  EXPECT_EQ(text_of(transaction.get(as_bytes("a"))), "1");
  transaction.put(as_bytes("a"), as_bytes("mine"));
  transaction.put(as_bytes("c"), as_bytes("mine"));
  transaction.remove(as_bytes("b"));
  EXPECT_EQ(text_of(transaction.get(as_bytes("a"))), "mine");
  EXPECT_EQ(text_of(transaction.get(as_bytes("b"))), "none");
  EXPECT_EQ(get("a"), "1");
  EXPECT_EQ(get("b"), "2");
  ASSERT_OK(transaction.commit());
  EXPECT_EQ(get("a"), "mine");
  EXPECT_EQ(get("b"), "none");
  EXPECT_EQ(get("c"), "mine");
  EXPECT_THAT(transaction.commit(), has_code(ErrorCode::kClosed));
  EXPECT_THAT(transaction.get(as_bytes("a")), has_code(ErrorCode::kClosed));
}

TEST_P(TransactionTest, ReadsTheMomentAtWhichItBegan) {
  ASSERT_OK(put("a", "1"));
  Transaction transaction = store_->begin();
  ASSERT_OK(put("a", "2"));
  ASSERT_OK(store_->flush());
  ASSERT_OK(store_->compact());
  EXPECT_EQ(text_of(transaction.get(as_bytes("a"))), "1");
  // What only reads has taken place when it began.
  ASSERT_OK(transaction.commit());
}

TEST_P(TransactionTest, DroppingItTakesItBack) {
  {
    Transaction transaction = store_->begin();
    transaction.put(as_bytes("a"), as_bytes("1"));
  }
  EXPECT_EQ(get("a"), "none");
}

TEST_P(TransactionTest, IsBusyWhenWhatItReadWasChanged) {
  const std::vector<std::function<Status()>> changes = {
      [&] { return put("a", "2"); },
      [&] { return store_->remove(as_bytes("a")); },
      [&] { return store_->remove_range(as_bytes(""), as_bytes("b")); },
      [&] {
        WriteBatch batch;
        batch.put(as_bytes("a"), as_bytes("2"));
        return store_->write(batch);
      },
      [&] {
        Transaction other = store_->begin();
        other.put(as_bytes("a"), as_bytes("2"));
        return other.commit();
      },
  };
  for (const auto& change : changes) {
    for (const bool flushed : {false, true}) {
      ASSERT_OK(put("a", "1"));
      Transaction transaction = store_->begin();
      EXPECT_EQ(text_of(transaction.get(as_bytes("a"))), "1");
      transaction.put(as_bytes("result"), as_bytes("of 1"));
      ASSERT_OK(change());
      if (flushed) {
        ASSERT_OK(store_->flush());
      }
      EXPECT_THAT(transaction.commit(), has_code(ErrorCode::kBusy));
      EXPECT_EQ(get("result"), "none");
    }
  }
}

TEST_P(TransactionTest, IsBusyWhenAKeyThatWasNotThereHasCome) {
  Transaction transaction = store_->begin();
  EXPECT_EQ(text_of(transaction.get(as_bytes("a"))), "none");
  transaction.put(as_bytes("b"), as_bytes("1"));
  ASSERT_OK(put("a", "1"));
  EXPECT_THAT(transaction.commit(), has_code(ErrorCode::kBusy));
}

TEST_P(TransactionTest, DoesNotMindChangesOfWhatItDidNotRead) {
  Transaction transaction = store_->begin();
  transaction.put(as_bytes("a"), as_bytes("mine"));
  ASSERT_OK(put("a", "2"));
  ASSERT_OK(put("b", "2"));
  ASSERT_OK(transaction.commit());
  EXPECT_EQ(get("a"), "mine");
}

TEST_P(TransactionTest, SaysAtItsCommitWhatIsWrongWithAWrite) {
  Transaction transaction = store_->begin();
  transaction.put(as_bytes(std::string(kMaxKeyBytes + 1, 'k')), {});
  EXPECT_THAT(transaction.commit(), has_code(ErrorCode::kInvalidArgument));
  const Keyspace gone = store_->create_keyspace("gone").value();
  Transaction other = store_->begin();
  other.put(gone, as_bytes("a"), {});
  ASSERT_OK(store_->drop_keyspace(gone));
  EXPECT_THAT(other.commit(), has_code(ErrorCode::kNotFound));
}

// Two threads count the same number up in transactions. A third one writes another number again and
// again without any, which the first two append to: none of them may undo what it has not read.
TEST_P(TransactionTest, NoUpdateIsLost) {
  const int commits = GetParam() == LogPlace::kBlock ? 50 : 1500;
  ASSERT_OK(put("count", "0"));
  ASSERT_OK(put("plain", "0:"));
  std::atomic<int> counting = 2;
  const auto count = [&] {
    for (int done = 0; done < commits;) {
      Transaction transaction = store_->begin();
      const std::string before = text_of(transaction.get(as_bytes("count")));
      const std::string plain = text_of(transaction.get(as_bytes("plain")));
      transaction.put(as_bytes("count"), as_bytes(std::to_string(std::stoi(before) + 1)));
      transaction.put(as_bytes("plain"), as_bytes(plain.substr(0, plain.find(':')) + ":" + before));
      const Status committed = transaction.commit();
      if (!committed) {
        ASSERT_THAT(committed, has_code(ErrorCode::kBusy));
        continue;
      }
      ++done;
    }
    --counting;
  };
  std::thread first(count);
  std::thread second(count);
  for (int i = 1; counting > 0; ++i) {
    ASSERT_OK(put("plain", std::to_string(i) + ":"));
    const std::string found = get("plain");
    EXPECT_EQ(found.substr(0, found.find(':')), std::to_string(i));
    std::this_thread::yield();
  }
  first.join();
  second.join();
  EXPECT_EQ(get("count"), std::to_string(2 * commits));
}

INSTANTIATE_TEST_SUITE_P(Domains, TransactionTest,
                         testing::Values(LogPlace::kBlock, LogPlace::kEmulatedInMemory),
                         test::place_name);

}  // namespace
}  // namespace nacre
