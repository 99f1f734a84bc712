#include "lib/store/keyspace_options.h"

#include <fmt/format.h>

#include <algorithm>
#include <vector>

namespace nacre::store {

Result<Comparator> comparator_of(const KeyspaceRecord& keyspace, const StoreOptions& options,
                                 const std::filesystem::path& directory) {
  std::vector<Comparator> known = {Comparator::bytewise(), Comparator::reverse_bytewise()};
  if (keyspace.name == kDefaultKeyspace) {
    known = {options.comparator};
  } else {
    known.insert(known.end(), options.comparators.begin(), options.comparators.end());
  }
  const auto found = std::ranges::find(known, keyspace.comparator, &Comparator::name);
  if (found != known.end()) return *found;
  return Error(ErrorCode::kInvalidArgument,
               fmt::format("the keyspace \"{}\" is ordered by \"{}\"; give that comparator in "
                           "StoreOptions::{}",
                           keyspace.name, keyspace.comparator,
                           keyspace.name == kDefaultKeyspace ? "comparator" : "comparators"))
      .with_path(directory.string());
}

Result<std::optional<MergeOperator>> merge_operator_of(const KeyspaceRecord& keyspace,
                                                       const StoreOptions& options,
                                                       const std::filesystem::path& directory) {
  const bool is_default = keyspace.name == kDefaultKeyspace;
  if (keyspace.merge_operator.empty()) {
    if (!is_default || !options.merge.has_value()) return std::optional<MergeOperator>();
    return Error(ErrorCode::kInvalidArgument,
                 fmt::format("the default keyspace was created without a merge operator; leave "
                             "StoreOptions::merge, \"{}\", away, and create another keyspace with "
                             "it",
                             options.merge->name()))
        .with_path(directory.string());
  }
  if (is_default) {
    if (options.merge && options.merge->name() == keyspace.merge_operator) return options.merge;
  } else {
    const auto found =
        std::ranges::find(options.merge_operators, keyspace.merge_operator, &MergeOperator::name);
    if (found != options.merge_operators.end()) return std::optional(*found);
  }
  return Error(ErrorCode::kInvalidArgument,
               fmt::format("the keyspace \"{}\" has the merge operator \"{}\"; give it in "
                           "StoreOptions::{}",
                           keyspace.name, keyspace.merge_operator,
                           is_default ? "merge" : "merge_operators"))
      .with_path(directory.string());
}

Status check_custom(const Comparator& comparator, const std::optional<MergeOperator>& merge) {
  const bool is_own = comparator.keeps_prefixes();
  if (!is_own && (comparator.name().empty() || comparator.name().starts_with("nacre."))) {
    return Error(
        ErrorCode::kInvalidArgument,
        fmt::format("a custom comparator has the name \"{}\"; give it one that is not empty "
                    "and does not begin with \"nacre.\"",
                    comparator.name()));
  }
  if (!comparator.has_function()) {
    return Error(ErrorCode::kInvalidArgument,
                 fmt::format("the comparator \"{}\" has no function", comparator.name()));
  }
  if (!merge.has_value()) return {};
  if (merge->name().empty()) {
    return Error(ErrorCode::kInvalidArgument, "the merge operator has no name; give it one");
  }
  if (!merge->has_function()) {
    return Error(ErrorCode::kInvalidArgument,
                 fmt::format("the merge operator \"{}\" has no function", merge->name()));
  }
  return {};
}

Error lost_if_missing(const Error& error) {
  if (error.code() != ErrorCode::kNotFound) return error;
  return Error(
             ErrorCode::kCorruption,
             "this table of the store has been lost; nothing was changed; restore it from a copy, "
             "or run `nacre repair`")
      .with_path(error.path());
}

}  // namespace nacre::store
