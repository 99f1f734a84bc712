// The readers that cut a user's input into records.
//
// Input: a byte for the format, one for the longest record allowed, one for how much a read gives
// at once; then what is read. How the bytes arrive must not matter.

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "nacre/types.h"
#include "tests/fuzz/check.h"
#include "tools/record_reader.h"

namespace nacre::tools {
namespace {

struct Outcome {
  std::vector<std::string> records;
  std::string error;  ///< Empty when the whole input was read.
  std::uint64_t consumed_bytes = 0;
};

ByteSource source_of(Bytes input, std::size_t chunk_bytes) {
  return [rest = input, chunk_bytes](std::span<std::byte> buffer) mutable -> Result<std::size_t> {
    const std::size_t bytes = std::min({rest.size(), buffer.size(), chunk_bytes});
    std::ranges::copy(rest.first(bytes), buffer.begin());
    rest = rest.subspan(bytes);
    return bytes;
  };
}

Outcome read_all(Bytes input, std::size_t chunk_bytes, RecordReaderOptions options) {
  const std::size_t max_record_bytes = options.max_record_bytes;
  RecordReader reader(source_of(input, chunk_bytes), std::move(options));
  Outcome outcome;
  while (true) {
    const Result<bool> more = reader.next();
    if (!more) {
      outcome.error = more.error().to_string();
      fuzz::check(reader.next().error().to_string() == outcome.error, "an error stays");
      return outcome;
    }
    if (!*more) return outcome;
    outcome.records.emplace_back(as_text(reader.record()));
    const std::size_t bytes = outcome.records.back().size();
    fuzz::check(bytes > 0 && bytes <= max_record_bytes, "a record has 1 byte to the limit");
    fuzz::check(reader.records() == outcome.records.size(), "records are counted");
    fuzz::check(reader.consumed_bytes() > outcome.consumed_bytes, "each record consumes input");
    outcome.consumed_bytes = reader.consumed_bytes();
    fuzz::check(outcome.consumed_bytes <= input.size(), "no more is consumed than there is");
  }
}

/// The lines of `input`, by the shortest code that can be right.
std::vector<std::string> split_lines(std::string_view input) {
  std::vector<std::string> lines;
  while (!input.empty()) {
    const std::size_t length = std::min(input.find('\n'), input.size());
    if (length > 0) lines.emplace_back(input.substr(0, length));
    input.remove_prefix(std::min(length + 1, input.size()));
  }
  return lines;
}

}  // namespace
}  // namespace nacre::tools

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace nacre::tools;  // NOLINT(google-build-using-namespace): the one function out here.
  if (size < 3) return 0;
  const RecordReaderOptions options{.format = static_cast<RecordFormat>(data[0] % 3),
                                    .max_record_bytes = std::size_t{data[1]} + 1,
                                    .input_name = "fuzz"};
  const std::size_t chunk_bytes = std::size_t{data[2]} + 1;
  const nacre::Bytes input = std::as_bytes(std::span(data, size)).subspan(3);

  const Outcome whole = read_all(input, input.size() + 1, options);
  const Outcome pieces = read_all(input, chunk_bytes, options);
  nacre::fuzz::check(whole.records == pieces.records, "records do not depend on the reads");
  nacre::fuzz::check(whole.error == pieces.error, "errors do not depend on the reads");
  if (options.format == RecordFormat::kLines && whole.error.empty()) {
    nacre::fuzz::check(whole.records == split_lines(nacre::as_text(input)), "lines are lines");
  }
  return 0;
}
