#pragma once

// Keys and values on the command line and in what it prints: as they are, or in hexadecimal or
// JSON, which tell any bytes.

#include <string>
#include <string_view>

#include "lib/codec/json_writer.h"
#include "nacre/result.h"
#include "nacre/types.h"

namespace nacre::tools {

/// The bytes that `given`, the argument called `name`, stands for.
/// Errors: `invalid_argument` (it is to be hexadecimal, and is not).
Result<std::string> given_bytes(std::string_view name, const std::string& given, bool hex);

/// A member `name`, or `name`_base64 when `bytes` are not UTF-8.
void put_bytes(JsonWriter& json, std::string_view name, Bytes bytes);

}  // namespace nacre::tools
