#include "rollout/worker.h"

#include <algorithm>
#include <exception>
#include <memory>
#include <optional>
#include <thread>
#include <utility>

#include "absl/strings/str_cat.h"
#include "core/status_macros.h"
#include "policy/threads.h"
#include "policy/transformer.h"
#include "rollout/sampler.h"

namespace tpo {
namespace {

constexpr absl::Duration kFirstPause = absl::Milliseconds(20);
constexpr absl::Duration kLongestPause = absl::Seconds(2);

std::string IdempotencyKey(const RunInfo& run, const Lease& lease, const Prompt& prompt) {
  return absl::StrCat(run.run_id, "/", lease.id, "/", prompt.id);
}

// Verdicts of a group whose verification failed as a whole.
std::vector<Verdict> VerdictsOfFailure(const absl::Status& failure, size_t completions) {
  const VerdictKind kind = failure.code() == absl::StatusCode::kDeadlineExceeded
                               ? VerdictKind::kTimedOut
                               : VerdictKind::kFailed;
  return std::vector<Verdict>(completions, Verdict::Unscored(kind, failure.ToString()));
}

}  // namespace

// One thread's loop over leases, with a policy of its own.
class RolloutWorker::LeaseLoop {
 public:
  explicit LeaseLoop(RolloutWorker* worker) : worker_(*worker) {}

  absl::Status Run(RunInfo run) {
    run_ = std::move(run);
    TPO_RETURN_IF_ERROR(MakePolicy());
    int failures = 0;
    absl::Time failing_since = absl::InfiniteFuture();
    while (!worker_.stopped_.HasBeenNotified()) {
      const absl::StatusOr<bool> finished = AnswerLease();
      if (finished.ok()) {
        if (*finished) return absl::OkStatus();
        failures = 0;
        failing_since = absl::InfiniteFuture();
        continue;
      }
      if (failures++ == 0) failing_since = absl::Now();
      TPO_RETURN_IF_ERROR(Recover(finished.status(), failing_since, failures));
    }
    return absl::OkStatus();
  }

 private:
  absl::Status MakePolicy() {
    TPO_ASSIGN_OR_RETURN(policy_, MakeTransformer(run_.transformer, {.device = DefaultDevice()}));
    decoder_ = policy_->NewDecoder();
    version_ = -1;
    return absl::OkStatus();
  }

  // Returns whether the run is over. Errors are those of a call to the learner.
  absl::StatusOr<bool> AnswerLease() {
    LearnerApi& learner = *worker_.learner_;
    TPO_ASSIGN_OR_RETURN(LeaseResult result, learner.LeasePrompts(run_.worker_id));
    if (const NoLease* none = std::get_if<NoLease>(&result)) {
      if (none->finished) return true;
      return WaitForChange(std::min(none->retry_after, absl::Seconds(1)));
    }
    const Lease& lease = std::get<Lease>(result);
    TPO_RETURN_IF_ERROR(RefreshWeights(lease));
    TPO_ASSIGN_OR_RETURN(std::vector<Group> groups, SampleGroups(lease));
    Verify(lease, groups);
    TPO_ASSIGN_OR_RETURN(const std::vector<SubmitResult> results,
                         learner.SubmitGroups(run_.worker_id, groups));
    Count(groups, results);
    return false;
  }

  // Nothing to lease: waits for a new version, which is when there may be something.
  absl::StatusOr<bool> WaitForChange(absl::Duration timeout) {
    const auto snapshot = worker_.learner_->WaitForWeights(run_.worker_id, version_, timeout);
    if (snapshot.ok()) {
      TPO_RETURN_IF_ERROR(Load(**snapshot));
    } else if (!absl::IsDeadlineExceeded(snapshot.status())) {
      return snapshot.status();
    }
    return false;
  }

  // Takes the newest weights at hand, and waits for newer ones while those held are too old for the lease.
  absl::Status RefreshWeights(const Lease& lease) {
    const absl::Time deadline = absl::Now() + lease.time_to_live;
    do {
      const absl::Duration patience =
          version_ < lease.min_weight_version ? deadline - absl::Now() : absl::ZeroDuration();
      const auto snapshot = worker_.learner_->WaitForWeights(run_.worker_id, version_, patience);
      if (snapshot.ok()) {
        TPO_RETURN_IF_ERROR(Load(**snapshot));
      } else if (!absl::IsDeadlineExceeded(snapshot.status()) || version_ < lease.min_weight_version) {
        return snapshot.status();
      }
    } while (version_ < lease.min_weight_version);
    return absl::OkStatus();
  }

  absl::Status Load(const WeightSnapshot& snapshot) {
    TPO_RETURN_IF_ERROR(LoadTensors(snapshot.weights, policy_->parameters()));
    version_ = snapshot.version;
    return absl::OkStatus();
  }

  absl::StatusOr<std::vector<Group>> SampleGroups(const Lease& lease) {
    std::vector<std::vector<Completion>> completions;
    try {
      TPO_ASSIGN_OR_RETURN(completions, SampleCompletions(run_.sampling, run_.seed, RandomStream::kCompletion, *policy_,
                                                          version_, lease.prompts, *decoder_));
    } catch (const std::exception& error) {
      return absl::InternalError(absl::StrCat("sampling failed: ", error.what()));
    }
    std::vector<Group> groups(lease.prompts.size());
    for (size_t g = 0; g < groups.size(); ++g) {
      groups[g].lease_id = lease.id;
      groups[g].prompt_id = lease.prompts[g].id;
      groups[g].completions = std::move(completions[g]);
    }
    return groups;
  }

