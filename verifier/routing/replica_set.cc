#include "verifier/routing/replica_set.h"

#include <algorithm>
#include <utility>

namespace tpo {

ReplicaSet::ReplicaSet(size_t count, const CircuitBreaker::Options& breaker, int max_in_flight)
    : max_in_flight_(max_in_flight) {
  replicas_.reserve(count);
  for (size_t i = 0; i < count; ++i) replicas_.push_back({.breaker = CircuitBreaker(breaker)});
}

std::optional<size_t> ReplicaSet::Pick(absl::Duration now, const std::vector<size_t>& avoid) {
  std::optional<size_t> best;
  std::pair<bool, int> best_cost;
  for (size_t i = 0; i < replicas_.size(); ++i) {
    const size_t candidate = (turn_ + i) % replicas_.size();
    const Replica& replica = replicas_[candidate];
    if (!CanTake(replica, now)) continue;
    const bool avoided = std::find(avoid.begin(), avoid.end(), candidate) != avoid.end();
    const std::pair<bool, int> cost(avoided, replica.outstanding);
    if (best && best_cost <= cost) continue;
    best = candidate;
    best_cost = cost;
  }
  if (best) turn_ = *best + 1;
  return best;
}

bool ReplicaSet::AllBroken(absl::Duration now) const {
  return std::none_of(replicas_.begin(), replicas_.end(),
                      [now](const Replica& replica) { return replica.breaker.Admits(now); });
}

bool ReplicaSet::CanTake(absl::Duration now) const {
  return std::any_of(replicas_.begin(), replicas_.end(),
                     [this, now](const Replica& replica) { return CanTake(replica, now); });
}

absl::Duration ReplicaSet::NextProbe(absl::Duration now) const {
  absl::Duration first = absl::InfiniteDuration();
  for (const Replica& replica : replicas_) {
    const absl::Duration from = replica.breaker.AdmitsFrom();
    if (from > now) first = std::min(first, from);
  }
  return first;
}

CircuitBreaker::Ticket ReplicaSet::OnStarted(size_t replica, absl::Duration now) {
  ++replicas_[replica].outstanding;
  return replicas_[replica].breaker.OnStarted(now);
}

void ReplicaSet::OnEnded(size_t replica, CircuitBreaker::Ticket ticket, Lesson lesson,
                         absl::Duration now) {
  --replicas_[replica].outstanding;
  CircuitBreaker& breaker = replicas_[replica].breaker;
  switch (lesson) {
    case Lesson::kWorks:
      breaker.OnSuccess(ticket);
      return;
    case Lesson::kFails:
      breaker.OnFailure(ticket, now);
      return;
    case Lesson::kNone:
      breaker.OnNothingLearnt(ticket);
      return;
  }
}

}  // namespace tpo
