#include "rollout/lease_loop.h"

#include <algorithm>
#include <exception>
#include <utility>
#include <variant>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "core/status_macros.h"
#include "core/verdicts_of_failure.h"
#include "policy/parameters.h"
#include "rollout/sampler.h"

namespace tpo {
namespace {

constexpr absl::Duration kLongestWaitForChange = absl::Seconds(2);
constexpr absl::Duration kFirstWeightsPatience = absl::Seconds(1);
// Without weights for so long after it registered, a worker counts that as a call that failed.
constexpr absl::Duration kFirstWeightsTime = absl::Seconds(30);
// Leases in a row that a worker may fail to answer for a fault of its own.
constexpr int kMostUnansweredLeases = 3;

std::string IdempotencyKey(const RunInfo& run, const Lease& lease, const Prompt& prompt) {
  return absl::StrCat(run.run_id, "/", lease.id, "/", prompt.id);
}

WeightVersion NewestVersionOf(const std::vector<Completion>& completions) {
  WeightVersion newest = 0;
  for (const Completion& completion : completions)
    newest = std::max(newest, completion.weight_versions.back().weight_version);
  return newest;
}

// Whether groups whose submission failed so may still be taken in. What a server that ends, a cut
// connection or an overloaded peer makes of a call is no answer.
bool AnotherTryMayHelp(const absl::Status& failure) {
  switch (failure.code()) {
    case absl::StatusCode::kInvalidArgument:
    case absl::StatusCode::kFailedPrecondition:
    case absl::StatusCode::kNotFound:  // the worker isn't known any more, nor are its leases
    case absl::StatusCode::kPermissionDenied:
    case absl::StatusCode::kUnauthenticated:
    case absl::StatusCode::kUnimplemented:
      return false;
    default:
      return true;
  }
}

}  // namespace

absl::Status RolloutWorker::LeaseLoop::Run(RunInfo run) {
  run_ = std::move(run);
  try {
    return Work();
  } catch (const std::exception& error) {
    return absl::InternalError(absl::StrCat("LibTorch failed: ", error.what()));
  }
}

absl::Status RolloutWorker::LeaseLoop::Work() {
  int failures = 0;
  absl::Duration failing_since = absl::InfiniteDuration();
  while (!worker_.stopped()) {
    const absl::StatusOr<Turn> turn = TakeTurn();
    if (turn.ok()) {
      if (*turn == Turn::kFinished) {
        worker_.EndByItself();
        break;
      }
      failures = 0;
      failing_since = absl::InfiniteDuration();
      continue;
    }
    if (worker_.stopped()) break;
    if (failures++ == 0) failing_since = clock_.Now();
    TPO_RETURN_IF_ERROR(Recover(turn.status(), failing_since, failures));
  }
  return absl::OkStatus();
}

absl::StatusOr<RolloutWorker::LeaseLoop::Turn> RolloutWorker::LeaseLoop::TakeTurn() {
  if (slot_ == nullptr) slot_ = slots_.Take();
  if (slot_ == nullptr) return Turn::kFinished;  // the worker was stopped
  since_ = Clock::Monotonic().Now();
  TPO_RETURN_IF_ERROR(slot_->PrepareFor(run_));
  // A worker that joins fetches the weights on its own time, not on a lease's.
  if (slot_->version < 0) {
    const absl::StatusOr<Turn> turn = Timed(&WorkerTimes::waiting_for_weights,
                                            [&] { return WaitForChange(kFirstWeightsPatience); });
    const bool late =
        slot_->version < 0 && clock_.Now() - slot_->without_weights_since > kFirstWeightsTime;
    if (!late || !turn.ok() || *turn != Turn::kNothingToDo) return turn;
    return absl::DeadlineExceededError("the first weights haven't come yet");
  }
  worker_.learner_->ReportTimes(run_.worker_id, worker_.statistics().times);
  // In hand from the question on: an answer that came to a closed worker were a lease that nobody
  // answers until it expires.
  worker_.CountLeaseInHand(+1, /*asked_for=*/+1);
  const absl::StatusOr<LeaseResult> result = worker_.learner_->LeasePrompts(run_.worker_id);
  worker_.CountLeaseInHand(0, -1);
  Spent(&WorkerTimes::waiting_for_lease);
  const Lease* const lease = result.ok() ? std::get_if<Lease>(&*result) : nullptr;
  const absl::Status answered = lease != nullptr ? AnswerLease(*lease) : absl::OkStatus();
  worker_.CountLeaseInHand(-1, 0);
  TPO_RETURN_IF_ERROR(result.status());
  if (lease == nullptr) {
    const NoLease& none = std::get<NoLease>(*result);
    if (none.finished || (none.draining && !worker_.options_.outlives_learner)) {
      return Turn::kFinished;
    }
    if (none.draining) worker_.NoteDraining(run_);
    return Timed(&WorkerTimes::waiting_for_lease,
                 [&] { return WaitForChange(std::min(none.retry_after, kLongestWaitForChange)); });
  }
  if (answered.ok()) {
    unanswered_leases_ = 0;
    return Turn::kAnswered;
  }
  // A lease that is taken and not answered keeps its prompts from everybody: a worker that can't,
  // goes.
  const bool hopeless = absl::IsInternal(answered) && ++unanswered_leases_ >= kMostUnansweredLeases;
  return hopeless ? absl::FailedPreconditionError(answered.message()) : answered;
}

absl::Status RolloutWorker::LeaseLoop::AnswerLease(const Lease& lease) {
  TPO_RETURN_IF_ERROR(RefreshWeights(lease));
  Spent(&WorkerTimes::waiting_for_weights);
  TPO_ASSIGN_OR_RETURN(std::vector<Group> groups, SampleGroups(lease));
  Spent(&WorkerTimes::sampling);
  if (worker_.options_.sample_ahead) GiveSlotBack();
  Verify(lease, groups);
  Spent(&WorkerTimes::waiting_for_verdicts);
  TPO_ASSIGN_OR_RETURN(const std::vector<SubmitResult> results, Submit(lease, groups));
  Spent(&WorkerTimes::submitting);
  Count(groups, results);
  PauseAfterUselessLease(groups, results);
  return absl::OkStatus();
}

void RolloutWorker::LeaseLoop::Spent(absl::Duration WorkerTimes::*what) {
  const absl::Duration now = Clock::Monotonic().Now();
  worker_.CountTime(what, now - since_);
  since_ = now;
}

absl::StatusOr<RolloutWorker::LeaseLoop::Turn> RolloutWorker::LeaseLoop::WaitForChange(
    absl::Duration timeout) {
  const auto snapshot = worker_.learner_->WaitForWeights(run_.worker_id, slot_->version, timeout);
  if (snapshot.ok()) {
    TPO_RETURN_IF_ERROR(Load(**snapshot));
  } else if (absl::IsCancelled(snapshot.status())) {
    return Turn::kFinished;
  } else if (!absl::IsDeadlineExceeded(snapshot.status())) {
    return snapshot.status();
  }
  return Turn::kNothingToDo;
}

absl::Status RolloutWorker::LeaseLoop::RefreshWeights(const Lease& lease) {
  const absl::Duration deadline = clock_.Now() + lease.time_to_live;
  do {
    const absl::Duration patience =
        slot_->version < lease.min_weight_version ? deadline - clock_.Now() : absl::ZeroDuration();
    const auto snapshot =
        worker_.learner_->WaitForWeights(run_.worker_id, slot_->version, patience);
    if (snapshot.ok()) {
      TPO_RETURN_IF_ERROR(Load(**snapshot));
    } else if (!absl::IsDeadlineExceeded(snapshot.status()) ||
               slot_->version < lease.min_weight_version) {
      return snapshot.status();
    }
  } while (slot_->version < lease.min_weight_version);
  return absl::OkStatus();
}

absl::StatusOr<WeightVersion> RolloutWorker::LeaseLoop::SwapInFlight() {
  const auto snapshot =
      worker_.learner_->WaitForWeights(run_.worker_id, slot_->version, absl::ZeroDuration());
  if (snapshot.ok()) {
    TPO_RETURN_IF_ERROR(Load(**snapshot));
  } else if (!absl::IsDeadlineExceeded(snapshot.status())) {
    return snapshot.status();
  }
  return slot_->version;
}

absl::Status RolloutWorker::LeaseLoop::Load(const WeightSnapshot& snapshot) {
  if (worker_.sampler_ != nullptr) {
    TPO_RETURN_IF_ERROR(worker_.sampler_->Load(snapshot.weights, snapshot.version, run_.worker_id));
  } else {
    TPO_RETURN_IF_ERROR(LoadTensors(snapshot.weights, slot_->policy->parameters()));
  }
  slot_->version = snapshot.version;
  return absl::OkStatus();
}

absl::StatusOr<std::vector<SubmitResult>> RolloutWorker::LeaseLoop::Submit(
    const Lease& lease, const std::vector<Group>& groups) {
  const absl::Duration deadline = clock_.Now() + lease.time_to_live;
  for (int failures = 1;; ++failures) {
    absl::StatusOr<std::vector<SubmitResult>> results =
        worker_.learner_->SubmitGroups(run_.worker_id, groups);
    if (results.ok()) return results;
    // Once the grace is over, calls fail because this worker ended them.
    if (!AnotherTryMayHelp(results.status()) || worker_.grace_over() || clock_.Now() > deadline) {
      worker_.Warn(absl::StrCat("gave up submitting the groups of lease ", lease.id, ": ",
                                results.status().ToString()));
      return results;
    }
    worker_.Warn(absl::StrCat("will submit again: ", results.status().ToString()));
    worker_.PauseWithinGrace(failures);
  }
}

void RolloutWorker::LeaseLoop::PauseAfterUselessLease(const std::vector<Group>& groups,
                                                      const std::vector<SubmitResult>& results) {
  const bool scored = std::any_of(groups.begin(), groups.end(), [](const Group& group) {
    return std::any_of(group.verdicts.begin(), group.verdicts.end(),
                       [](const Verdict& verdict) { return verdict.kind == VerdictKind::kScored; });
  });
  const bool valid = std::any_of(results.begin(), results.end(), [](const SubmitResult& result) {
    return result.outcome != SubmitOutcome::kInvalid;
  });
  useless_leases_ = scored && valid ? 0 : useless_leases_ + 1;
  if (useless_leases_ > 0) worker_.Pause(useless_leases_);
}

absl::StatusOr<std::vector<std::vector<Completion>>> RolloutWorker::LeaseLoop::Sample(
    const std::vector<Prompt>& prompts) {
  if (worker_.sampler_ != nullptr) {
    auto completions = worker_.sampler_->Sample(prompts);
    if (absl::IsInternal(completions.status())) {  // it has lost its weights
      slot_->version = -1;
      slot_->without_weights_since = clock_.Now();
    }
    // Whoever leases it: all workers have the same cache.
    if (absl::IsResourceExhausted(completions.status())) {
      return absl::FailedPreconditionError(absl::StrCat(
          completions.status().message(), ": rollout.cache_mib is ",
          run_.sampling.cache_bytes >> 20, ", rollout.max_tokens ", run_.sampling.max_tokens));
    }
    return completions;
  }
  try {
    return SampleCompletions(run_.sampling, run_.seed, RandomStream::kCompletion, *slot_->policy,
                             slot_->version, prompts, *slot_->decoder,
                             [this] { return SwapInFlight(); });
  } catch (const std::exception& error) {
    // Another worker, or this one later, may have what it takes: no reason to end yet.
    return absl::InternalError(absl::StrCat("sampling failed: ", error.what()));
  }
}

absl::StatusOr<std::vector<Group>> RolloutWorker::LeaseLoop::SampleGroups(const Lease& lease) {
  TPO_ASSIGN_OR_RETURN(std::vector<std::vector<Completion>> completions, Sample(lease.prompts));
  std::vector<Group> groups(lease.prompts.size());
  for (size_t g = 0; g < groups.size(); ++g) {
    groups[g].lease_id = lease.id;
    groups[g].prompt_id = lease.prompts[g].id;
    groups[g].completions = std::move(completions[g]);
  }
  return groups;
}

void RolloutWorker::LeaseLoop::Verify(const Lease& lease, std::vector<Group>& groups) {
  // External verifiers have deadlines of their own.
  const absl::Time deadline = run_.verifiers.empty()
                                  ? absl::Now() + kVerificationInLeases * lease.time_to_live
                                  : absl::InfiniteFuture();
  std::vector<VerifyRequest> requests(groups.size());
  for (size_t g = 0; g < groups.size(); ++g) {
    requests[g].prompt = lease.prompts[g];
    requests[g].completions = std::move(groups[g].completions);
    requests[g].want_token_rewards = run_.want_token_rewards;
    requests[g].weight_version = NewestVersionOf(requests[g].completions);
    requests[g].deadline = deadline;
    requests[g].idempotency_key = IdempotencyKey(run_, lease, lease.prompts[g]);
  }
  auto answers = worker_.verifier_->VerifyAll(requests);
  for (size_t g = 0; g < groups.size(); ++g) {
    groups[g].verdicts =
        answers[g].ok() ? SanitizeVerdicts(requests[g], *std::move(answers[g]))
                        : VerdictsOfFailure(answers[g].status(), requests[g].completions.size());
    groups[g].completions = std::move(requests[g].completions);
    worker_.NoteUnscored(lease.prompts[g], groups[g].verdicts);
  }
}

void RolloutWorker::LeaseLoop::Count(const std::vector<Group>& groups,
                                     const std::vector<SubmitResult>& results) {
  const auto invalid = std::find_if(results.begin(), results.end(), [](const SubmitResult& result) {
    return result.outcome == SubmitOutcome::kInvalid;
  });
  if (invalid != results.end()) {
    worker_.Warn(absl::StrCat("the learner refused the group of prompt ", invalid->prompt_id, ": ",
                              invalid->error));
  }
  const absl::MutexLock lock(&worker_.mutex_);
  ++worker_.statistics_.leases;
  worker_.statistics_.groups += groups.size();
  for (const Group& group : groups) {
    for (const Completion& completion : group.completions) {
      worker_.statistics_.tokens += completion.tokens.size();
    }
  }
  for (const SubmitResult& result : results) {
    if (result.outcome != SubmitOutcome::kAccepted) ++worker_.statistics_.rejected;
  }
}

absl::Status RolloutWorker::LeaseLoop::Recover(const absl::Status& failure,
                                               absl::Duration failing_since, int failures) {
  // What is sampled is a function of weights and prompt: what fails here would fail anywhere.
  if (absl::IsInvalidArgument(failure) || absl::IsFailedPrecondition(failure) ||
      absl::IsOutOfRange(failure)) {
    return failure;
  }
  if (clock_.Now() - failing_since > worker_.options_.give_up_after) {
    if (!worker_.IsDraining(run_)) return failure;
    // It said that it would go: nothing has failed.
    worker_.Warn("the learner ended and isn't back: there is nothing to do");
    worker_.EndByItself();
    return absl::OkStatus();
  }
  if (absl::IsNotFound(failure)) {
    absl::StatusOr<RunInfo> run = worker_.RegisterAgain(run_);
    if (run.ok()) {
      run_ = *std::move(run);
      return absl::OkStatus();
    }
    if (absl::IsFailedPrecondition(run.status())) return run.status();
  }
  worker_.Warn(absl::StrCat("will try again: ", failure.ToString()));
  worker_.Pause(failures);
  return absl::OkStatus();
}

}  // namespace tpo
