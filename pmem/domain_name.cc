#include "nacre/pmem.h"

namespace nacre {

std::string_view domain_name(DomainKind kind) noexcept {
  switch (kind) {
    case DomainKind::kDurableCache:
      return "durable_cache";
    case DomainKind::kCacheLine:
      return "cache_line";
    case DomainKind::kBlock:
      return "block";
    case DomainKind::kEmulated:
      return "emulated";
    case DomainKind::kSimulated:
      return "simulated";
  }
  return "unknown";
}

}  // namespace nacre
