// Counts the calls that are in progress: those that a service is answering, so that its server can
// shut down as soon as there is none, and the attempts of a client, which outlives them.
#ifndef TPO_SERVICES_GRPC_ACTIVE_CALLS_H_
#define TPO_SERVICES_GRPC_ACTIVE_CALLS_H_

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"

namespace tpo {

// Thread-safe.
class ActiveCalls {
 public:
  void Begin() {
    absl::MutexLock lock(&mutex_);
    ++count_;
  }
  void End() {
    absl::MutexLock lock(&mutex_);
    --count_;
  }
  // Whether there was a moment without any call within `timeout`.
  bool WaitUntilNone(absl::Duration timeout) {
    absl::MutexLock lock(&mutex_);
    const auto is_none = [this]() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) { return count_ == 0; };
    return mutex_.AwaitWithTimeout(absl::Condition(&is_none), timeout);
  }

 private:
  absl::Mutex mutex_;
  int count_ ABSL_GUARDED_BY(mutex_) = 0;
};

}  // namespace tpo

#endif  // TPO_SERVICES_GRPC_ACTIVE_CALLS_H_
