#include "lib/io/token_bucket.h"

#include <algorithm>
#include <cmath>

namespace nacre {

void TokenBucket::take(std::uint64_t tokens, std::uint64_t now_ns) noexcept {
  if (per_second_ == 0) return;
  const double cost_ns = std::ceil(static_cast<double>(tokens) * 1e9 / double(per_second_));
  full_ns_ = std::max(full_ns_, now_ns) + static_cast<std::uint64_t>(cost_ns);
}

}  // namespace nacre
