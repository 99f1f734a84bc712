#include "tools/pair_reader.h"

#include <fmt/format.h>

#include <utility>

#include "lib/base/try.h"
#include "nacre/store.h"
#include "tools/json_members.h"
#include "tools/text.h"

namespace nacre::tools {
namespace {

/// Each byte may stand there as an escape of six.
constexpr std::size_t kLongestJsonLine = 6 * (kMaxKeyBytes + kMaxValueBytes) + 4096;
constexpr std::size_t kLongestLine = 2 * (kMaxKeyBytes + kMaxValueBytes) + 1;

/// The member `name`, or what `name`_base64 stands for.
Result<std::optional<std::string>> text_member(JsonMembers& members, std::string_view name) {
  if (const auto plain = members.find(name); plain != members.end()) {
    return std::optional(std::move(plain->second.text));
  }
  const auto coded = members.find(fmt::format("{}_base64", name));
  if (coded == members.end()) return std::optional<std::string>();
  auto decoded = from_base64(coded->second.text);
  if (decoded) return decoded;
  return Error(ErrorCode::kInvalidArgument, fmt::format("{}_base64 is not base64", name));
}

}  // namespace

PairReader::PairReader(ByteSource source, PairReaderOptions options)
    : options_(std::move(options)),
      records_(std::move(source),
               {.format = RecordFormat::kLines,
                .max_record_bytes =
                    options_.format == PairFormat::kJson ? kLongestJsonLine : kLongestLine,
                .input_name = options_.input_name}) {}

Result<bool> PairReader::next() {
  if (!NACRE_TRY(records_.next())) return false;
  NACRE_TRY(take_apart(as_text(records_.record())));
  NACRE_TRY(check_sizes());
  return true;
}

Status PairReader::take_apart(std::string_view line) {
  switch (options_.format) {
    case PairFormat::kTsv:
      return take_tsv(line);
    case PairFormat::kJson:
      return take_json(line);
    case PairFormat::kLines:
      return take_line(line);
  }
  return take_tsv(line);
}

Status PairReader::take_tsv(std::string_view line) {
  const std::size_t tab = line.find('\t');
  if (tab == std::string_view::npos) {
    return failure("it has no TAB behind its key; is --records 'lines' or 'json' meant?");
  }
  key_ = as_bytes(line.substr(0, tab));
  value_ = as_bytes(line.substr(tab + 1));
  if (!options_.hex) return {};
  auto key = from_hex(as_text(key_));
  auto value = from_hex(as_text(value_));
  if (!key || !value) {
    return failure(fmt::format("its {} is not hexadecimal", key ? "value" : "key"));
  }
  key_text_ = *std::move(key);
  value_text_ = *std::move(value);
  key_ = as_bytes(key_text_);
  value_ = as_bytes(value_text_);
  return {};
}

Status PairReader::take_json(std::string_view line) {
  auto members = parse_json_members(line);
  if (!members) return failure(members.error());
  const auto key_member = members->find("key");
  if (key_member != members->end() && !key_member->second.is_string) {
    return failure("its key is not a string");
  }
  auto key = text_member(*members, "key");
  auto value = text_member(*members, "value");
  if (!key) return failure(key.error().message());
  if (!value) return failure(value.error().message());
  if (!*key || !*value) {
    return failure(fmt::format("it has no member \"{}\"", *key ? "value" : "key"));
  }
  key_text_ = **std::move(key);
  value_text_ = **std::move(value);
  key_ = as_bytes(key_text_);
  value_ = as_bytes(value_text_);
  return {};
}

Status PairReader::take_line(std::string_view line) {
  key_text_ = fmt::format("{:016}", options_.first_line + records_.records() - 1);
  key_ = as_bytes(key_text_);
  value_ = as_bytes(line);
  if (!options_.hex) return {};
  auto value = from_hex(line);
  if (!value) return failure("it is not hexadecimal");
  value_text_ = *std::move(value);
  value_ = as_bytes(value_text_);
  return {};
}

Status PairReader::check_sizes() const {
  if (key_.size() > kMaxKeyBytes) {
    return failure(
        fmt::format("its key has {} bytes, and {} is the most", key_.size(), kMaxKeyBytes));
  }
  if (value_.size() > kMaxValueBytes) {
    return failure(
        fmt::format("its value has {} bytes, and {} is the most", value_.size(), kMaxValueBytes));
  }
  if (key_.size() + value_.size() > options_.max_pair_bytes) {
    return failure(
        fmt::format("its key and value have {} bytes together, and the segments of this "
                    "store hold at most {}",
                    key_.size() + value_.size(), options_.max_pair_bytes));
  }
  return {};
}

Error PairReader::failure(std::string_view what) const {
  return Error(ErrorCode::kInvalidArgument,
               fmt::format("record {} of the input: {}", records_.records(), what))
      .with_path(options_.input_name)
      .with_offset(records_.begin_offset());
}

}  // namespace nacre::tools
