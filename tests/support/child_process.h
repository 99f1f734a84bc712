#pragma once

// A child of the test's own process, which goes on from the fork. It has but the thread that
// forked.

#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include "nacre/error.h"

namespace nacre::test {

/// The child ends with what `body` returns: 0, or a number that says what was not as it should be.
template <class Body>
pid_t fork_child(Body body) {
  const pid_t child = ::fork();
  if (child == 0) ::_exit(body());
  return child;
}

/// Waits for the child; -1 when it was ended by a signal.
inline int exit_status(pid_t child) {
  int status = 0;
  EXPECT_EQ(::waitpid(child, &status, 0), child);
  return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

/// Whether `outcome` is the error a child is told; for a child, where a failed EXPECT is not seen.
template <class Outcome>
bool refused(const Outcome& outcome) {
  return !outcome && outcome.error().code() == ErrorCode::kClosed;
}

}  // namespace nacre::test
