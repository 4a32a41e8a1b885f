// What happens to one group that a verifier is asked for: attempts, pauses, hedges, and the end.
//
// One deadline covers everything from the beginning on: waiting for a replica, all attempts, all
// pauses. At most two attempts run at a time, the second being the hedge of a first one that is
// slow. The first that is answered ends the call.
//
// A pure state machine: it says what to do, its owner (VerifierPool) does it and tells what came of
// it. Time comes in as an argument. Not thread-safe.
#ifndef TPO_VERIFIER_ROUTING_GROUP_CALL_H_
#define TPO_VERIFIER_ROUTING_GROUP_CALL_H_

#include <cstddef>
#include <cstdint>
#include <optional>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/time/time.h"
#include "verifier/routing/retry_policy.h"

namespace tpo {

class GroupCall {
 public:
  struct Options {
    // Attempts that may fail until the call is given up (see AttemptEnd for which count). At least
    // 1.
    int max_attempts = 1;
    BackoffOptions backoff;
  };

  enum class Want {
    kAttempt,  // begin an attempt
    kHedge,    // begin a second attempt beside the one that runs
    kNothing,  // ask again at `wake_at`, or when an attempt has ended
    kDone,     // see outcome(); attempts that still run are of no use
  };
  struct Decision {
    Want want = Want::kNothing;
    absl::Duration wake_at;
  };

  GroupCall(const Options& options, absl::Duration deadline)
      : options_(options), deadline_(deadline) {}

  // `hedge_after`: how long an attempt runs before it counts as slow; nothing: not known, no hedge.
  // The decision holds until the owner has reported what came of it.
  Decision Decide(absl::Duration now, std::optional<absl::Duration> hedge_after);

  // What came of kAttempt or kHedge: an attempt began at `replica`; its number, for OnEnded, is of
  // the owner's choosing.
  void OnStarted(uint64_t attempt, size_t replica, absl::Duration now);
  // No replica could take it: waits for OnReplica. `why` is what becomes of the call if that
  // doesn't come before the deadline.
  void OnNoReplica(absl::Status why);
  // There may be one now.
  void OnReplica() { paused_until_ = -absl::InfiniteDuration(); }
  // A hedge isn't to be had (no budget, no replica). Ask again at `until`.
  void OnNoHedge(absl::Duration until) { no_hedge_before_ = until; }

  // An attempt of this call ended. `reached`: whether the request got to the replica. `jitter`:
  // from [0, 1).
  void OnEnded(uint64_t attempt, const absl::Status& status, bool reached, absl::Duration now,
               double jitter);

  // Ends the call now.
  void Abort(absl::Status status) { outcome_ = std::move(status); }

  // Replicas that the next attempt should rather not go to: those that attempts run at, and the one
  // that failed last.
  std::vector<size_t> ReplicasToAvoid() const;

  // REQUIRES: the decision was kDone. OK: the attempt that ended last was answered.
  // INVALID_ARGUMENT: refused. DEADLINE_EXCEEDED: no attempt ended in time. All else: what went
  // wrong last.
  const absl::Status& outcome() const { return *outcome_; }

  absl::Duration deadline() const { return deadline_; }
  // Attempts that failed or weren't taken so far.
  int failures() const { return failures_; }

 private:
  struct Attempt {
    uint64_t id = 0;
    size_t replica = 0;
    absl::Duration started;
  };

  absl::Status FailureAtDeadline() const;
  absl::Status LastFailure() const;

  const Options options_;
  const absl::Duration deadline_;
  std::vector<Attempt> running_;  // at most two
  std::optional<absl::Status> outcome_;
  int failures_ = 0;          // attempts that ended without an answer
  int counted_failures_ = 0;  // those of them that count against max_attempts
  absl::Status last_failure_;
  std::optional<size_t> last_failed_replica_;
  absl::Status why_no_replica_;
  absl::Duration paused_until_ = -absl::InfiniteDuration();
  absl::Duration no_hedge_before_ = -absl::InfiniteDuration();
};

}  // namespace tpo

#endif  // TPO_VERIFIER_ROUTING_GROUP_CALL_H_
