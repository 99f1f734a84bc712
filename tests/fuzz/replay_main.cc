// Feeds kept inputs to a fuzz target: replay DIRECTORY. Every input that once broke something stays
// in the corpus, so each build proves that it no longer does.

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <fstream>
#include <iostream>
#include <iterator>
#include <string>
#include <system_error>

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size);

int main(int argc, char** argv) {
  if (argc != 2) {
    std::cerr << "usage: " << argv[0] << " DIRECTORY\n";
    return 2;
  }
  std::error_code error;
  std::size_t inputs = 0;
  for (const auto& entry : std::filesystem::directory_iterator(argv[1], error)) {
    std::ifstream file(entry.path(), std::ios::binary);
    const std::string input(std::istreambuf_iterator<char>(file), {});
    // The name first: a crash then says on which input.
    std::cerr << entry.path().filename().string() << "\n";
    LLVMFuzzerTestOneInput(reinterpret_cast<const std::uint8_t*>(input.data()), input.size());
    ++inputs;
  }
  if (inputs == 0) {
    std::cerr << "no inputs in " << argv[1] << "\n";
    return 1;
  }
  std::cerr << inputs << " inputs replayed\n";
  return 0;
}