  void Verify(const Lease& lease, std::vector<Group>& groups) {
    std::vector<VerifyRequest> requests(groups.size());
    for (size_t g = 0; g < groups.size(); ++g) {
      requests[g].prompt = lease.prompts[g];
      requests[g].completions = std::move(groups[g].completions);
      requests[g].want_token_rewards = run_.want_token_rewards;
      requests[g].weight_version = version_;
      requests[g].idempotency_key = IdempotencyKey(run_, lease, lease.prompts[g]);
    }
    auto answers = worker_.verifier_->VerifyAll(requests);
    for (size_t g = 0; g < groups.size(); ++g) {
      groups[g].verdicts =
          answers[g].ok() ? SanitizeVerdicts(requests[g], *std::move(answers[g]))
                          : VerdictsOfFailure(answers[g].status(), requests[g].completions.size());
      groups[g].completions = std::move(requests[g].completions);
    }
  }

  void Count(const std::vector<Group>& groups, const std::vector<SubmitResult>& results) {
    for (const SubmitResult& result : results) {
      if (result.outcome == SubmitOutcome::kInvalid) {
        worker_.Warn(absl::StrCat("the learner refused the group of prompt ", result.prompt_id, ": ", result.error));
      }
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

  // After a failed call: registers again where that helps, pauses, or gives up.
  absl::Status Recover(const absl::Status& failure, absl::Time failing_since, int failures) {
    if (absl::IsInvalidArgument(failure) || absl::IsFailedPrecondition(failure)) return failure;
    if (absl::Now() - failing_since > worker_.options_.give_up_after) return failure;
    if (absl::IsNotFound(failure)) {
      absl::StatusOr<RunInfo> run = worker_.RegisterAgain(run_);
      if (run.ok()) {
        run_ = *std::move(run);
        return MakePolicy();
      }
    }
    worker_.Warn(absl::StrCat("will try again: ", failure.ToString()));
    worker_.Pause(failures);
    return absl::OkStatus();
  }

  RolloutWorker& worker_;
  RunInfo run_;
  std::unique_ptr<Policy> policy_;
  std::unique_ptr<TreeDecoder> decoder_;
  WeightVersion version_ = -1;  // of the policy; -1: none yet
};

RolloutWorker::RolloutWorker(Options options, LearnerApi* learner, VerifierFactory verifier_factory)
    : options_(std::move(options)), learner_(learner), verifier_factory_(std::move(verifier_factory)) {}

RolloutWorker::~RolloutWorker() { Stop(); }

absl::Status RolloutWorker::Run() {
  TPO_ASSIGN_OR_RETURN(const RunInfo run, RegisterFirst());
  if (stopped_.HasBeenNotified()) return absl::OkStatus();
  TPO_ASSIGN_OR_RETURN(verifier_, verifier_factory_(run));
  const int loops = options_.parallel_leases > 0
                        ? options_.parallel_leases
                        : std::max(1, static_cast<int>(std::thread::hardware_concurrency()));
  std::vector<absl::Status> results(loops);
  std::vector<std::thread> threads;
  for (int i = 0; i < loops; ++i) {
    threads.emplace_back([this, i, &run, &results] {
      UseOneThreadPerOperator();
      results[i] = LeaseLoop(this).Run(run);
      // One loop that can't go on is a worker that can't go on.
      if (!results[i].ok()) Stop();
    });
  }
  for (std::thread& thread : threads) thread.join();
  for (const absl::Status& result : results) TPO_RETURN_IF_ERROR(result);
  return absl::OkStatus();
}

void RolloutWorker::Stop() {
  const absl::MutexLock lock(&stop_mutex_);
  if (!stopped_.HasBeenNotified()) stopped_.Notify();
}

RolloutWorker::Statistics RolloutWorker::statistics() const {
  const absl::MutexLock lock(&mutex_);
  return statistics_;
}

absl::StatusOr<RunInfo> RolloutWorker::RegisterFirst() {
  const absl::Time start = absl::Now();
  for (int failures = 1; !stopped_.HasBeenNotified(); ++failures) {
    absl::StatusOr<RunInfo> run = learner_->Register(options_.name);
    if (run.ok()) {
      const absl::MutexLock lock(&mutex_);
      run_ = *run;
      return run;
    }
    if (!absl::IsUnavailable(run.status()) && !absl::IsDeadlineExceeded(run.status())) return run.status();
    if (absl::Now() - start > options_.give_up_after) return run.status();
    Warn(absl::StrCat("will try again to register: ", run.status().ToString()));
    Pause(failures);
  }
  return RunInfo{};
}

absl::StatusOr<RunInfo> RolloutWorker::RegisterAgain(const RunInfo& stale) {
  const absl::MutexLock lock(&mutex_);
  if (run_.worker_id != stale.worker_id) return run_;
  TPO_ASSIGN_OR_RETURN(run_, learner_->Register(options_.name));
  return run_;
}

void RolloutWorker::Pause(int failures) const {
  const absl::Duration pause = kFirstPause * (1 << std::min(failures, 10));
  stopped_.WaitForNotificationWithTimeout(std::min(pause, kLongestPause));
}

void RolloutWorker::Warn(const std::string& warning) const {
  if (options_.on_warning) options_.on_warning(warning);
}

}  // namespace tpo
