// How long to wait before trying again: exponential, capped, and jittered so that many clients of
// one server that restarted don't come back at the same moment.
#ifndef TPO_CORE_BACKOFF_H_
#define TPO_CORE_BACKOFF_H_

#include <algorithm>
#include <random>

#include "absl/time/time.h"

namespace tpo {

// Between half of `pause` and all of it. Thread-safe.
inline absl::Duration Jittered(absl::Duration pause) {
  thread_local std::minstd_rand random{std::random_device{}()};
  return pause * std::uniform_real_distribution<double>(0.5, 1.0)(random);
}

// Not thread-safe.
class Backoff {
 public:
  Backoff(absl::Duration initial, absl::Duration maximum)
      : initial_(initial), maximum_(maximum), next_(initial) {}

  // The current pause, jittered; doubles it for the next time.
  absl::Duration Next() {
    const absl::Duration pause = next_;
    next_ = std::min(next_ * 2, maximum_);
    return Jittered(pause);
  }

  // It worked: begin with the initial pause again.
  void Reset() { next_ = initial_; }

 private:
  const absl::Duration initial_;
  const absl::Duration maximum_;
  absl::Duration next_;
};

}  // namespace tpo

#endif  // TPO_CORE_BACKOFF_H_
