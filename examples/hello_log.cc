// Appends a message to a log and reads every message back: hello_log [DIRECTORY]
//
// The emulated domain runs on any file system, tmpfs included, and survives a crash of the process
// but not power loss. Leave `domain` out to get one that survives both.

#include <nacre/log.h>

#include <iostream>

nacre::Status run(const char* directory) {
  auto log = nacre::Log::open(directory, {.domain = nacre::DomainRequest::kEmulated});
  if (!log) return log.error();
  auto topic = log->open_or_create_topic("greetings");
  if (!topic) return topic.error();
  nacre::Partition partition = topic->partition(0);
  if (auto at = partition.append({.value = nacre::as_bytes("hello, log")}); !at) return at.error();
  for (nacre::Offset at = partition.begin(); at < partition.durable_end(); ++at.value) {
    auto message = partition.read(at);
    if (!message) return message.error();
    std::cout << at.value << ": " << nacre::as_text((*message)->value) << "\n";
  }
  return log->close();
}

int main(int argc, char** argv) {
  const nacre::Status done = run(argc > 1 ? argv[1] : "hello.log");
  if (!done) std::cerr << done.error().to_string() << "\n";
  return done ? 0 : 1;
}
