// The contract of an IoBackend holds over a fault device: one that does nothing, and one that does
// whatever nobody above may notice.

#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <utility>

#include "nacre/emulation/fault_device.h"
#include "tests/lib/io/io_buffer_group_contract.h"
#include "tests/support/result_matchers.h"
#include "tests/support/seed.h"

namespace nacre {
namespace {

using test::IoBackendCase;
using test::IoBackendContract;
using test::IoBufferGroupContract;

/// A fault device with the plan it follows.
class Planned final : public IoBackend {
 public:
  Planned(FileSystem& below, std::unique_ptr<IoBackend> inner, const FaultDeviceOptions& options)
      : files_(below, {.seed = test::seed()}), device_(std::move(inner), files_, options) {}

  FaultPlan& plan() { return files_.plan(); }
  void submit(std::span<IoOperation* const> operations, bool reap_follows) override {
    device_.submit(operations, reap_follows);
  }
  std::size_t reap(std::span<IoOperation*> ended, std::uint64_t wait_ns) override {
    return device_.reap(ended, wait_ns);
  }
  void wake() noexcept override { device_.wake(); }
  void cancel(IoOperation& operation) override { device_.cancel(operation); }
  std::size_t depth() const noexcept override { return device_.depth(); }
  const IoBackendInfo& info() const noexcept override { return device_.info(); }
  int attach_file(File& file) override { return device_.attach_file(file); }
  void detach_file(int slot) noexcept override { device_.detach_file(slot); }
  bool holds(const IoFile& file) override { return device_.holds(file); }
  int attach_memory(std::span<std::byte> memory) override { return device_.attach_memory(memory); }
  void detach_memory(int slot) noexcept override { device_.detach_memory(slot); }
  int attach_group(const IoBufferGroup& group) override { return device_.attach_group(group); }
  void detach_group(int slot) noexcept override { device_.detach_group(slot); }
  void offer_buffer(int slot, std::size_t index) noexcept override {
    device_.offer_buffer(slot, index);
  }

 private:
  FaultFileSystem files_;
  FaultDevice device_;
};

void slow_down(FaultPlan& plan) {
  for (const FileOperation operation :
       {FileOperation::kRead, FileOperation::kWrite, FileOperation::kSync, FileOperation::kRename,
        FileOperation::kPreallocate}) {
    plan.add({.operation = operation,
              .effect = FaultEffect::kSlow,
              .times = Fault::kAlways,
              .probability = 0.3,
              .slow_completions = 5});
    plan.add({.operation = operation,
              .effect = FaultEffect::kSlow,
              .times = Fault::kAlways,
              .probability = 0.2,
              .slow_ns = 100'000});
  }
}

struct Shape {
  std::string name;
  IoEngine engine = IoEngine::kPosix;
  std::size_t threads = 4;
  bool tmpfs = false;
  bool direct = false;
};

IoBackendCase over(const Shape& shape, bool disorderly) {
  return {.name = shape.name + (disorderly ? "Disorderly" : "Plain"),
          .make = [shape, disorderly](FileSystem& below) -> Result<std::unique_ptr<IoBackend>> {
            auto inner = make_io_backend(below, {.engine = shape.engine, .threads = shape.threads});
            if (!inner) return inner.error();
            FaultDeviceOptions options;
            if (disorderly) options = {.split_transfers = true, .reorder_window = 8};
            auto device = std::make_unique<Planned>(below, *std::move(inner), options);
            if (disorderly) slow_down(device->plan());
            return device;
          },
          .tmpfs = shape.tmpfs,
          .direct = shape.direct};
}

std::vector<IoBackendCase> cases() {
  std::vector<IoBackendCase> all;
  for (const Shape& shape :
       {Shape{.name = "PosixDisk"}, Shape{.name = "PosixDirect", .direct = true},
        Shape{.name = "PosixNoThreadsDirect", .threads = 0, .direct = true},
        Shape{.name = "PosixOneThread", .threads = 1}, Shape{.name = "PosixTmpfs", .tmpfs = true},
        Shape{.name = "AutoDirect", .engine = IoEngine::kAuto, .direct = true},
        Shape{.name = "AutoTmpfs", .engine = IoEngine::kAuto, .tmpfs = true}}) {
    all.push_back(over(shape, false));
    all.push_back(over(shape, true));
  }
  return all;
}

INSTANTIATE_TEST_SUITE_P(FaultDevice, IoBackendContract, testing::ValuesIn(cases()),
                         [](const auto& the) { return the.param.name; });
INSTANTIATE_TEST_SUITE_P(FaultDevice, IoBufferGroupContract, testing::ValuesIn(cases()),
                         [](const auto& the) { return the.param.name; });

}  // namespace
}  // namespace nacre
