// Mutant 25: a checksum that does not know its block's address accepts a misdirected block.
//
// The device writes a block to the wrong place and reports success; the block is as whole there as
// it would be at home. It stands for the misdirected writes of Bairavasundaram et al., "An Analysis
// of Data Corruption in the Storage Stack" (FAST 2008), which a checksum over the address as well
// detects.

#include <fmt/format.h>

#include "nacre/emulation/fault_file_system.h"
#include "tests/mutants/file_values.h"
#include "tests/mutants/programs.h"

namespace nacre::mutants {
namespace {

constexpr char kFile[] = "/blocks";
constexpr std::size_t kBlocks = 3;
/// In place of the value of a block that is damaged.
constexpr std::uint64_t kDamaged = ~std::uint64_t{0};

std::uint64_t proof_of(Variant variant, std::size_t block, std::uint64_t value) {
  if (variant == Variant::kMutant) return checksum_of({value});
  return checksum_of({block, value});
}

void write_block(File& file, Variant variant, std::size_t block, std::uint64_t value) {
  write_values(file, block * kPage, {value, proof_of(variant, block, value)});
  must(file.sync_data());
}

/// The value of block b is b before the run, and 10 more once it has been written.
Status check_blocks(const Values& values, const CrashHistory&) {
  for (std::size_t block = 0; block < kBlocks; ++block) {
    const std::uint64_t value = values[block];
    if (value != kDamaged && value != block && value != block + 10) {
      return corruption(fmt::format("block {} holds {}, which nobody wrote there", block, value));
    }
  }
  return {};
}

}  // namespace

CrashReport misdirected_block(const CrashTestOptions& options, Variant variant) {
  return CrashTest<Values>(options)
      .setup([variant](SimulatedMachine& machine) {
        const std::unique_ptr<File> file = open_file(machine.file_system(), kFile);
        for (std::size_t i = 0; i < kBlocks; ++i) write_block(*file, variant, i, i);
        must(file->sync());
        must(machine.file_system().sync_directory("/"));
      })
      .run([variant](SimulatedMachine& machine, CrashRun& run) {
        FaultFileSystem files(machine.file_system());
        files.plan().add({.operation = FileOperation::kWrite,
                          .effect = FaultEffect::kMisdirectedWrite,
                          .nth = 2,
                          .misdirect_bytes = kPage});
        const std::unique_ptr<File> file = open_file(files, kFile);
        for (std::size_t block = 0; block < 2; ++block) {
          run.operation(fmt::format("write block {}", block),
                        [&] { write_block(*file, variant, block, block + 10); });
        }
      })
      .recover([variant](SimulatedMachine& machine) -> Result<Values> {
        Values values;
        for (std::size_t i = 0; i < kBlocks; ++i) {
          const Values words = read_values(machine.file_system(), kFile, i * kPage, 2);
          const bool is_whole = words[1] == proof_of(variant, i, words[0]);
          values.push_back(is_whole ? words[0] : kDamaged);
        }
        return values;
      })
      .check(&check_blocks)
      .explore();
}

}  // namespace nacre::mutants
