#include <deque>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <span>
#include <thread>
#include <utility>
#include <vector>

#include "emulation/simulation/simulated_device.h"
#include "lib/base/try.h"
#include "nacre/emulation/durable_linearizability.h"
#include "nacre/executor.h"
#include "pmem/block_region.h"
#include "tools/crash_suites/store_workload.h"
#include "tools/crash_suites/structure_suites.h"
#include "tools/crash_suites/wal_workload.h"
#include "tools/crash_suites/workload.h"

namespace nacre::tools {
namespace {

using Kind = StoreStep::Kind;
using Threads = std::vector<std::vector<StoreStep>>;

/// Tasks in their order, by whichever thread waits for something: where another one waits inside a
/// task, it goes on with the next.
class SharedExecutor final : public Executor {
 public:
  ~SharedExecutor() override {
    while (run_one()) {
    }
  }
  void submit(Task task) override {
    const std::scoped_lock lock(mutex_);
    tasks_.push_back(std::move(task));
  }
  void run_until(const std::function<bool()>& done) override {
    while (!done()) {
      // All others go first.
      if (!run_one()) std::this_thread::yield();
    }
  }
  std::size_t parallelism() const noexcept override { return 1; }
  bool has_threads() const noexcept override { return false; }

 private:
  bool run_one() {
    Task task;
    {
      const std::scoped_lock lock(mutex_);
      if (tasks_.empty()) return false;
      task = std::move(tasks_.front());
      tasks_.pop_front();
    }
    task();
    return true;
  }

  std::mutex mutex_;
  std::deque<Task> tasks_;
};

/// A simulated device takes one call at a time.
class SharedDevice final : public IoBackend {
 public:
  explicit SharedDevice(FileSystem& file_system) : device_(file_system, 1) {}

  void submit(std::span<IoOperation* const> operations, bool reap_follows) override {
    const std::scoped_lock lock(mutex_);
    device_.submit(operations, reap_follows);
  }
  std::size_t reap(std::span<IoOperation*> ended, std::uint64_t wait_ns) override {
    const std::scoped_lock lock(mutex_);
    return device_.reap(ended, wait_ns);
  }
  void wake() noexcept override { device_.wake(); }
  void cancel(IoOperation& operation) override {
    const std::scoped_lock lock(mutex_);
    device_.cancel(operation);
  }
  std::size_t depth() const noexcept override { return device_.depth(); }
  const IoBackendInfo& info() const noexcept override { return device_.info(); }
  bool holds(const IoFile& file) override { return device_.holds(file); }

 private:
  std::mutex mutex_;
  SimulatedDevice device_;
};

/// A block domain whose callers all drive. Without a thread of its own, the one that drives leaves
/// when its own write has ended, and there is nobody to see to those of a thread that sleeps.
class SharedDomain final : public pmem::Domain {
 public:
  explicit SharedDomain(std::unique_ptr<pmem::Domain> inner) : inner_(std::move(inner)) {}

  const DomainInfo& info() const noexcept override { return inner_->info(); }
  OpenOptions open_options() const noexcept override { return inner_->open_options(); }
  Result<std::unique_ptr<pmem::Region>> map(std::unique_ptr<File> file, std::size_t bytes,
                                            pmem::MapContent content) override {
    return inner_->map(std::move(file), bytes, content);
  }
  bool drive(const std::function<bool()>& done) override {
    while (!inner_->drive(done)) {
      if (done()) return false;
      std::this_thread::yield();
    }
    return true;
  }

 private:
  const std::unique_ptr<pmem::Domain> inner_;
};

/// A store that several threads of a simulated machine call.
class SharedStore {
 public:
  SharedStore(SimulatedMachine& machine, const SuiteModel& model)
      : environment_(model.environment(machine)) {
    environment_.executor = &executor_;
    if (model.block) {
      device_.emplace(*environment_.file_system);
      domain_.emplace(require(pmem::make_block_domain(
          environment_.domain->info(), *environment_.file_system,
          {.backend = &*device_, .clock = environment_.clock, .executor = &executor_})));
      environment_.domain = &*domain_;
    }
    // In the block domain writers share one lane.
    store_.emplace(require(open_suite_store(environment_, model.block ? 1 : 2)));
  }

