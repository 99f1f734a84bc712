#pragma once

// The members of one JSON object (RFC 8259), for the lines that `nacre load` takes.

#include <expected>
#include <map>
#include <string>
#include <string_view>

namespace nacre::tools {

struct JsonMember {
  bool is_string = false;
  std::string text;  ///< Of a string what it stands for; of anything else its own text.
};

using JsonMembers = std::map<std::string, JsonMember, std::less<>>;

/// Of a member that comes twice the last one counts. What is wrong with `text`, otherwise, and
/// where: "a ',' or '}' is missing at column 12".
std::expected<JsonMembers, std::string> parse_json_members(std::string_view text);

}  // namespace nacre::tools
