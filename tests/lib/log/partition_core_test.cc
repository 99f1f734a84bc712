// The writers of a partition: claims that hold it, and the sizes it takes.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdint>
#include <cstring>
#include <limits>
#include <optional>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "nacre/log.h"
#include "tests/lib/log/partition_fixture.h"
#include "tests/support/result_matchers.h"

namespace nacre {
namespace {

using test::has_code;
using test::LogPlace;
using testing::ElementsAre;
using testing::HasSubstr;

class PartitionCoreTest : public test::PartitionFixture {
 protected:
  static constexpr const char* kClaimedHere =
      "a claim of this partition is open on this thread; commit or drop it first";

  static Result<Offset> commit(MessageClaim& claim, std::string_view text) {
    std::memcpy(claim.value().data(), text.data(), text.size());
    return claim.commit(text.size());
  }
};

INSTANTIATE_TEST_SUITE_P(Domains, PartitionCoreTest,
                         testing::Values(LogPlace::kBlock, LogPlace::kEmulatedInMemory),
                         test::place_name);

// A claim holds the partition's lock, so an append on the claim's own thread waited for itself, for
// ever.
TEST_P(PartitionCoreTest, AThreadWithAnOpenClaimIsRefusedAndDoesNotWaitForItself) {
  const Message message{.value = as_bytes("x")};
  ASSERT_OK_AND_ASSIGN(MessageClaim claim, partition().claim(100));
  const auto appended = partition().append(message);
  ASSERT_THAT(appended, has_code(ErrorCode::kInvalidArgument));
  EXPECT_EQ(appended.error().message(), kClaimedHere);
  EXPECT_THAT(partition().append_batch({{message}}), has_code(ErrorCode::kInvalidArgument));
  EXPECT_THAT(partition().submit(message), has_code(ErrorCode::kInvalidArgument));
  EXPECT_THAT(partition().submit_batch({{message}}), has_code(ErrorCode::kInvalidArgument));
  EXPECT_THAT(partition().claim(1), has_code(ErrorCode::kInvalidArgument));
  EXPECT_OK(partition(1).append(message)) << "another partition is not held";
  ASSERT_OK(commit(claim, "claimed"));
  EXPECT_OK(partition().append(message)) << "a committed claim holds nothing, though it lives";
  EXPECT_THAT(values(partition()), ElementsAre("claimed", "x"));
}

TEST_P(PartitionCoreTest, AClaimThatCouldNotBeCommittedHoldsOnUntilItIsDropped) {
  {
    ASSERT_OK_AND_ASSIGN(MessageClaim claim, partition().claim(100));
    EXPECT_THAT(claim.commit(101), has_code(ErrorCode::kInvalidArgument));
    EXPECT_THAT(partition().claim(1), has_code(ErrorCode::kInvalidArgument));
  }
  EXPECT_OK(partition().append({.value = as_bytes("x")}));
}

TEST_P(PartitionCoreTest, OtherThreadsWaitForAClaim) {
  std::optional<MessageClaim> claim = partition().claim(100).value();
  std::thread other([this] { EXPECT_OK(partition().append({.value = as_bytes("second")})); });
  EXPECT_OK(commit(*claim, "first"));
  other.join();
  EXPECT_THAT(values(partition()), ElementsAre("first", "second"));
}

// `close` waits for the writer of each partition, and waited for its own thread's claim for ever.
TEST_P(PartitionCoreTest, ClosingWithAnOpenClaimOnThisThreadIsRefusedAndLeavesTheLogOpen) {
  {
    ASSERT_OK_AND_ASSIGN(MessageClaim claim, other_topic().claim(100));
    const Status closed = log_->close();
    ASSERT_THAT(closed, has_code(ErrorCode::kInvalidArgument));
    EXPECT_EQ(closed.error().message(), kClaimedHere);
    EXPECT_OK(partition().append({.value = as_bytes("still open")}));
    EXPECT_OK(log_->create_topic("still-open"));
    EXPECT_OK(commit(claim, "claimed"));
  }
  EXPECT_OK(log_->close());
  EXPECT_THAT(partition().append({.value = as_bytes("x")}), has_code(ErrorCode::kClosed));
}

// `close` held the log's lock while it waited for the claims of other threads. A thread that asked
// the log for a topic before it committed then waited for `close`, and `close` for it.
TEST_P(PartitionCoreTest, ClosingWaitsForAClaimWhoseThreadLooksAtTheLog) {
  auto claim = partition().claim(100);
  ASSERT_OK(claim);
  std::thread closer([this] { EXPECT_OK(log_->close()); });
  // Once no topic can be created any more, `close` is on its way, and waits for the claim.
  for (int i = 0; log_->create_topic("t" + std::to_string(i)); ++i) {
    ASSERT_OK(log_->topic("t"));
  }
  EXPECT_OK(log_->topic("t"));
  EXPECT_OK(commit(*claim, "claimed"));
  closer.join();
  EXPECT_THAT(partition().append({.value = as_bytes("x")}), has_code(ErrorCode::kClosed));
}

TEST_P(PartitionCoreTest, AssigningToAClaimDropsTheOldOneAtOnce) {
  ASSERT_OK_AND_ASSIGN(MessageClaim claim, partition(0).claim(100));
  ASSERT_OK_AND_ASSIGN(MessageClaim next, partition(1).claim(100));
  claim = std::move(next);
  // By another thread: this one claimed both in their order, and holds the second.
  std::thread([this] { EXPECT_OK(partition(0).append({.value = as_bytes("free again")})); }).join();
  EXPECT_THAT(partition(1).append({.value = as_bytes("x")}), has_code(ErrorCode::kInvalidArgument));
  EXPECT_TRUE(next.value().empty());  // NOLINT(bugprone-use-after-move)
  EXPECT_THAT(next.commit(1), has_code(ErrorCode::kInvalidArgument));
  ASSERT_OK(commit(claim, "moved"));
  EXPECT_THAT(values(partition(1)), ElementsAre("moved"));
}

// The sum of both sizes was compared with the limit: a key of 2^64-1 bytes and a value of 2 made 1,
// and the key was copied.
TEST_P(PartitionCoreTest, SizesWhoseSumWrapsAroundAreRefused) {
  const std::string text = "xy";
  const Bytes absurd(as_bytes(text).data(), std::numeric_limits<std::size_t>::max());
  const Bytes small = as_bytes(text);
  const Bytes half(small.data(), std::size_t{1} << 63);
  for (const Message& bad :
       {Message{.value = small, .key = absurd}, Message{.value = absurd, .key = small},
        Message{.value = absurd}, Message{.value = half, .key = half}}) {
    EXPECT_THAT(partition().append(bad), has_code(ErrorCode::kInvalidArgument));
    EXPECT_THAT(partition().submit(bad), has_code(ErrorCode::kInvalidArgument));
    EXPECT_THAT(partition().append_batch({{bad}}), has_code(ErrorCode::kInvalidArgument));
  }
  EXPECT_THAT(partition().claim(absurd.size()), has_code(ErrorCode::kInvalidArgument));
  EXPECT_EQ(partition().durable_end(), Offset{0});
}

// Envelopes and keys were collected before the batch's size was looked at: a large key, given for
// each of very many messages, asked for more memory than there is, and an exception left the
// library.
TEST_P(PartitionCoreTest, ABatchThatIsTooLargeIsRefusedBeforeMemoryIsTakenForIt) {
  const std::string key(partition().max_message_bytes(), 'k');
  const std::vector<Message> messages(std::size_t{1} << 20,
                                      Message{.value = {}, .key = as_bytes(key)});
  const auto appended = partition().append_batch(messages);
  ASSERT_THAT(appended, has_code(ErrorCode::kInvalidArgument));
  EXPECT_THAT(appended.error().message(), HasSubstr("a batch of 1048576 messages"));
}

}  // namespace
}  // namespace nacre
