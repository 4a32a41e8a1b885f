// Keeps attempts away from a replica that fails, and lets one through now and then to see whether
// it is back.
//
// Closed: all attempts pass. After too many failures it opens: none pass. When `open_time` is over
// it is half-open: one attempt passes at a time, the probe; its success closes the breaker, its
// failure opens it again.
//
// A pure state machine: time comes in as an argument and must not go backwards. Not thread-safe.
#ifndef TPO_VERIFIER_ROUTING_CIRCUIT_BREAKER_H_
#define TPO_VERIFIER_ROUTING_CIRCUIT_BREAKER_H_

#include <cstdint>

#include "absl/time/time.h"

namespace tpo {

class CircuitBreaker {
 public:
  // The failure ratio is taken over so many attempts.
  static constexpr int kWindow = 32;

  struct Options {
    // Opens after so many failures in a row; 0: however many.
    int failures = 0;
    // Opens when at least this part of the last kWindow attempts failed; 0: however many.
    double failure_ratio = 0.0;
    absl::Duration open_time;
  };

  enum class State { kClosed, kOpen, kHalfOpen };

  // From a replica that gets groups to one that gets none: 0 closed, 1 half-open, 2 open.
  static int Gravity(State state);

  // Stands for an attempt: what was begun before the breaker last changed its state says nothing
  // any longer, and is ignored when it ends.
  using Ticket = uint64_t;

  explicit CircuitBreaker(const Options& options) : options_(options) {}

  State StateAt(absl::Duration now) const;

  // Whether an attempt may begin.
  bool Admits(absl::Duration now) const;

  // From when on an attempt may begin if nothing else happens: the past when closed, infinity while
  // a probe is under way.
  absl::Duration AdmitsFrom() const;

  // REQUIRES: Admits(now).
  Ticket OnStarted(absl::Duration now);
  void OnSuccess(Ticket ticket);
  void OnFailure(Ticket ticket, absl::Duration now);
  // The attempt ended without saying anything about the replica: it was given up, or the replica
  // was busy.
  void OnNothingLearnt(Ticket ticket);

 private:
  void Record(bool failed);
  bool FailsTooOften() const;
  void Open(absl::Duration now);

  const Options options_;
  Ticket generation_ = 0;  // one higher at each change of state
  bool open_ = false;      // or half-open
  bool probing_ = false;
  absl::Duration probe_from_ = -absl::InfiniteDuration();
  int failures_in_a_row_ = 0;
  uint64_t recent_failures_ = 0;  // a bit an attempt, the newest lowest
  int recent_attempts_ = 0;       // bits that count, at most kWindow
};

}  // namespace tpo

#endif  // TPO_VERIFIER_ROUTING_CIRCUIT_BREAKER_H_
