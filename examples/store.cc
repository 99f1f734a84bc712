// Counts its own runs in a store, and lists what it holds: store [DIRECTORY]
//
// The emulated domain runs on any file system, tmpfs included, and survives a crash of the process
// but not power loss. Leave `domain` out to get one that survives both.

#include <nacre/store.h>

#include <iostream>
#include <string>

using nacre::as_bytes, nacre::as_text;

nacre::Status run(const char* directory) {
  auto store = nacre::Store::open(directory, {.domain = nacre::DomainRequest::kEmulated});
  if (!store) return store.error();
  auto before = store->get(as_bytes("runs"));
  if (!before) return before.error();
  const int runs = *before ? std::stoi((*before)->to_string()) : 0;
  const nacre::Snapshot earlier = store->snapshot();
  if (auto put = store->put(as_bytes("runs"), as_bytes(std::to_string(runs + 1))); !put) return put;
  nacre::WriteBatch batch;  // All of it or nothing.
  batch.put(as_bytes("fruit/apple"), as_bytes("red"));
  batch.put(as_bytes("fruit/pear"), as_bytes("green"));
  batch.remove(as_bytes("fruit/plum"));
  if (auto written = store->write(batch); !written) return written;
  auto then = store->get(as_bytes("runs"), {.snapshot = &earlier});
  if (!then) return then.error();
  std::cout << "before this run: " << (*then ? (*then)->text() : "nothing") << "\n";
  auto each = store->iterate();
  for (each.seek_first(); each.valid(); each.next()) {
    std::cout << as_text(each.key()) << " = " << as_text(each.value()) << "\n";
  }
  return each.status();
}

int main(int argc, char** argv) {
  const nacre::Status done = run(argc > 1 ? argv[1] : "fruit.store");
  if (!done) std::cerr << done.error().to_string() << "\n";
  return done ? 0 : 1;
}
