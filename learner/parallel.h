// A few threads that work through numbered tasks, for the learner's micro-batches.
#ifndef TPO_LEARNER_PARALLEL_H_
#define TPO_LEARNER_PARALLEL_H_

#include <atomic>
#include <cstdint>
#include <exception>
#include <functional>
#include <thread>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"

namespace tpo {

// Owns its threads. Run is called from one thread at a time.
class ParallelTasks {
 public:
  // task(index, thread), thread in [0, threads).
  using Task = std::function<void(int index, int thread)>;

  // `threads` of 0: one per core. `on_thread_start` runs first on every new thread.
  ParallelTasks(int threads, std::function<void()> on_thread_start);
  ~ParallelTasks();
  ParallelTasks(const ParallelTasks&) = delete;
  ParallelTasks& operator=(const ParallelTasks&) = delete;

  // Calls task(0), …, task(count - 1), begun in this order, on all threads and the calling one;
  // returns when all are done. The first exception of a task is thrown here.
  void Run(int count, const Task& task);

  // Including the calling one.
  int threads() const { return static_cast<int>(threads_.size()) + 1; }

 private:
  void ThreadLoop(int thread);
  // Works on the current tasks until none is left.
  void WorkOff(int thread) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);

  absl::Mutex mutex_;
  const Task* task_ ABSL_GUARDED_BY(mutex_) = nullptr;
  int count_ ABSL_GUARDED_BY(mutex_) = 0;
  int next_ ABSL_GUARDED_BY(mutex_) = 0;
  int running_ ABSL_GUARDED_BY(mutex_) = 0;
  // Follow next_ < count_ and running_ == 0, for a look without the lock; only hints.
  std::atomic<bool> has_work_ = false;
  std::atomic<bool> all_done_ = true;
  std::exception_ptr failure_ ABSL_GUARDED_BY(mutex_);
  bool stopping_ ABSL_GUARDED_BY(mutex_) = false;
  std::vector<std::thread> threads_;
};

// Lets tasks commit results in the order of their index while they compute in any order.
class Turnstile {
 public:
  // Waits until all turns below `index` have passed. Every index must come exactly once, even when
  // its task failed.
  void WaitForTurn(int index);
  void Pass();

 private:
  absl::Mutex mutex_;
  int next_ ABSL_GUARDED_BY(mutex_) = 0;
};

}  // namespace tpo

#endif  // TPO_LEARNER_PARALLEL_H_
