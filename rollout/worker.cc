#include "rollout/worker.h"

#include <algorithm>
#include <memory>
#include <thread>
#include <utility>

#include "absl/strings/str_cat.h"
#include "core/backoff.h"
#include "core/clock.h"
#include "core/status_macros.h"
#include "policy/composed/composed_language_model.h"
#include "policy/threads.h"
#include "rollout/lease_loop.h"

namespace tpo {
namespace {

constexpr absl::Duration kFirstPause = absl::Milliseconds(20);
constexpr absl::Duration kLongestPause = absl::Seconds(2);
// How long a worker that was told to end waits for what the learner says to its last question.
constexpr absl::Duration kAskingTime = absl::Seconds(1);
// Leases in hand unless told otherwise.
constexpr int kLeasesPerCore = 8;
constexpr int kLeasesPerCoreInTurn = 2;  // without sample_ahead
constexpr int kLanguageModelLeases = 8;
// While one lease samples, the groups of the others are judged.
constexpr int kLeasesPerSlot = 4;
constexpr absl::Duration kUnscoredWarningInterval = absl::Seconds(10);

// Longer the more calls failed in a row.
absl::Duration PauseAfter(int failures) {
  return Jittered(std::min(kFirstPause * (1 << std::min(failures, 10)), kLongestPause));
}

}  // namespace

RolloutWorker::RolloutWorker(Options options, LearnerApi* learner, VerifierFactory verifier_factory)
    : options_(std::move(options)),
      learner_(learner),
      verifier_factory_(std::move(verifier_factory)) {}

RolloutWorker::~RolloutWorker() { Stop(); }

absl::Status RolloutWorker::Run() {
  std::thread stopper([this] { CloseWhenStopped(); });
  absl::Status status = RunLoops();
  {
    const absl::MutexLock lock(&mutex_);
    done_ = true;
  }
  stopper.join();
  Leave();
  return status;
}

absl::Status RolloutWorker::RunLoops() {
  const absl::StatusOr<RunInfo> run = RegisterFirst();
  if (stopped()) return absl::OkStatus();
  TPO_RETURN_IF_ERROR(run.status());
  TPO_RETURN_IF_ERROR(MakeVerifier(*run));
  TPO_RETURN_IF_ERROR(MakeSampler(*run));
  const int cores = std::max(1, static_cast<int>(std::thread::hardware_concurrency()));
  const int per_core = options_.sample_ahead ? kLeasesPerCore : kLeasesPerCoreInTurn;
  const int default_loops = sampler_ != nullptr ? kLanguageModelLeases : per_core * cores;
  const int loops = options_.parallel_leases > 0 ? options_.parallel_leases : default_loops;
  // With a language model all may sample: they share batches.
  const bool all_sample = sampler_ != nullptr || !options_.sample_ahead;
  SamplingSlots slots(all_sample ? loops : std::max(1, loops / kLeasesPerSlot));
  {
    const absl::MutexLock lock(&mutex_);
    slots_ = &slots;
    if (stopped_) slots.Close();
  }
  std::vector<absl::Status> results(loops);
  std::vector<std::thread> threads;
  threads.reserve(loops);
  for (int i = 0; i < loops; ++i) {
    threads.emplace_back([this, i, &run, &results, &slots] {
      PrepareComputingThread();
      // With a language model the loops don't compute: its sampler does.
      if (sampler_ == nullptr) ScheduleAsBatch();
      results[i] = LeaseLoop(this, &slots).Run(*run);
      // One loop that can't go on is a worker that can't go on.
      if (!results[i].ok()) EndByItself();
    });
  }
  for (std::thread& thread : threads) thread.join();
  {
    const absl::MutexLock lock(&mutex_);
    slots_ = nullptr;
  }
  for (const absl::Status& result : results) TPO_RETURN_IF_ERROR(result);
  return absl::OkStatus();
}

void RolloutWorker::CloseWhenStopped() {
  const auto ending = [this]() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) { return stopped_ || done_; };
  const auto idle = [this]() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
    return done_ || leases_in_hand_ == 0;
  };
  const auto nothing_to_answer = [this]() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
    return done_ || leases_in_hand_ == leases_asked_for_;
  };
  VerifierApi* verifier = nullptr;
  LanguageModelSampler* sampler = nullptr;
  {
    const absl::MutexLock lock(&mutex_);
    mutex_.Await(absl::Condition(&ending));
    // A learner that isn't there doesn't say whether there is a lease.
    const absl::Duration asking = std::min(kAskingTime, grace_);
    mutex_.AwaitWithTimeout(absl::Condition(&idle), asking);
    mutex_.AwaitWithTimeout(absl::Condition(&nothing_to_answer), grace_ - asking);
    grace_over_ = true;
    if (done_) return;
    verifier = verifier_.get();
    sampler = sampler_.get();
  }
  // What is still in hand is given back, for others to answer it now.
  Leave();
  if (sampler != nullptr) sampler->Close();
  if (verifier != nullptr) verifier->Close();
  learner_->Close();
}

