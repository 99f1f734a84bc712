#include "bench/io_stack.h"

#include <fmt/format.h>

#include <utility>

#include "lib/base/try.h"

namespace nacre::bench {

Result<std::unique_ptr<IoStack>> IoStack::open(const DataFile::Place& place,
                                               const IoBackendOptions& options) {
  std::unique_ptr<IoStack> stack(new IoStack());
  stack->file_ =
      NACRE_TRY(stack->file_system_.open(place.path, {.writable = true, .direct = true}));
  stack->file_bytes_ = place.bytes;
  stack->add_scheduler(NACRE_TRY(make_io_backend(stack->file_system_, options)),
                       !options.single_thread);
  return stack;
}

Result<std::unique_ptr<IoStack>> IoStack::over(std::unique_ptr<IoBackend> backend) {
  std::unique_ptr<IoStack> stack(new IoStack());
  stack->file_ = NACRE_TRY(stack->file_system_.open("/dev/null", {.writable = true}));
  stack->file_bytes_ = std::size_t{1} << 30;
  stack->add_scheduler(std::move(backend), /*own_thread=*/false);
  return stack;
}

void IoStack::add_scheduler(std::unique_ptr<IoBackend> backend, bool own_thread) {
  IoScheduler::Options options;
  options.own_thread = own_thread;
  scheduler_ = std::make_unique<IoScheduler>(std::move(backend), clock_, options);
  io_file_.emplace(scheduler_->backend(), *file_);
}

std::string describe_engine(const IoBackendOptions& options) {
  PosixFileSystem file_system;
  const auto backend = make_io_backend(file_system, options);
  if (!backend) return backend.error().to_string();
  const IoBackendInfo& info = (*backend)->info();
  std::string text(info.name);
  for (const IoFeature& feature : info.features) {
    if (feature.on) text += fmt::format(" {}", feature.name);
  }
  return text;
}

}  // namespace nacre::bench
