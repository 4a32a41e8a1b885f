// Ties SIGTERM and SIGINT to whatever can be drained. Make one before any thread: see
// services/grpc/signals.h.
#ifndef TPO_SERVICES_ENGINE_DRAIN_ON_SIGNAL_H_
#define TPO_SERVICES_ENGINE_DRAIN_ON_SIGNAL_H_

#include <functional>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"
#include "services/grpc/signals.h"

namespace tpo {

// Thread-safe.
class DrainOnSignal {
 public:
  DrainOnSignal();

  // Calls `drain` at the first signal, or now when it has come already. Replaces an earlier one; an
  // empty one detaches. `drain` is called with a lock held: it must not call back into this object.
  void SetDrain(std::function<void()> drain);

 private:
  void OnSignal();

  absl::Mutex mutex_;
  std::function<void()> drain_ ABSL_GUARDED_BY(mutex_);
  bool signalled_ ABSL_GUARDED_BY(mutex_) = false;
  // Last: its thread uses the members above.
  SignalWaiter waiter_;
};

}  // namespace tpo

#endif  // TPO_SERVICES_ENGINE_DRAIN_ON_SIGNAL_H_
