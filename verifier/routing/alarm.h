// Calls back at a point in time: the only source of time that a VerifierPool acts on by itself, so
// that tests can be it.
#ifndef TPO_VERIFIER_ROUTING_ALARM_H_
#define TPO_VERIFIER_ROUTING_ALARM_H_

#include <functional>
#include <thread>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"
#include "core/clock.h"

namespace tpo {

// Thread-safe.
class Alarm {
 public:
  virtual ~Alarm() = default;
  // Rings once at `at` (of the clock that its owner goes by), in place of any time set before;
  // infinity: doesn't ring. May ring early. REQUIRES: on_ring doesn't wait for a Set in progress.
  virtual void Set(absl::Duration at) = 0;
};

// Rings on a thread of its own, which it joins when it is destroyed.
class AlarmThread : public Alarm {
 public:
  // `clock` runs at the pace of the real time, and outlives it.
  AlarmThread(const Clock* clock, std::function<void()> on_ring);
  ~AlarmThread() override;
  void Set(absl::Duration at) override;

 private:
  void Run();

  const Clock* const clock_;
  const std::function<void()> on_ring_;
  absl::Mutex mutex_;
  absl::Duration at_ ABSL_GUARDED_BY(mutex_) = absl::InfiniteDuration();
  bool earlier_ ABSL_GUARDED_BY(mutex_) = false;  // than what the thread waits for
  bool ending_ ABSL_GUARDED_BY(mutex_) = false;
  std::thread thread_;  // goes last: uses all of the above
};

}  // namespace tpo

#endif  // TPO_VERIFIER_ROUTING_ALARM_H_
