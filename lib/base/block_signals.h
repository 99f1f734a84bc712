#pragma once

// Signals are the application's business; this keeps them from the threads of a library.

#include <pthread.h>

#include <csignal>

namespace nacre {

/// While it lives, threads this thread starts have all signals blocked.
///
/// A library's threads leave the application's signals to the application's threads. The signals a
/// thread raises by its own fault stay open: a blocked SIGBUS would kill the process instead of
/// reaching its handler.
class SignalsBlocked {
 public:
  SignalsBlocked() {
    sigset_t all;
    sigfillset(&all);
    for (int fault : {SIGBUS, SIGSEGV, SIGFPE, SIGILL, SIGTRAP, SIGABRT}) sigdelset(&all, fault);
    pthread_sigmask(SIG_SETMASK, &all, &before_);
  }
  ~SignalsBlocked() { pthread_sigmask(SIG_SETMASK, &before_, nullptr); }
  SignalsBlocked(const SignalsBlocked&) = delete;
  SignalsBlocked& operator=(const SignalsBlocked&) = delete;

 private:
  sigset_t before_;
};

}  // namespace nacre
