#pragma once

// The calls that the crash tests of stores make, and a model of what a store holds behind them.

#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <vector>

namespace nacre::tools {

inline constexpr std::string_view kOtherKeyspace = "other";
inline constexpr std::string_view kCopyDirectory = "/copy";

/// A call, or some that belong together. Where nothing else is said, of the default keyspace.
struct StoreStep {
  enum class Kind {
    kPut,
    kPutBriefly,  ///< Until kBriefMs have passed.
    kRemove,
    kRemoveRange,  ///< From the first of `keys` up to the second.
    kOperand,      ///< `value` is appended to that of the key.
    kBatch,        ///< Puts `keys` in the default keyspace and, where it is there, in "other".
    kOperands,     ///< A batch that appends `value` twice to each of `keys`.
    kTransaction,  ///< Reads and removes the first of `keys`, and puts the others as a batch does.
    kConflict,     ///< Reads the first and puts the second of `keys`; the first is put meanwhile.
    kLoad,         ///< Loads `keys`, which are in order, into the default keyspace.
    kGet,
    kIterate,   ///< Removes the key beside an iterator, which is walked both ways.
    kSnapshot,  ///< Puts the key beside a snapshot, and reads that behind a flush and a merge.
    kFlush,     ///< Memtables into tables.
    kMerge,     ///< Tables of the default keyspace into one.
    kCreate,    ///< Of the keyspace "other".
    kDrop,
    kCheckpoint,  ///< Of all keyspaces, to kCopyDirectory.
    kPassTime,    ///< kBriefMs.
    kReopen,
  };
  static constexpr std::uint64_t kBriefMs = 1000;

  Kind kind = Kind::kPut;
  std::vector<std::string> keys = {"key"};
  std::string value = "value";

  std::string to_string() const;
};

/// "/copy KEYSPACE"
std::string name_in_copy(std::string_view keyspace);

/// What a store holds, call by call.
class StoreContents {
 public:
  /// Of each keyspace, by name, its keys and values. Those of a copy are called "/copy NAME".
  using Visible = std::map<std::string, std::map<std::string, std::string>>;

  StoreContents();
  /// What was found.
  explicit StoreContents(const Visible& found);

  /// Returns what the call says, where it says anything.
  std::string apply(const StoreStep& step);
  /// As it is read then; by the contents' own time, behind as many kPassTime.
  Visible visible(std::uint64_t now_ms) const;
  Visible visible() const { return visible(now_ms_); }

  friend bool operator==(const StoreContents& one, const StoreContents& other) {
    return one.visible() == other.visible();
  }

 private:
  struct Value {
    bool is_put = false;
    std::string text = {};
    std::uint64_t until_ms = UINT64_MAX;
    std::string operands = {};  ///< Appended since.
  };
  using Content = std::map<std::string, Value>;

  /// Of the default keyspace.
  Content& content();
  void put_everywhere(const std::string& key, const std::string& value);

  std::map<std::string, Content> keyspaces_;
  std::map<std::string, Content> copy_;
  std::uint64_t now_ms_ = 0;
};

std::string to_string(const StoreContents::Visible& visible);
inline std::string to_string(const StoreContents& contents) {
  return to_string(contents.visible());
}

}  // namespace nacre::tools