void RolloutWorker::Leave() {
  std::string worker_id;
  {
    const absl::MutexLock lock(&mutex_);
    worker_id = std::exchange(run_.worker_id, "");
  }
  if (!worker_id.empty()) learner_->Deregister(worker_id).IgnoreError();
}

void RolloutWorker::Stop() { StopWithin(options_.stop_grace); }

void RolloutWorker::EndByItself() { StopWithin(std::min(options_.stop_grace, options_.end_grace)); }

void RolloutWorker::StopWithin(absl::Duration grace) {
  const absl::MutexLock lock(&mutex_);
  if (!stopped_) grace_ = grace;
  stopped_ = true;
  if (slots_ != nullptr) slots_->Close();
}

bool RolloutWorker::stopped() const {
  const absl::MutexLock lock(&mutex_);
  return stopped_;
}

bool RolloutWorker::grace_over() const {
  const absl::MutexLock lock(&mutex_);
  return grace_over_;
}

void RolloutWorker::CountLeaseInHand(int change, int asked_for) {
  const absl::MutexLock lock(&mutex_);
  leases_in_hand_ += change;
  leases_asked_for_ += asked_for;
}

void RolloutWorker::CountTime(absl::Duration WorkerTimes::*what, absl::Duration time) {
  const absl::MutexLock lock(&mutex_);
  statistics_.times.*what += time;
}

WorkerStatistics RolloutWorker::statistics() const {
  const absl::MutexLock lock(&mutex_);
  return statistics_;
}

absl::StatusOr<RunInfo> RolloutWorker::RegisterFirst() {
  const absl::Duration start = Clock::Monotonic().Now();
  for (int failures = 1;; ++failures) {
    absl::StatusOr<RunInfo> run = learner_->Register(options_.name);
    if (run.ok()) {
      const absl::MutexLock lock(&mutex_);
      run_ = *run;
      return run;
    }
    const bool may_help =
        absl::IsUnavailable(run.status()) || absl::IsDeadlineExceeded(run.status());
    if (!may_help || stopped() || Clock::Monotonic().Now() - start > options_.give_up_after)
      return run;
    Warn(absl::StrCat("will try again to register: ", run.status().ToString(),
                      " (is the learner's address right, and TLS the same on both sides?)"));
    Pause(failures);
  }
}

absl::Status RolloutWorker::MakeVerifier(const RunInfo& run) {
  const absl::Duration start = Clock::Monotonic().Now();
  for (int failures = 1;; ++failures) {
    absl::StatusOr<std::unique_ptr<VerifierApi>> verifier = verifier_factory_(run);
    if (verifier.ok()) {
      const absl::MutexLock lock(&mutex_);
      verifier_ = *std::move(verifier);
      return absl::OkStatus();
    }
    const bool may_help =
        absl::IsUnavailable(verifier.status()) || absl::IsDeadlineExceeded(verifier.status());
    if (stopped()) return absl::OkStatus();
    if (!may_help || Clock::Monotonic().Now() - start > options_.give_up_after)
      return verifier.status();
    Warn(absl::StrCat("will try again to reach the verifiers: ", verifier.status().ToString()));
    Pause(failures);
  }
}

