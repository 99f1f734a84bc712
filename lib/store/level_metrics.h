#pragma once

// The metrics of a store's levels, as text for Prometheus: of one that is open, and of a directory.

#include <vector>

#include "lib/metrics/prometheus.h"
#include "nacre/store_stats.h"

namespace nacre::store {

void write_level_metrics(PrometheusWriter& writer, const std::vector<KeyspaceStats>& keyspaces);

}  // namespace nacre::store
