#include "tools/store_directory.h"

#include <fmt/format.h>

#include <optional>
#include <string_view>
#include <utility>

#include "lib/base/try.h"
#include "lib/store/inspect.h"
#include "tools/log_directory.h"

namespace nacre::tools {
namespace {

/// The order of `keyspace`; none when only a program knows it.
std::optional<Comparator> order_of(const store::KeyspaceRecord& keyspace) {
  for (Comparator own : {Comparator::bytewise(), Comparator::reverse_bytewise()}) {
    if (own.name() == keyspace.comparator) return own;
  }
  return {};
}

Error known_to_a_program(const StoreTarget& target, const store::KeyspaceRecord& keyspace,
                         std::string_view what, std::string_view name) {
  return Error(ErrorCode::kInvalidArgument,
               fmt::format("the keyspace {} has the {} \"{}\", which only the program that made it "
                           "knows; 'nacre stat', 'verify' and 'dump' can look at this store",
                           keyspace.name, what, name))
      .with_path(target.directory);
}

/// The orders of all keyspaces, which opening the store asks for. None of a keyspace that is not
/// there.
Status find_orders(FileSystem& file_system, const StoreTarget& target, StoreOptions& options,
                   std::optional<Comparator>& order) {
  const Superblock superblock = NACRE_TRY(read_store_superblock(file_system, target.directory));
  const auto manifest = NACRE_TRY(store::read_manifest(
      file_system, {.directory = target.directory, .log_uuid = superblock.uuid}));
  for (const auto& [id, keyspace] : manifest.keyspaces) {
    const auto found = order_of(keyspace);
    if (!found) return known_to_a_program(target, keyspace, "comparator", keyspace.comparator);
    if (!keyspace.merge_operator.empty()) {
      return known_to_a_program(target, keyspace, "merge operator", keyspace.merge_operator);
    }
    if (keyspace.name == kDefaultKeyspace) options.comparator = *found;
    if (keyspace.name == target.keyspace) order = found;
  }
  return {};
}

Error no_such_keyspace(const StoreTarget& target) {
  return Error(ErrorCode::kNotFound,
               fmt::format("there is no keyspace \"{}\" in this store; `nacre stat` lists those "
                           "there are",
                           target.keyspace))
      .with_path(target.directory);
}

Result<Keyspace> find_keyspace(Store& store, const StoreTarget& target, StoreAccess access) {
  auto found = store.keyspace(target.keyspace);
  if (found || found.error().code() != ErrorCode::kNotFound) return found;
  if (access == StoreAccess::kFill) return store.create_keyspace(target.keyspace);
  return no_such_keyspace(target);
}

Result<Store> open_with(const StoreTarget& target, StoreAccess access, StoreOptions options) {
  if (access != StoreAccess::kRead) {
    options.domain = domain_request(target.durability);
    return Store::open(target.directory, std::move(options));
  }
  // Whoever only reads writes nothing that would have to survive anything.
  auto store = Store::open(target.directory, options);
  if (store || store.error().code() != ErrorCode::kUnsupported) return store;
  options.domain = DomainRequest::kEmulated;
  return Store::open(target.directory, std::move(options));
}

}  // namespace

void add_store_options(CommandLine app, StoreTarget& target) {
  app.add_option("DIR", target.directory, "The store's directory").required();
  app.add_option("--keyspace", target.keyspace, "Which keyspace (default)").option_text("NAME");
}

void add_store_writer_options(CommandLine app, StoreTarget& target) {
  add_durability_option(app, target.durability);
  add_engine_option(app, target.engine);
}

Result<Superblock> read_store_superblock(FileSystem& file_system,
                                         const std::filesystem::path& directory) {
  auto superblock = read_superblock(file_system, directory);
  if (!superblock && superblock.error().code() == ErrorCode::kNotFound) {
    return Error(ErrorCode::kNotFound,
                 "there is no nacre store in this directory; 'nacre put' and 'nacre load' create "
                 "one")
        .with_path(directory.string());
  }
  if (superblock && superblock->kind != LogKind::kStore) {
    return Error(ErrorCode::kInvalidArgument, fmt::format("this directory holds a {}, not a store",
                                                          log_kind_name(superblock->kind)))
        .with_path(directory.string());
  }
  return superblock;
}

Result<OpenedStore> open_store(const StoreTarget& target, StoreAccess access) {
  if (access == StoreAccess::kFill) {
    NACRE_TRY(check_may_hold_log(target.directory));
  } else {
    NACRE_TRY(check_is_directory(target.directory));
  }
  StoreOptions options{.memtable_bytes = target.memtable_bytes,
                       .segment_bytes = target.segment_bytes,
                       .io_engine = target.engine};
  PosixFileSystem file_system;
  std::optional<Comparator> order;
  Status known = find_orders(file_system, target, options, order);
  const bool is_to_come = !known && known.error().code() == ErrorCode::kNotFound;
  if (!known && !(is_to_come && access == StoreAccess::kFill)) return known.error();
  Store store = NACRE_TRY(open_with(target, access, std::move(options)));
  const Keyspace keyspace = NACRE_TRY(find_keyspace(store, target, access));
  return OpenedStore{.store = std::move(store),
                     .keyspace = keyspace,
                     .order = order.value_or(Comparator::bytewise())};
}

Result<ViewedStore> view_store(const StoreTarget& target) {
  StoreOptions options;
  PosixFileSystem file_system;
  std::optional<Comparator> order;
  NACRE_TRY(find_orders(file_system, target, options, order));
  StoreView view = NACRE_TRY(StoreView::open(target.directory, std::move(options)));
  const auto keyspace = view.keyspace(target.keyspace);
  if (!keyspace) return no_such_keyspace(target);
  return ViewedStore{.view = std::move(view),
                     .keyspace = *keyspace,
                     .order = order.value_or(Comparator::bytewise())};
}

std::string domain_text(const Store& store) {
  return fmt::format("{}: acknowledged writes survive {}", domain_name(store.domain().kind),
                     survival_text(store.domain()));
}

}  // namespace nacre::tools
