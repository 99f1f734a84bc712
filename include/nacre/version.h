#pragma once

// The version of the library these headers belong to.

#define NACRE_VERSION_MAJOR 0
#define NACRE_VERSION_MINOR 1
#define NACRE_VERSION_PATCH 0
#define NACRE_VERSION_STRING "0.1.0"
