// Waits until a number of things have happened.
#ifndef TPO_VERIFIER_ROUTING_COUNT_DOWN_H_
#define TPO_VERIFIER_ROUTING_COUNT_DOWN_H_

#include <cstddef>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"

namespace tpo {

// Thread-safe. Unlike absl::BlockingCounter it orders what came before each count before the end of
// the wait by nothing but its mutex, which ThreadSanitizer understands.
class CountDown {
 public:
  explicit CountDown(size_t count) : left_(count) {}
  void Count() {
    const absl::MutexLock lock(&mutex_);
    --left_;
  }
  // May be destroyed when this returns, whoever still is in Count.
  void Wait() {
    const absl::MutexLock lock(&mutex_);
    const auto is_over = [this]() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) { return left_ == 0; };
    mutex_.Await(absl::Condition(&is_over));
  }

 private:
  absl::Mutex mutex_;
  size_t left_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace tpo

#endif  // TPO_VERIFIER_ROUTING_COUNT_DOWN_H_
