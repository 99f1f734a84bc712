#include "emulation/simulation/simulated_device.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <deque>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "emulation/simulation/machine.h"
#include "nacre/emulation/crash_test.h"
#include "nacre/emulation/simulated_machine.h"
#include "tests/support/result_matchers.h"

namespace nacre {
namespace {

constexpr OpenOptions kCreate{.writable = true, .create = true};

class SimulatedDeviceTest : public testing::Test {
 protected:
  /// Writes one letter at its place in the alphabet.
  IoOperation& write(char letter) {
    auto& [operation, text] = made_.emplace_back(std::make_unique<IoOperation>(), letter);
    operation->request.kind = IoKind::kWrite;
    operation->request.file = &io_file_;
    operation->request.offset = static_cast<std::uint64_t>(letter - 'a');
    operation->request.buffers.push_back(
        IoBuffer::borrow(std::as_writable_bytes(std::span(&text, 1))));
    return *operation;
  }
  IoOperation& remove(const std::string& path) {
    IoOperation& operation = *made_.emplace_back(std::make_unique<IoOperation>(), 0).operation;
    operation.request.kind = IoKind::kRemove;
    operation.request.path = path;
    return operation;
  }
  void submit(std::vector<IoOperation*> operations) { device_.submit(operations, false); }
  /// In the order in which they end.
  std::vector<IoOperation*> reap_all() {
    std::vector<IoOperation*> all;
    std::array<IoOperation*, 2> some{};
    while (const std::size_t count = device_.reap(some, IoBackend::kForever)) {
      all.insert(all.end(), some.begin(), some.begin() + static_cast<std::ptrdiff_t>(count));
    }
    return all;
  }
  std::string content() {
    std::string text(static_cast<std::size_t>(file_->size().value()), '?');
    EXPECT_OK(file_->read_at(0, std::as_writable_bytes(std::span(text))));
    return text;
  }

  struct Made {
    Made(std::unique_ptr<IoOperation> made, char letter)
        : operation(std::move(made)), text(letter) {}
    std::unique_ptr<IoOperation> operation;
    char text;
  };

