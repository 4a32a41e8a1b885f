// What the end of an attempt means for its group, and how long to wait before the next.
//
// Pure functions.
#ifndef TPO_VERIFIER_ROUTING_RETRY_POLICY_H_
#define TPO_VERIFIER_ROUTING_RETRY_POLICY_H_

#include "absl/status/status.h"
#include "absl/time/time.h"

namespace tpo {

enum class AttemptEnd {
  // OK: there are verdicts, whatever their kinds. Verdicts are answers, and never asked for again.
  kAnswered,
  // INVALID_ARGUMENT: no replica would take this group.
  kRefused,
  // RESOURCE_EXHAUSTED, or the replica couldn't be reached: nothing was begun, so trying again
  // costs nobody anything. Not counted.
  kNotTaken,
  // UNAVAILABLE, ABORTED, CANCELLED (not by us), DEADLINE_EXCEEDED: another attempt may do better.
  // Counted, so that a group that brings verifiers down doesn't go through all of them.
  kMayHelpToRetry,
  // All else: the verifier has a fault that it would have again.
  kFailed,
};

// `reached`: whether the request got to the replica.
AttemptEnd EndOf(const absl::Status& status, bool reached);

struct BackoffOptions {
  absl::Duration first;
  absl::Duration longest;
};

// Pause after the `failures`-th failure of a group, counted from 1: exponential with full jitter,
// that is anything between nothing and first · 2^(failures − 1), at most `longest`. `jitter`: from
// [0, 1).
absl::Duration PauseAfter(int failures, const BackoffOptions& options, double jitter);

}  // namespace tpo

#endif  // TPO_VERIFIER_ROUTING_RETRY_POLICY_H_
