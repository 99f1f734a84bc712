// Where a read's buffer comes from, and what that costs.

#include <fmt/format.h>

#include <algorithm>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "bench/io_rows.h"
#include "bench/stopwatch.h"
#include "bench/transfer.h"
#include "lib/base/try.h"
#include "nacre/io.h"
#include "nacre/io_buffer_group.h"

namespace nacre::bench {
namespace {

constexpr std::size_t kDepth = 8;
/// Of a cached file so much is read, again and again.
constexpr std::size_t kCachedBytes = std::size_t{32} << 20;

enum class Source : std::uint8_t {
  kOwn,       ///< Each read brings a registered buffer of its own.
  kPlain,     ///< Each read brings a buffer of its own that is not registered.
  kList,      ///< From a group of registered memory.
  kProvided,  ///< From a group that the kernel lends itself.
};

/// Sequential reads through an engine of one thread, without a scheduler. What counts is their
/// processor time.
class GroupLoop {
 public:
  static Result<std::shared_ptr<GroupLoop>> open(const DataFile::Place& place,
                                                 const Transfer& transfer, bool cached,
                                                 Source source) {
    std::shared_ptr<GroupLoop> loop(new GroupLoop(transfer));
    loop->file_bytes_ = cached ? std::min(kCachedBytes, place.bytes) : place.bytes;
    loop->file_ = NACRE_TRY(loop->file_system_.open(place.path, {.direct = !cached}));
    loop->backend_ = NACRE_TRY(
        make_io_backend(loop->file_system_, {.engine = IoEngine::kIoUring, .single_thread = true}));
    loop->io_file_.emplace(*loop->backend_, *loop->file_);
    const bool registered = source == Source::kOwn || source == Source::kList;
    if (registered) loop->memory_.emplace(*loop->backend_, loop->bytes_.all());
    const int slot = registered ? loop->memory_->slot() : -1;
    std::vector<IoBuffer> buffers;
    for (std::size_t i = 0; i < kDepth; ++i) {
      buffers.push_back(IoBuffer::borrow(loop->bytes_.at(i), slot));
    }
    if (source == Source::kOwn || source == Source::kPlain) {
      loop->own_ = std::move(buffers);
    } else {
      loop->group_.emplace(*loop->backend_, std::move(buffers));
    }
    return loop;
  }

  Result<Sample> measure(Nanoseconds slice) {
    const Stopwatch watch;
    std::uint64_t ended = 0;
    std::vector<IoOperation*> going;
    for (std::size_t i = 0; i < kDepth; ++i) {
      load(operations_[i], i);
      going.push_back(&operations_[i]);
    }
    std::size_t in_flight = kDepth;
    backend_->submit(going, /*reap_follows=*/true);
    while (in_flight > 0) {
      going.resize(kDepth);
      going.resize(backend_->reap(going, IoBackend::kForever));
      ended += going.size();
      in_flight -= going.size();
      for (IoOperation* const operation : going) {
        if (!operation->outcome) return operation->outcome.error();
        load(*operation, static_cast<std::size_t>(operation - operations_.data()));
      }
      if (watch.elapsed() >= slice) continue;
      in_flight += going.size();
      backend_->submit(going, /*reap_follows=*/true);
    }
    const Sample wall = watch.ns_per_operation(ended);
    return Sample(wall.beside.at("cpu_ns"), {{"wall_ns", wall.figure}});
  }

 private:
  explicit GroupLoop(const Transfer& transfer)
      : transfer_(transfer), bytes_(transfer), operations_(kDepth) {}

  /// The next read; what the last one brought goes back.
  void load(IoOperation& operation, std::size_t index) {
    IoRequest& request = operation.request;
    request.file = &*io_file_;
    request.offset = at_;
    at_ = at_ + 2 * transfer_.bytes > file_bytes_ ? 0 : at_ + transfer_.bytes;
    if (group_) {
      request.buffers.clear();
      request.group = &*group_;
      request.bytes = transfer_.bytes;
    } else if (request.buffers.empty()) {
      request.buffers.push_back(std::move(own_[index]));
    }
  }

  const Transfer transfer_;
  TransferBuffers bytes_;
  PosixFileSystem file_system_;
  std::unique_ptr<File> file_;
  std::unique_ptr<IoBackend> backend_;
  std::optional<IoFile> io_file_;
  std::optional<IoMemory> memory_;
  std::vector<IoBuffer> own_;
  std::optional<IoBufferGroup> group_;
  std::vector<IoOperation> operations_;  // They go first: they hold buffers of the group.
  std::size_t file_bytes_ = 0;
  std::uint64_t at_ = 0;
};

Contender reads(std::string name, Role role, std::string tuning,
                const std::shared_ptr<DataFile>& file, const Transfer& transfer, bool cached,
                Source source) {
  return {std::move(name), role, std::move(tuning), [=]() -> Result<Measure> {
            const DataFile::Place place = NACRE_TRY(file->place());
            auto loop = NACRE_TRY(GroupLoop::open(place, transfer, cached, source));
            return Measure([=](Nanoseconds slice) { return loop->measure(slice); });
          }};
}

}  // namespace

std::vector<Benchmark> group_benchmarks(const std::shared_ptr<DataFile>& file) {
  std::vector<Benchmark> rows;
  for (const bool cached : {false, true}) {
    for (const std::size_t kib : {64U, 256U, 1024U}) {
      const Transfer transfer{.sequential = true, .bytes = kib << 10, .depth = kDepth};
      Benchmark& row = rows.emplace_back();
      row.name = fmt::format("group_read{}/{}k", cached ? "_cached" : "", kib);
      row.unit = "ns/op";
      const auto add = [&](std::string name, Role role, std::string tuning, Source source) {
        row.contenders.push_back(
            reads(std::move(name), role, std::move(tuning), file, transfer, cached, source));
      };
      add("nacre", Role::kNacre, "a group of registered memory: a list, fixed reads",
          Source::kList);
      add("floor", Role::kFloor, "each read brings a registered buffer", Source::kOwn);
      add("unregistered", Role::kVariant, "each read brings a buffer that is not registered",
          Source::kPlain);
      add("provided", Role::kVariant, "a group the kernel lends: a ring of provided buffers",
          Source::kProvided);
    }
  }
  return rows;
}

}  // namespace nacre::bench
