#include "tools/progress.h"

#include <fmt/format.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <algorithm>
#include <cmath>
#include <string_view>
#include <utility>
#include <vector>

#include "tools/text.h"

namespace nacre::tools {
namespace {

constexpr std::uint64_t kFirstDrawNs = 1'000'000'000;
constexpr std::uint64_t kRedrawNs = 100'000'000;
constexpr std::size_t kBarMin = 10;
constexpr std::size_t kBarMax = 30;

double fraction(const ProgressState& state) {
  const double done = static_cast<double>(state.done) / static_cast<double>(state.total);
  return std::min(done, 1.0);
}

std::string bar(double done, std::size_t width) {
  const std::size_t inner = width - 2;
  const auto filled = static_cast<std::size_t>(done * static_cast<double>(inner));
  std::string text = "[" + std::string(filled, '=');
  if (filled < inner) text += '>';
  text.resize(width - 1, ' ');
  return text + "]";
}

std::string time_left(const ProgressState& state) {
  const double done = fraction(state);
  if (done <= 0 || done >= 1) return {};
  const double left_s = static_cast<double>(state.elapsed_ns) / 1e9 * (1 - done) / done;
  const auto seconds = static_cast<std::uint64_t>(std::llround(left_s));
  return fmt::format("{}:{:02} left", seconds / 60, seconds % 60);
}

}  // namespace

std::string render_progress(const ProgressState& state, std::size_t width) {
  std::string line = state.label;
  if (state.total > 0) line += fmt::format(" {:3.0f}%", fraction(state) * 100);
  std::vector<std::string> details;
  if (state.records > 0) {
    details.push_back(
        fmt::format("{} {}", format_count(state.records), plural(state.records, "record")));
    details.push_back(format_rate(state.records, state.elapsed_ns));
  }
  details.push_back(format_byte_rate(state.bytes, state.elapsed_ns));
  if (state.total > 0) details.push_back(time_left(state));

  const std::size_t bar_space = state.total > 0 ? kBarMin + 1 : 0;
  std::string tail;
  for (const std::string& detail : details) {
    if (detail.empty()) continue;
    const std::size_t needed = display_width(line) + bar_space + display_width(tail);
    if (needed + 2 + display_width(detail) > width) break;
    tail += "  " + detail;
  }
  if (state.total > 0) {
    const std::size_t used = display_width(line) + 1 + display_width(tail);
    if (used + kBarMin <= width) {
      line += ' ' + bar(fraction(state), std::min(kBarMax, width - used));
    }
  }
  return line + tail;
}

Progress::Progress(std::string label, std::uint64_t total, Clock& clock, bool wanted)
    : clock_(clock),
      state_{.label = std::move(label), .total = total},
      enabled_(wanted && ::isatty(STDERR_FILENO) == 1),
      start_ns_(clock.monotonic_ns()),
      next_draw_ns_(start_ns_ + kFirstDrawNs) {}

Progress::~Progress() { clear(); }

void Progress::update(std::uint64_t done, std::uint64_t records, std::uint64_t bytes) {
  if (!enabled_) return;
  const std::uint64_t now_ns = clock_.monotonic_ns();
  if (now_ns < next_draw_ns_) return;
  state_.done = done;
  state_.records = records;
  state_.bytes = bytes;
  draw(now_ns);
}

void Progress::clear() {
  if (std::exchange(drawn_, false)) fmt::print(stderr, "\r\x1b[K");
}

void Progress::draw(std::uint64_t now_ns) {
  next_draw_ns_ = now_ns + kRedrawNs;
  state_.elapsed_ns = now_ns - start_ns_;
  // One column stays free: some terminals break the line once the last one is written.
  const std::string line = render_progress(state_, terminal_width(STDERR_FILENO) - 1);
  fmt::print(stderr, "\r{}\x1b[K", line);
  drawn_ = true;
}

std::size_t terminal_width(int descriptor) noexcept {
  winsize size{};
  if (::ioctl(descriptor, TIOCGWINSZ, &size) != 0 || size.ws_col < 20) return 80;
  return size.ws_col;
}

}  // namespace nacre::tools
