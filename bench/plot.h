#pragma once

// A chart of the results as an SVG file (https://www.w3.org/TR/SVG11/), without scripts or fonts of
// its own, so that it can stand in a README.

#include <string>
#include <vector>

#include "bench/harness.h"
#include "bench/machine.h"

namespace nacre::bench {

/// Bars of cost relative to the floor, one group for each row that has a floor.
std::string to_svg(const std::vector<Row>& rows, const Machine& machine);

}  // namespace nacre::bench
