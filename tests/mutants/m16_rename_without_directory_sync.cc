// Mutant 16: a rename without a sync of its directory.
//
// The new file is synced and takes the old one's name, and the caller is told that it is stored;
// but names belong to the directory, and nothing has synced that. It stands for most "atomic
// replace" recipes as first written (Pillai et al., "All File Systems Are Not Created Equal", OSDI
// 2014).

#include "tests/mutants/file_values.h"
#include "tests/mutants/programs.h"

namespace nacre::mutants {
namespace {

constexpr char kFile[] = "/store/value";

void put(FileSystem& files, Variant variant, std::uint64_t value) {
  constexpr char kTemporary[] = "/store/value.new";
  const std::unique_ptr<File> file = open_file(files, kTemporary);
  write_values(*file, 0, {value});
  // The content is durable before the name leads to it.
  must(file->sync());
  must(files.rename(kTemporary, kFile));
  if (variant == Variant::kCorrect) must(files.sync_directory("/store"));
}

}  // namespace

CrashReport rename_without_directory_sync(const CrashTestOptions& options, Variant variant) {
  return CrashTest<Values>(options)
      .setup(
          [](SimulatedMachine& machine) { must(machine.file_system().create_directory("/store")); })
      .run([variant](SimulatedMachine& machine, CrashRun& run) {
        run.operation("put 11", [&] { put(machine.file_system(), variant, 11); });
        run.operation("put 22", [&] { put(machine.file_system(), variant, 22); });
      })
      .recover([](SimulatedMachine& machine) -> Result<Values> {
        return read_values(machine.file_system(), kFile, 0, 1);
      })
      .check([](const Values& found, const CrashHistory& history) {
        return check_after("file", found, {{}, {11}, {22}}, history);
      })
      .explore();
}

}  // namespace nacre::mutants
