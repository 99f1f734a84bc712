#include "tools/demo_compare.h"

#include <algorithm>

#include "lib/base/try.h"

namespace nacre::tools {

Result<Comparison> compare_records(const RecordStream& source, const RecordStream& log,
                                   std::uint64_t acknowledged,
                                   const std::function<void(std::uint64_t)>& on_record) {
  Comparison comparison;
  std::uint64_t position = 0;
  while (true) {
    const Result<std::optional<Bytes>> stored = log();
    if (!stored) comparison.read_error = stored.error();
    if (!stored || !stored->has_value()) break;
    const std::optional<Bytes> original = NACRE_TRY(source());
    ++position;
    if (!original) {
      ++comparison.extra;
    } else if (std::ranges::equal(*original, **stored)) {
      ++comparison.equal;
    } else {
      ++comparison.different;
    }
    on_record(position);
  }
  comparison.lost = acknowledged - std::min(acknowledged, position);
  return comparison;
}

}  // namespace nacre::tools