absl::Status RolloutWorker::MakeSampler(const RunInfo& run) {
  if (run.language_model == nullptr) return absl::OkStatus();
  LanguageModelSampler::Options options;
  options.sampling = run.sampling;
  options.seed = run.seed;
  options.factory = LanguageModelFactoryFor(DefaultDevice(), run.language_model->composed);
  options.on_note = options_.on_note;
  options.newer_weights =
      [this](WeightVersion newer_than) -> std::shared_ptr<const WeightSnapshot> {
    std::string worker_id;
    {
      const absl::MutexLock lock(&mutex_);
      worker_id = run_.worker_id;
    }
    auto newest = learner_->WaitForWeights(worker_id, newer_than, absl::ZeroDuration());
    return newest.ok() ? *std::move(newest) : nullptr;
  };
  TPO_ASSIGN_OR_RETURN(auto sampler,
                       LanguageModelSampler::Create(run.language_model, std::move(options)));
  const absl::MutexLock lock(&mutex_);
  sampler_ = std::move(sampler);
  return absl::OkStatus();
}

absl::StatusOr<RunInfo> RolloutWorker::RegisterAgain(const RunInfo& stale) {
  // One loop registers; the others wait for it, without holding up those who only read the
  // statistics.
  const absl::MutexLock registration(&registration_mutex_);
  {
    const absl::MutexLock lock(&mutex_);
    if (run_.worker_id != stale.worker_id) return run_;
  }
  TPO_ASSIGN_OR_RETURN(RunInfo run, learner_->Register(options_.name));
  if (run.verifiers != stale.verifiers || run.verification != stale.verification ||
      run.own_verifier != stale.own_verifier) {
    return absl::FailedPreconditionError(
        "the run goes on with other verifiers: start this worker anew");
  }
  RunInfo same_policy = run;
  same_policy.language_model = stale.language_model;
  if (!(same_policy == run)) {
    return absl::FailedPreconditionError(
        "the run goes on with another language model: start this worker anew");
  }
  // The sampler of a language model was made for them.
  if (run.language_model != nullptr &&
      (run.seed != stale.seed || !(run.sampling == stale.sampling))) {
    return absl::FailedPreconditionError(
        "the run goes on with another seed or other sampling settings: start this worker anew");
  }
  const absl::MutexLock lock(&mutex_);
  run_ = run;
  return run;
}

void RolloutWorker::Pause(int failures) const {
  const absl::MutexLock lock(&mutex_);
  mutex_.AwaitWithTimeout(absl::Condition(&stopped_), PauseAfter(failures));
}

void RolloutWorker::PauseWithinGrace(int failures) const {
  const absl::MutexLock lock(&mutex_);
  mutex_.AwaitWithTimeout(absl::Condition(&grace_over_), PauseAfter(failures));
}

bool RolloutWorker::IsDraining(const RunInfo& run) const {
  const absl::MutexLock lock(&mutex_);
  return draining_learner_ == run.worker_id;
}

void RolloutWorker::NoteDraining(const RunInfo& run) {
  {
    const absl::MutexLock lock(&mutex_);
    if (stopped_ || draining_learner_ == run.worker_id) return;
    draining_learner_ = run.worker_id;
  }
  Warn(absl::StrCat("the learner is about to end; waiting until it is back, for up to ",
                    absl::FormatDuration(options_.give_up_after)));
}

void RolloutWorker::NoteUnscored(const Prompt& prompt, const std::vector<Verdict>& verdicts) {
  const auto unscored = [](const Verdict& verdict) { return verdict.kind != VerdictKind::kScored; };
  const auto first = std::find_if(verdicts.begin(), verdicts.end(), unscored);
  if (first == verdicts.end()) return;
  uint64_t total = 0;
  {
    const absl::MutexLock lock(&mutex_);
    total = statistics_.unscored +=
        static_cast<uint64_t>(std::count_if(first, verdicts.end(), unscored));
    const absl::Duration now = Clock::Monotonic().Now();
    if (now < next_unscored_warning_) return;
    next_unscored_warning_ = now + kUnscoredWarningInterval;
  }
  Warn(absl::StrCat("no score for a completion of prompt ", prompt.id, " (", prompt.task,
                    "): ", first->reason.empty() ? "the verifier gave no reason" : first->reason,
                    "; ", total, " such completions so far"));
}

void RolloutWorker::Warn(const std::string& warning) const {
  if (options_.on_warning) options_.on_warning(warning);
}

}  // namespace tpo
