// Which replica of a verifier gets the next attempt: among those whose circuit breaker lets it
// through and that have room, the one with the fewest attempts in progress; in turn among equals.
//
// Pure but for the turn; time comes in as an argument. Not thread-safe.
#ifndef TPO_VERIFIER_ROUTING_REPLICA_SET_H_
#define TPO_VERIFIER_ROUTING_REPLICA_SET_H_

#include <cstddef>
#include <optional>
#include <vector>

#include "absl/time/time.h"
#include "verifier/routing/circuit_breaker.h"

namespace tpo {

class ReplicaSet {
 public:
  // What an attempt that ended says about its replica.
  enum class Lesson { kWorks, kFails, kNone };

  // REQUIRES: count > 0, max_in_flight > 0 (attempts at a time, of each replica).
  ReplicaSet(size_t count, const CircuitBreaker::Options& breaker, int max_in_flight);

  // Nothing when no replica can take an attempt. Those in `avoid` are taken only when there is no
  // other.
  std::optional<size_t> Pick(absl::Duration now, const std::vector<size_t>& avoid);

  // Whether all breakers keep attempts away: a wait for room would be in vain.
  bool AllBroken(absl::Duration now) const;

  // Whether Pick would find one.
  bool CanTake(absl::Duration now) const;

  // The first time after `now` at which a breaker lets a probe through; infinity: not before an
  // attempt ends.
  absl::Duration NextProbe(absl::Duration now) const;

  // REQUIRES: Pick just returned `replica`.
  CircuitBreaker::Ticket OnStarted(size_t replica, absl::Duration now);
  void OnEnded(size_t replica, CircuitBreaker::Ticket ticket, Lesson lesson, absl::Duration now);

  size_t size() const { return replicas_.size(); }
  int outstanding(size_t replica) const { return replicas_[replica].outstanding; }
  CircuitBreaker::State BreakerState(size_t replica, absl::Duration now) const {
    return replicas_[replica].breaker.StateAt(now);
  }

 private:
  struct Replica {
    CircuitBreaker breaker;
    int outstanding = 0;
  };

  bool CanTake(const Replica& replica, absl::Duration now) const {
    return replica.outstanding < max_in_flight_ && replica.breaker.Admits(now);
  }

  const int max_in_flight_;
  std::vector<Replica> replicas_;
  size_t turn_ = 0;
};

}  // namespace tpo

#endif  // TPO_VERIFIER_ROUTING_REPLICA_SET_H_
