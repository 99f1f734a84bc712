// Mutant 12, with files: the old file is removed before the new one is durable under its name.
//
// An update removes the file, and then puts a new one in its place; a crash between the two leaves
// no file at all. A rename alone replaces the old one, so that one of them is always there.

#include "tests/mutants/file_values.h"
#include "tests/mutants/programs.h"

namespace nacre::mutants {
namespace {

constexpr char kDirectory[] = "/store";
constexpr char kFile[] = "/store/value";
constexpr char kTemporary[] = "/store/value.new";

void put(FileSystem& files, Variant variant, std::uint64_t value) {
  if (variant == Variant::kMutant && files.stat(kFile)) must(files.remove(kFile));
  const std::unique_ptr<File> file = open_file(files, kTemporary);
  write_values(*file, 0, {value});
  // The content is durable before the name leads to it.
  must(file->sync());
  must(files.rename(kTemporary, kFile));
  must(files.sync_directory(kDirectory));
}

}  // namespace

CrashReport removed_before_durable(const CrashTestOptions& options, Variant variant) {
  return CrashTest<Values>(options)
      .setup([](SimulatedMachine& machine) {
        must(machine.file_system().create_directory(kDirectory));
      })
      .run([variant](SimulatedMachine& machine, CrashRun& run) {
        for (const std::uint64_t value : Values{11, 22, 33}) {
          run.operation("put", [&] { put(machine.file_system(), variant, value); });
        }
      })
      .recover([](SimulatedMachine& machine) -> Result<Values> {
        return read_values(machine.file_system(), kFile, 0, 1);
      })
      .check([](const Values& found, const CrashHistory& history) {
        return check_after("file", found, {{}, {11}, {22}, {33}}, history);
      })
      .explore();
}

}  // namespace nacre::mutants
