#pragma once

// Keeps a program under test that runs in the calling process from ending it as if all had passed.
//
// What a test framework would have said comes behind `main`, and an exit(0) in a recovery ends the
// process before that. While a guard is there, exit and quick_exit say so, and end the process with
// status 1. Not seen: _exit and _Exit, which run nothing of the process. A child that the program
// forks may exit as it likes.
//
// Thread safety: none; exit may be called by any thread.

#include <unistd.h>

#include <functional>
#include <string>

namespace nacre {

class ExitGuard {
 public:
  /// `explain` says what runs; it is called while the process exits. Guards may stand in each
  /// other: the innermost one speaks.
  explicit ExitGuard(std::function<std::string()> explain);
  ~ExitGuard();
  ExitGuard(const ExitGuard&) = delete;
  ExitGuard& operator=(const ExitGuard&) = delete;

 private:
  static void on_exit() noexcept;

  std::function<std::string()> explain_;
  pid_t process_;
  ExitGuard* outer_;
};

}  // namespace nacre
