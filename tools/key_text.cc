#include "tools/key_text.h"

#include <fmt/format.h>

#include <utility>

#include "lib/codec/utf8.h"
#include "tools/text.h"

namespace nacre::tools {

Result<std::string> given_bytes(std::string_view name, const std::string& given, bool hex) {
  if (!hex) return given;
  auto bytes = from_hex(given);
  if (bytes) return *std::move(bytes);
  return Error(ErrorCode::kInvalidArgument,
               fmt::format("{} is '{}', and --hex asks for an even number of hexadecimal digits",
                           name, given));
}

void put_bytes(JsonWriter& json, std::string_view name, Bytes bytes) {
  const std::string_view text = as_text(bytes);
  if (is_utf8(text)) {
    json.field(name, text);
  } else {
    json.field(fmt::format("{}_base64", name), base64(bytes));
  }
}

}  // namespace nacre::tools
