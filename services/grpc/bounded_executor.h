// A fixed number of threads and a bounded queue in front of them, for work that may block and
// therefore has no place on gRPC's own threads.
#ifndef TPO_SERVICES_GRPC_BOUNDED_EXECUTOR_H_
#define TPO_SERVICES_GRPC_BOUNDED_EXECUTOR_H_

#include <cstddef>
#include <deque>
#include <functional>
#include <thread>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"

namespace tpo {

// Thread-safe.
class BoundedExecutor {
 public:
  // Called with the length of the queue whenever it changed, in order; must be quick and not call
  // the executor.
  using OnLength = std::function<void(size_t)>;

  // `threads` >= 1. At most `queue_capacity` pieces of work wait for a thread.
  BoundedExecutor(int threads, size_t queue_capacity, OnLength on_length = {});
  // Runs what is queued and joins.
  ~BoundedExecutor();

  BoundedExecutor(const BoundedExecutor&) = delete;
  BoundedExecutor& operator=(const BoundedExecutor&) = delete;

  // Whether `work` will run; false: the queue is full.
  [[nodiscard]] bool TryRun(std::function<void()> work);

 private:
  void Work();
  void TellLength() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);

  const size_t queue_capacity_;
  const OnLength on_length_;
  absl::Mutex mutex_;
  std::deque<std::function<void()>> queue_ ABSL_GUARDED_BY(mutex_);
  bool closed_ ABSL_GUARDED_BY(mutex_) = false;
  size_t idle_ ABSL_GUARDED_BY(mutex_) = 0;
  absl::CondVar changed_;
  std::vector<std::thread> threads_;
};

}  // namespace tpo

#endif  // TPO_SERVICES_GRPC_BOUNDED_EXECUTOR_H_
