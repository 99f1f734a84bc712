#pragma once

// Clang's thread-safety annotations (https://clang.llvm.org/docs/ThreadSafetyAnalysis.html), and a
// mutex that carries them; other compilers see nothing of the annotations.

#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <mutex>

#if defined(__clang__)
#define NACRE_THREAD_ANNOTATION(x) __attribute__((x))
#else
#define NACRE_THREAD_ANNOTATION(x)
#endif

#define CAPABILITY(x) NACRE_THREAD_ANNOTATION(capability(x))
#define SCOPED_CAPABILITY NACRE_THREAD_ANNOTATION(scoped_lockable)
#define GUARDED_BY(x) NACRE_THREAD_ANNOTATION(guarded_by(x))
#define REQUIRES(...) NACRE_THREAD_ANNOTATION(requires_capability(__VA_ARGS__))
#define ACQUIRE(...) NACRE_THREAD_ANNOTATION(acquire_capability(__VA_ARGS__))
#define RELEASE(...) NACRE_THREAD_ANNOTATION(release_capability(__VA_ARGS__))
#define TRY_ACQUIRE(...) NACRE_THREAD_ANNOTATION(try_acquire_capability(__VA_ARGS__))
#define EXCLUDES(...) NACRE_THREAD_ANNOTATION(locks_excluded(__VA_ARGS__))
#define NO_THREAD_SAFETY_ANALYSIS NACRE_THREAD_ANNOTATION(no_thread_safety_analysis)

namespace nacre {

class CAPABILITY("mutex") Mutex {
 public:
  void lock() ACQUIRE() { mutex_.lock(); }
  void unlock() RELEASE() { mutex_.unlock(); }
  bool try_lock() TRY_ACQUIRE(true) { return mutex_.try_lock(); }

 private:
  friend class CondVar;
  std::mutex mutex_;
};

class SCOPED_CAPABILITY MutexLock {
 public:
  explicit MutexLock(Mutex& mutex) ACQUIRE(mutex) : mutex_(mutex) { mutex_.lock(); }
  ~MutexLock() RELEASE() { mutex_.unlock(); }
  MutexLock(const MutexLock&) = delete;
  MutexLock& operator=(const MutexLock&) = delete;

 private:
  Mutex& mutex_;
};

/// Waits with a Mutex held; the mutex is held again on return.
class CondVar {
 public:
  void wait(Mutex& mutex) REQUIRES(mutex) {
    // Borrows the inner mutex: std::condition_variable_any would take a second mutex each time.
    std::unique_lock<std::mutex> lock(mutex.mutex_, std::adopt_lock);
    condition_.wait(lock);
    lock.release();
  }
  /// Returns after `timeout_ns` at the latest.
  void wait_for(Mutex& mutex, std::uint64_t timeout_ns) REQUIRES(mutex) {
    // The clock's own numbers must not overflow: 146 years are enough.
    constexpr std::uint64_t kLongestNs = std::uint64_t{1} << 62;
    const std::chrono::nanoseconds timeout(timeout_ns < kLongestNs ? timeout_ns : kLongestNs);
    std::unique_lock<std::mutex> lock(mutex.mutex_, std::adopt_lock);
    condition_.wait_for(lock, timeout);
    lock.release();
  }
  void notify_one() noexcept { condition_.notify_one(); }
  void notify_all() noexcept { condition_.notify_all(); }

 private:
  std::condition_variable condition_;
};

}  // namespace nacre