  SimulatedMachine machine_ = SimulatedMachine::create().value();
  SimulatedDevice device_{machine_.file_system(), 7};
  std::unique_ptr<File> file_ = machine_.file_system().open("/f", kCreate).value();
  IoFile io_file_{device_, *file_};
  std::deque<Made> made_;
};

TEST_F(SimulatedDeviceTest, WritesAreUnderWayTogetherAndEndInAnotherOrder) {
  std::vector<IoOperation*> operations;
  for (const char letter : std::string("abcdefgh")) operations.push_back(&write(letter));
  submit(operations);
  EXPECT_EQ(content(), "abcdefgh");
  const std::vector<IoOperation*> ended = reap_all();
  EXPECT_TRUE(std::ranges::is_permutation(ended, operations));
  EXPECT_NE(ended, operations);
  for (const IoOperation* const operation : ended) {
    EXPECT_OK(operation->outcome);
    EXPECT_EQ(operation->transferred, 1U);
  }
  // Nothing was durable on the way: all had begun before the first had ended.
  std::string kinds;
  for (const Event& event : machine_.core().trace().events()) {
    if (event.kind == EventKind::kWriteBegin) kinds += 'b';
    if (event.kind == EventKind::kWriteEnd) kinds += event.flag ? 'd' : 'e';
  }
  EXPECT_EQ(kinds, "bbbbbbbbeeeeeeee");
}

TEST_F(SimulatedDeviceTest, ADurableWriteSaysSo) {
  IoOperation& operation = write('a');
  operation.request.durable = true;
  submit({&operation});
  EXPECT_EQ(reap_all().size(), 1U);
  EXPECT_TRUE(machine_.core().trace().events().back().flag);
}

TEST_F(SimulatedDeviceTest, AWriteThatFailsSaysSo) {
  machine_.fail_writes(1);
  IoOperation& operation = write('a');
  submit({&operation});
  EXPECT_EQ(reap_all().size(), 1U);
  EXPECT_THAT(operation.outcome, test::has_code(ErrorCode::kIo));
  EXPECT_EQ(operation.transferred, 0U);
  IoOperation& far = write('b');
  far.request.offset = machine_.options().max_file_bytes;
  submit({&far});
  EXPECT_EQ(reap_all().size(), 1U);
  EXPECT_THAT(far.outcome, test::has_code(ErrorCode::kNoSpace));
}

TEST_F(SimulatedDeviceTest, AChainStopsWhereItFails) {
  IoOperation& first = write('a');
  IoOperation& second = remove("/missing");
  IoOperation& third = write('b');
  first.next_in_chain = &second;
  second.next_in_chain = &third;
  submit({&first});
  EXPECT_EQ(reap_all(), (std::vector<IoOperation*>{&first, &second, &third}));
  EXPECT_OK(first.outcome);
  EXPECT_THAT(second.outcome, test::has_code(ErrorCode::kNotFound));
  EXPECT_THAT(third.outcome, test::has_code(ErrorCode::kCancelled));
  EXPECT_EQ(content(), "a");
}

TEST_F(SimulatedDeviceTest, WhatHasNotBegunIsCalledBack) {
  IoOperation& begun = write('a');
  IoOperation& waiting = remove("/f");
  submit({&begun, &waiting});
  device_.cancel(begun);
  device_.cancel(waiting);
  EXPECT_EQ(reap_all().size(), 2U);
  EXPECT_OK(begun.outcome);
  EXPECT_THAT(waiting.outcome, test::has_code(ErrorCode::kCancelled));
  EXPECT_OK(machine_.file_system().stat("/f"));
}

// The block domain has all of its commits under way at one time: any of them may be there.
TEST(SimulatedDevice, CommitsUnderWayAreThereEachOnItsOwn) {
  constexpr std::size_t kBlock = 4096;
  std::set<std::string> all_in_flight;
  CrashTest<std::string> test({.in_process = true});
  test.setup([](SimulatedMachine& machine) {
        EXPECT_OK(machine.file_system().open("/r", kCreate).value()->resize(3 * kBlock));
      })
      .run([](SimulatedMachine& machine, CrashRun& run) {
        pmem::Domain& domain = *machine.block_environment().domain;
        auto file = machine.file_system().open("/r", domain.open_options()).value();
        auto region = domain.map(std::move(file), 3 * kBlock, pmem::MapContent::kKeep).value();
        std::size_t told = 0;
        for (std::size_t i = 0; i < 3; ++i) {
          const std::size_t operation = run.begin(std::to_string(i));
          region->copy(i * kBlock, as_bytes("x"));
          region->commit_then(i * kBlock, i * kBlock + 1, pmem::CommitDriver::kCaller,
                              [&run, &told, operation](const Status& status) {
                                EXPECT_OK(status);
                                run.end(operation);
                                ++told;
                              });
        }
        EXPECT_TRUE(domain.drive([&] { return told == 3; }));
      })
      .recover([](SimulatedMachine& machine) -> Result<std::string> {
        auto file = machine.file_system().open("/r", {}).value();
        std::string found;
        for (std::size_t i = 0; i < 3; ++i) {
          std::array<std::byte, 1> first{};
          EXPECT_OK(file->read_at(i * kBlock, first));
          found += first.front() == std::byte{'x'} ? 'x' : '.';
        }
        return found;
      })
      .check([&](const std::string& found, const CrashHistory& history) -> Status {
        for (std::size_t i = 0; i < 3; ++i) {
          const OperationState state = history.state(i);
          if (found[i] == 'x' ? state == OperationState::kNotBegun
                              : state == OperationState::kCompleted) {
            return Error(ErrorCode::kCorruption, found);
          }
        }
        if (history.begun_count() == 3 && history.completed_count() == 0) {
          all_in_flight.insert(found);
        }
        return {};
      });
  const CrashReport report = test.explore();
  EXPECT_EQ(report.verdict, CrashVerdict::kExhaustive) << report.to_string();
  EXPECT_EQ(all_in_flight,
            (std::set<std::string>{"...", "..x", ".x.", ".xx", "x..", "x.x", "xx.", "xxx"}));
}

}  // namespace
}  // namespace nacre
