#include "tools/crash_suites/store_contents.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <span>
#include <string_view>

#include "nacre/store.h"

namespace nacre::tools {
namespace {

using Kind = StoreStep::Kind;

const std::string kDefault(kDefaultKeyspace);

std::string_view kind_name(Kind kind) {
  switch (kind) {
    case Kind::kPut:
      return "put";
    case Kind::kPutBriefly:
      return "put briefly";
    case Kind::kRemove:
      return "remove";
    case Kind::kRemoveRange:
      return "remove range";
    case Kind::kOperand:
      return "append to";
    case Kind::kBatch:
      return "batch";
    case Kind::kOperands:
      return "append twice to";
    case Kind::kTransaction:
      return "transaction";
    case Kind::kConflict:
      return "transaction with a conflict";
    case Kind::kLoad:
      return "load";
    case Kind::kGet:
      return "get";
    case Kind::kIterate:
      return "remove beside an iterator";
    case Kind::kSnapshot:
      return "put beside a snapshot";
    case Kind::kFlush:
      return "flush";
    case Kind::kMerge:
      return "merge";
    case Kind::kCreate:
      return "create keyspace";
    case Kind::kDrop:
      return "drop keyspace";
    case Kind::kCheckpoint:
      return "checkpoint";
    case Kind::kPassTime:
      return "pass time";
    case Kind::kReopen:
      return "reopen";
  }
  return "unknown";
}

bool has_key(Kind kind) { return kind < Kind::kFlush; }

bool has_value(Kind kind) {
  return has_key(kind) && kind != Kind::kRemove && kind != Kind::kRemoveRange &&
         kind != Kind::kGet && kind != Kind::kIterate;
}

/// As much of `value` as a person reads.
std::string shortened(const std::string& value) {
  constexpr std::size_t kMostShown = 40;
  if (value.size() <= kMostShown) return value;
  return fmt::format("{}... ({} bytes)", value.substr(0, 8), value.size());
}

}  // namespace

std::string name_in_copy(std::string_view keyspace) {
  return fmt::format("{} {}", kCopyDirectory, keyspace);
}

std::string StoreStep::to_string() const {
  std::string text(kind_name(kind));
  if (has_key(kind)) text += fmt::format(" {}", fmt::join(keys, ", "));
  if (has_value(kind)) text += "=" + shortened(value);
  return text;
}

StoreContents::StoreContents() { content(); }

StoreContents::Content& StoreContents::content() { return keyspaces_[kDefault]; }

StoreContents::StoreContents(const Visible& found) {
  for (const auto& [name, content] : found) {
    Content& into = keyspaces_[name];
    for (const auto& [key, value] : content) into[key] = {.is_put = true, .text = value};
  }
}

void StoreContents::put_everywhere(const std::string& key, const std::string& value) {
  for (auto& [name, content] : keyspaces_) content[key] = {.is_put = true, .text = value};
}

std::string StoreContents::apply(const StoreStep& step) {
  const std::string& key = step.keys.front();
  std::string before;
  switch (step.kind) {
    case Kind::kPut:
    case Kind::kConflict:
      content()[key] = {.is_put = true, .text = step.value};
      return {};
    case Kind::kPutBriefly:
      content()[key] = {
          .is_put = true, .text = step.value, .until_ms = now_ms_ + StoreStep::kBriefMs};
      return {};
    case Kind::kRemove:
      content().erase(key);
      return {};
    case Kind::kRemoveRange:
      content().erase(content().lower_bound(key), content().lower_bound(step.keys[1]));
      return {};
    case Kind::kOperand:
      content()[key].operands += step.value;
      return {};
    case Kind::kOperands:
      for (const std::string& one : step.keys) content()[one].operands += step.value + step.value;
      return {};
    case Kind::kBatch:
      for (const std::string& one : step.keys) put_everywhere(one, step.value);
      return {};
    case Kind::kTransaction:
      content().erase(key);
      for (const std::string& one : std::span(step.keys).subspan(1)) {
        put_everywhere(one, step.value);
      }
      return {};
    case Kind::kLoad:
      for (const std::string& one : step.keys) {
        content()[one] = {.is_put = true, .text = step.value};
      }
      return {};
    case Kind::kGet: {
      const Visible all = visible();
      const auto& shown = all.at(kDefault);
      const auto found = shown.find(key);
      return found == shown.end() ? "none" : found->second;
    }
    case Kind::kIterate:
      before = tools::to_string({*visible().find(kDefault)});
      content().erase(key);
      return before;
    case Kind::kSnapshot:
      before = tools::to_string({*visible().find(kDefault)});
      content()[key] = {.is_put = true, .text = step.value};
      return before;
    case Kind::kCreate:
      keyspaces_[std::string(kOtherKeyspace)];
      return {};
    case Kind::kDrop:
      keyspaces_.erase(std::string(kOtherKeyspace));
      return {};
    case Kind::kCheckpoint:
      for (const auto& [name, content] : keyspaces_) copy_[name_in_copy(name)] = content;
      return {};
    case Kind::kPassTime:
      now_ms_ += StoreStep::kBriefMs;
      return {};
    case Kind::kFlush:
    case Kind::kMerge:
    case Kind::kReopen:
      return {};
  }
  return {};
}

StoreContents::Visible StoreContents::visible(std::uint64_t now_ms) const {
  Visible all;
  for (const auto* part : {&keyspaces_, &copy_}) {
    for (const auto& [name, content] : *part) {
      auto& shown = all[name];
      for (const auto& [key, value] : content) {
        const bool is_there = value.is_put && value.until_ms > now_ms;
        if (!is_there && value.operands.empty()) continue;
        shown.emplace(key, (is_there ? value.text : "") + value.operands);
      }
    }
  }
  return all;
}

std::string to_string(const StoreContents::Visible& visible) {
  std::string text;
  for (const auto& [name, content] : visible) {
    text += name + ":";
    for (const auto& [key, value] : content) {
      text += fmt::format(" {}={}", key, shortened(value));
    }
    text += "; ";
  }
  return text;
}

}  // namespace nacre::tools
