#include "verifier/routing/group_call.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"

namespace tpo {

GroupCall::Decision GroupCall::Decide(absl::Duration now,
                                      std::optional<absl::Duration> hedge_after) {
  if (!outcome_ && now >= deadline_) outcome_ = FailureAtDeadline();
  if (outcome_) return {.want = Want::kDone, .wake_at = now};
  if (running_.empty()) {
    if (now >= paused_until_) return {.want = Want::kAttempt, .wake_at = now};
    return {.want = Want::kNothing, .wake_at = std::min(paused_until_, deadline_)};
  }
  if (running_.size() > 1 || !hedge_after) return {.want = Want::kNothing, .wake_at = deadline_};
  const absl::Duration hedge_at =
      std::max(running_.front().started + *hedge_after, no_hedge_before_);
  if (now >= hedge_at) return {.want = Want::kHedge, .wake_at = now};
  return {.want = Want::kNothing, .wake_at = std::min(hedge_at, deadline_)};
}

void GroupCall::OnStarted(uint64_t attempt, size_t replica, absl::Duration now) {
  running_.push_back({.id = attempt, .replica = replica, .started = now});
  why_no_replica_ = absl::OkStatus();
}

void GroupCall::OnNoReplica(absl::Status why) {
  paused_until_ = absl::InfiniteDuration();
  why_no_replica_ = std::move(why);
}

void GroupCall::OnEnded(uint64_t attempt, const absl::Status& status, bool reached,
                        absl::Duration now, double jitter) {
  const auto ended = std::find_if(running_.begin(), running_.end(),
                                  [attempt](const Attempt& other) { return other.id == attempt; });
  const size_t replica = ended->replica;
  running_.erase(ended);
  if (outcome_) return;
  const AttemptEnd end = EndOf(status, reached);
  if (end == AttemptEnd::kAnswered || end == AttemptEnd::kRefused) {
    outcome_ = status;
    return;
  }
  ++failures_;
  if (end != AttemptEnd::kNotTaken) ++counted_failures_;
  last_failure_ = status;
  last_failed_replica_ = replica;
  // The other attempt may still be answered.
  if (!running_.empty()) return;
  if (end == AttemptEnd::kFailed || counted_failures_ >= options_.max_attempts ||
      now >= deadline_) {
    outcome_ = LastFailure();
  } else {
    paused_until_ = now + PauseAfter(failures_, options_.backoff, jitter);
  }
}

std::vector<size_t> GroupCall::ReplicasToAvoid() const {
  std::vector<size_t> replicas;
  for (const Attempt& attempt : running_) replicas.push_back(attempt.replica);
  if (last_failed_replica_) replicas.push_back(*last_failed_replica_);
  return replicas;
}

absl::Status GroupCall::FailureAtDeadline() const {
  if (!running_.empty()) return absl::DeadlineExceededError("no answer within the deadline");
  if (!last_failure_.ok()) return LastFailure();
  if (!why_no_replica_.ok()) return why_no_replica_;
  return absl::DeadlineExceededError("the deadline was over before an attempt could begin");
}

absl::Status GroupCall::LastFailure() const {
  std::string message(last_failure_.message());
  if (!why_no_replica_.ok()) absl::StrAppend(&message, "; then ", why_no_replica_.message());
  // CANCELLED is for calls that their caller ended.
  const bool cancelled = absl::IsCancelled(last_failure_);
  return {cancelled ? absl::StatusCode::kUnavailable : last_failure_.code(), message};
}

}  // namespace tpo