  Store& store() { return *store_; }

 private:
  Environment environment_;
  SharedExecutor executor_;
  std::optional<SharedDevice> device_;
  std::optional<SharedDomain> domain_;
  std::optional<Store> store_;
};

const std::vector<StoreStep>& setup_steps() {
  static const std::vector<StoreStep> steps = {{.kind = Kind::kCreate},
                                               {.keys = {"a"}, .value = "0"}};
  return steps;
}

CrashReport explore_threads(const Threads& threads, const SuiteModel& model,
                            CrashTestOptions options) {
  auto shared = std::make_shared<std::optional<SharedStore>>();
  CrashCalls<StoreStep, std::string> calls;
  StoreContents initial;
  for (const StoreStep& step : setup_steps()) initial.apply(step);
  return CrashTest<StoreContents>(suite_options(model, std::move(options)))
      .setup([=, &model](SimulatedMachine& machine) {
        shared->emplace(machine, model);
        for (const StoreStep& step : setup_steps()) require(take((*shared)->store(), step));
      })
      .run([=, &threads, &calls](SimulatedMachine&, CrashRun& run) {
        calls.clear();
        std::vector<std::function<void()>> bodies;
        for (const std::vector<StoreStep>& own : threads) {
          bodies.emplace_back([&] {
            for (const StoreStep& step : own) {
              calls.perform(run, step.to_string(), step,
                            [&] { return require(take((*shared)->store(), step)); });
            }
          });
        }
        run.threads(bodies);
        run.operation("close", [&] { shared->reset(); });
      })
      .recover([&model](SimulatedMachine& machine) -> Result<StoreContents> {
        const Store store = NACRE_TRY(open_suite_store(machine, model));
        StoreContents found = NACRE_TRY(contents_of(store));
        machine.mark_answered();
        return found;
      })
      .check([&](const StoreContents& found, const CrashHistory& history) {
        return durably_linearizable(initial, calls.all(), history, found);
      })
      .use([&model](SimulatedMachine& machine) -> Status {
        Store store = NACRE_TRY(open_suite_store(machine, model));
        NACRE_TRY(take(store, {.keys = {"one more"}}));
        NACRE_TRY(take(store, {.kind = Kind::kFlush}));
        return NACRE_TRY(take(store, {.kind = Kind::kGet, .keys = {"one more"}})) == "value"
                   ? Status()
                   : wrong("a key that was put after recovery is not there");
      })
      .explore();
}

}  // namespace

CrashReport explore_store_concurrent(const SuiteModel& model, CrashTestOptions options) {
  static const Threads threads = {
      {{.keys = {"a"}, .value = "1"},
       {.kind = Kind::kGet, .keys = {"b"}},
       {.kind = Kind::kGet, .keys = {"a"}}},
      {{.kind = Kind::kGet, .keys = {"a"}},
       {.kind = Kind::kBatch, .keys = {"a", "b"}, .value = "2"},
       {.kind = Kind::kGet, .keys = {"b"}}},
      {{.kind = Kind::kRemove, .keys = {"a"}},
       {.kind = Kind::kGet, .keys = {"b"}},
       {.kind = Kind::kGet, .keys = {"a"}}},
  };
  return explore_threads(threads, model, std::move(options));
}

CrashReport explore_store_memtable_switch(const SuiteModel& model, CrashTestOptions options) {
  static const Threads threads = {
      {{.kind = Kind::kBatch, .keys = {"a", "b"}, .value = "1"},
       {.kind = Kind::kBatch, .keys = {"b", "c"}, .value = "2"}},
      {{.kind = Kind::kFlush}, {.kind = Kind::kGet, .keys = {"b"}}, {.kind = Kind::kFlush}},
      {{.kind = Kind::kBatch, .keys = {"a", "c"}, .value = "3"},
       {.kind = Kind::kGet, .keys = {"a"}}},
  };
  return explore_threads(threads, model, std::move(options));
}

}  // namespace nacre::tools
