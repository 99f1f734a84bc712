#pragma once

// Which of its contents each granule keeps, asked for in the order in which recovery reads them.

#include <cstddef>
#include <cstdint>
#include <map>
#include <optional>
#include <vector>

namespace nacre {

struct Choice {
  std::uint32_t granule = 0;
  std::uint32_t chosen = 0;
  std::uint32_t count = 0;

  friend bool operator==(const Choice&, const Choice&) = default;
};

/// Where a run did not repeat another one.
struct Divergence {
  std::size_t choice = 0;  ///< Its index.
  std::uint32_t expected_granule = 0;
  std::optional<std::uint32_t> read_granule;  ///< None when it read less.
};

class Chooser {
 public:
  virtual ~Chooser() = default;
  /// A run begins.
  virtual void rewind() = 0;
  /// Below `count`, which is at least 2. Called once in a run for each granule.
  virtual std::uint32_t choose(std::uint32_t granule, std::uint32_t count) = 0;

  /// Another process has made the run, and these choices.
  virtual void take_over(const std::vector<Choice>& choices) { static_cast<void>(choices); }
  /// The run just made read something else than the run it repeats, at one of the choices they have
  /// in common: what it does depends on something that is not on the media.
  virtual std::optional<Divergence> divergence() const { return std::nullopt; }
};

/// Every combination, depth first: a run follows the choices made so far, and takes the oldest of
/// what it is asked beyond them.
class ChoicePath final : public Chooser {
 public:
  /// Begins with `choices`, for a search that goes on where another one stopped.
  explicit ChoicePath(std::vector<Choice> choices = {}) : choices_(std::move(choices)) {}

  void rewind() override;
  std::uint32_t choose(std::uint32_t granule, std::uint32_t count) override;

  /// Moves on to the next combination. False when there is none.
  bool advance();
  /// The same, from the choices given at construction on.
  bool skip_first() {
    next_ = choices_.size();
    return advance();
  }
  void take_over(const std::vector<Choice>& choices) override;
  std::optional<Divergence> divergence() const override;
  /// Of the run just made.
  const std::vector<Choice>& choices() const noexcept { return choices_; }

 private:
  std::vector<Choice> choices_;
  std::size_t repeated_ = 0;  // So many are not new in this run.
  std::size_t next_ = 0;
  std::optional<Divergence> divergence_;
};

/// Says for some granules what they keep; the others keep their oldest, or their newest, content.
class ChosenSet final : public Chooser {
 public:
  enum class Others : std::uint8_t { kOldest, kNewest };

  ChosenSet(std::map<std::uint32_t, std::uint32_t> chosen, Others others)
      : chosen_(std::move(chosen)), others_(others) {}

  void rewind() override { made_.clear(); }
  std::uint32_t choose(std::uint32_t granule, std::uint32_t count) override;
  const std::vector<Choice>& choices() const noexcept { return made_; }

 private:
  std::map<std::uint32_t, std::uint32_t> chosen_;
  Others others_;
  std::vector<Choice> made_;
};

}  // namespace nacre
