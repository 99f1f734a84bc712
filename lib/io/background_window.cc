#include "lib/io/background_window.h"

#include <algorithm>

namespace nacre {

BackgroundWindow::Sample BackgroundWindow::begin(Foreground kind, std::uint64_t now_ns) noexcept {
  Kind& known = of(kind);
  ++known.in_flight;
  known.seen = true;
  known.last_ns = now_ns;
  return {.kind = kind,
          .began_ns = now_ns,
          .background_begun = background_begun_,
          .quiet = background_ == 0};
}

void BackgroundWindow::end(const Sample& sample, std::uint64_t bytes, std::uint64_t now_ns) {
  Kind& known = of(sample.kind);
  --known.in_flight;
  known.last_ns = now_ns;
  if (bytes > kMaxSampleBytes) return;
  if (sample.quiet && sample.background_begun == background_begun_) {
    known.take(now_ns - sample.began_ns, now_ns);
  } else {
    judge(sample, now_ns);
  }
}

void BackgroundWindow::Kind::take(std::uint64_t latency_ns, std::uint64_t now_ns) {
  if (now_ns < due_ns) return;
  samples.push_back(latency_ns);
  if (samples.size() < kIdleSamples) return;
  // The slowest but one: the tail belongs to an idle device as well, one outlier does not.
  std::ranges::sort(samples);
  idle_ns = std::max<std::uint64_t>(samples[kIdleSamples - 2], 1);
  samples.clear();
  due_ns = now_ns + kIdleEveryNs;
  pause_ends_ns = kUnlimited;
}

void BackgroundWindow::judge(const Sample& sample, std::uint64_t now_ns) noexcept {
  const std::uint64_t idle_ns = of(sample.kind).idle_ns;
  // What began before the last change says nothing of the change.
  if (idle_ns == 0 || sample.began_ns < changed_ns_) return;
  ++run_;
  if (now_ns - sample.began_ns > kSlow * idle_ns) ++slow_;
  if (slow_ < 2 && run_ < kRun) return;
  if (slow_ >= 2) {
    // In whole steps: what is cut to it stays aligned for O_DIRECT.
    window_bytes_ = std::max(kStepBytes, window_bytes_ / 2 / kStepBytes * kStepBytes);
  } else if (slow_ == 0) {
    window_bytes_ = std::min(kMaxBytes, window_bytes_ + kStepBytes);
  }
  changed_ns_ = now_ns;
  run_ = 0;
  slow_ = 0;
}

void BackgroundWindow::begin_background(std::uint64_t bytes) noexcept {
  ++background_;
  ++background_begun_;
  background_bytes_ += bytes;
}

void BackgroundWindow::end_background(std::uint64_t bytes) noexcept {
  --background_;
  background_bytes_ -= bytes;
}

bool BackgroundWindow::Kind::is_there(std::uint64_t now_ns) const noexcept {
  return in_flight > 0 || (seen && now_ns - last_ns < kStaysNs);
}

/// A pause begins when a measurement is due, and ends with it, or with its time.
bool BackgroundWindow::Kind::pauses(std::uint64_t now_ns) noexcept {
  if (!is_there(now_ns)) {
    pause_ends_ns = kUnlimited;
    return false;
  }
  if (pause_ends_ns == kUnlimited && now_ns >= due_ns) pause_ends_ns = now_ns + kMaxPauseNs;
  if (pause_ends_ns == kUnlimited) return false;
  if (now_ns < pause_ends_ns) return true;
  pause_ends_ns = kUnlimited;
  due_ns = now_ns + kPauseAgainNs;
  return false;
}

std::uint64_t BackgroundWindow::pause_ends_ns() const noexcept {
  return std::min(kinds_[0].pause_ends_ns, kinds_[1].pause_ends_ns);
}

std::uint64_t BackgroundWindow::bytes(std::uint64_t now_ns) const noexcept {
  const bool foreground =
      std::ranges::any_of(kinds_, [&](const Kind& kind) { return kind.is_there(now_ns); });
  return foreground ? window_bytes_ : kUnlimited;
}

bool BackgroundWindow::admits(std::uint64_t bytes, std::uint64_t now_ns) noexcept {
  if (this->bytes(now_ns) == kUnlimited) return true;
  const bool read_pauses = of(Foreground::kRead).pauses(now_ns);
  if (of(Foreground::kLogWrite).pauses(now_ns) || read_pauses) return false;
  if (background_ == 0) return true;
  // Small transfers load a device by their number.
  return background_ < window_bytes_ / kStepBytes && background_bytes_ + bytes <= window_bytes_;
}

}  // namespace nacre
