// Time as an argument, so that leases can be tested without waiting. Monotonic: a jump of the wall
// clock neither expires nor extends anything.
#ifndef TPO_CORE_CLOCK_H_
#define TPO_CORE_CLOCK_H_

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"

namespace tpo {

// Thread-safe. A point in time is the duration since an arbitrary origin, the same for the life of
// a process.
class Clock {
 public:
  virtual ~Clock() = default;
  virtual absl::Duration Now() const = 0;

  // CLOCK_MONOTONIC.
  static const Clock& Monotonic();
};

// Stands still until it is told to advance.
class FakeClock : public Clock {
 public:
  absl::Duration Now() const override;
  void Advance(absl::Duration by);

 private:
  mutable absl::Mutex mutex_;
  absl::Duration now_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace tpo

#endif  // TPO_CORE_CLOCK_H_
