#include "emulation/explorer/reproduction.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <cstdint>
#include <optional>
#include <ranges>

namespace nacre {
namespace {

/// Takes numbers and single characters off the front of a text.
class Reader {
 public:
  explicit Reader(std::string_view text) : rest_(text) {}

  std::optional<std::uint64_t> number(int base = 10) {
    std::uint64_t value = 0;
    const auto [end, error] =
        std::from_chars(rest_.data(), rest_.data() + rest_.size(), value, base);
    if (error != std::errc()) return std::nullopt;
    rest_.remove_prefix(static_cast<std::size_t>(end - rest_.data()));
    return value;
  }
  std::optional<std::uint32_t> short_number() {
    const auto value = number();
    if (!value || *value > UINT32_MAX) return std::nullopt;
    return static_cast<std::uint32_t>(*value);
  }
  bool take(char expected) {
    if (!rest_.starts_with(expected)) return false;
    rest_.remove_prefix(1);
    return true;
  }
  bool at_end() const { return rest_.empty(); }

 private:
  std::string_view rest_;
};

std::optional<Reproduction::Crash> read_crash(Reader& reader) {
  Reproduction::Crash crash;
  const auto point = reader.number();
  if (!point) return std::nullopt;
  crash.point = *point;
  if (reader.take('k')) {
    crash.kind = CrashKind::kKill;
  }
  if (reader.take('n')) {
    crash.others = ChosenSet::Others::kNewest;
  } else if (crash.kind != CrashKind::kKill && !reader.take('o')) {
    return std::nullopt;
  }
  bool more = false;
  do {
    const auto granule = reader.short_number();
    if (!granule) return crash.chosen.empty() && !more ? std::optional(crash) : std::nullopt;
    if (!reader.take('=')) return std::nullopt;
    const auto candidate = reader.short_number();
    if (!candidate) return std::nullopt;
    crash.chosen[*granule] = *candidate;
    more = reader.take(',');
  } while (more);
  return crash;
}

std::optional<Reproduction> read_all(Reader reader) {
  Reproduction all;
  const auto seed = reader.number();
  if (!seed) return std::nullopt;
  if (reader.take('/')) {
    const auto steps = reader.number();
    if (!steps) return std::nullopt;
    all.schedule_steps = *steps;
  }
  if (!reader.take(':')) return std::nullopt;
  const auto hash = reader.number(16);
  if (!hash) return std::nullopt;
  all.seed = *seed;
  all.trace_hash = *hash;
  while (reader.take(':')) {
    const auto crash = read_crash(reader);
    if (!crash) return std::nullopt;
    all.crashes.push_back(*crash);
  }
  return reader.at_end() && !all.crashes.empty() ? std::optional(all) : std::nullopt;
}

}  // namespace

std::size_t Reproduction::recovery_kills() const {
  const auto is_kill = [](const Crash& crash) { return crash.kind == CrashKind::kKill; };
  return static_cast<std::size_t>(std::ranges::count_if(crashes | std::views::drop(1), is_kill));
}

std::string Reproduction::to_string() const {
  std::string text = fmt::format("{}", seed);
  if (schedule_steps > 0) text += fmt::format("/{}", schedule_steps);
  text += fmt::format(":{:x}", trace_hash);
  for (const Crash& crash : crashes) {
    const bool is_kill = crash.kind == CrashKind::kKill;
    const bool is_oldest = crash.others == ChosenSet::Others::kOldest;
    text += fmt::format(":{}{}{}", crash.point, is_kill ? "k" : "",
                        !is_oldest ? "n"
                        : is_kill  ? ""
                                   : "o");
    bool first = true;
    for (const auto& [granule, candidate] : crash.chosen) {
      text += fmt::format("{}{}={}", first ? "" : ",", granule, candidate);
      first = false;
    }
  }
  return text;
}

Result<Reproduction> Reproduction::parse(std::string_view text) {
  auto parsed = read_all(Reader(text));
  if (parsed) return *std::move(parsed);
  return Error(ErrorCode::kInvalidArgument,
               fmt::format("\"{}\" names no crash state; copy the whole line that a failure "
                           "printed, such as 1:9f3c:12o0=1,3=2",
                           text));
}

}  // namespace nacre
