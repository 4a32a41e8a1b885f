#include "learner/learner.h"

#include <algorithm>
#include <exception>
#include <utility>

#include "absl/strings/str_cat.h"
#include "core/status_macros.h"
#include "learner/batch.h"
#include "learner/step_statistics.h"
#include "policy/parameters.h"
#include "policy/threads.h"
#include "policy/transformer.h"

namespace tpo {
namespace {

// How often a wait for groups looks whether the run is draining.
constexpr absl::Duration kDrainCheckInterval = absl::Milliseconds(100);

LeaseBook::Options LeaseOptions(const LearnerSpec& spec) {
  LeaseBook::Options options;
  options.prompts_per_lease = spec.prompts_per_lease;
  options.prompts_per_step = spec.prompts_per_step;
  options.steps = spec.steps;
  options.max_staleness = spec.max_staleness;
  options.min_scored_completions = spec.min_scored_completions;
  options.lease_time_to_live = spec.lease_time_to_live;
  return options;
}

RunInfo RunInfoFor(const Learner::Options& options, const std::string& run_id,
                   const Objective& objective) {
  RunInfo run;
  run.run_id = run_id;
  run.seed = options.spec.seed;
  run.transformer = options.spec.model;
  run.sampling = options.spec.rollout.sampling;
  run.want_token_rewards =
      objective.token_level() || objective.layout() == ObjectiveLayout::kTokens;
  run.verifiers = options.spec.verifiers;
  run.verification = options.spec.verification;
  return run;
}

double Seconds(absl::Duration duration) { return absl::ToDoubleSeconds(duration); }

}  // namespace

Learner::Learner(Options options, PromptSource* source, const Clock* clock,
                 CheckpointStore* checkpoints, StepObserver* observer)
    : options_(std::move(options)),
      run_id_(options_.run_id),
      clock_(clock),
      checkpoints_(checkpoints),
      observer_(observer),
      lease_book_(LeaseOptions(options_.spec.learner), source, clock) {}

Learner::~Learner() {
  lease_book_.Close();
  weight_store_.Close();
}

absl::StatusOr<std::unique_ptr<Learner>> Learner::Create(Options options, PromptSource* source,
                                                         const Clock* clock,
                                                         CheckpointStore* checkpoints,
                                                         StepObserver* observer) {
  std::unique_ptr<Learner> learner(
      new Learner(std::move(options), source, clock, checkpoints, observer));
  try {
    TPO_RETURN_IF_ERROR(learner->Initialize());
  } catch (const std::exception& error) {
    return absl::InternalError(absl::StrCat("making the policy failed: ", error.what()));
  }
  return learner;
}

absl::Status Learner::Initialize() {
  const RunSpec& spec = options_.spec;
  TPO_ASSIGN_OR_RETURN(objective_, MakeObjective(spec.learner.objective));
  TPO_ASSIGN_OR_RETURN(policy_, MakeTransformer(spec.model, {.device = DefaultDevice()}));
  TPO_ASSIGN_OR_RETURN(optimizer_, MakeOptimizer(spec.learner.optimizer, policy_->parameters()));
  InitializeTransformer(spec.seed, *policy_);
  Trainer::Options trainer;
  trainer.epochs = objective_->single_epoch() ? 1 : spec.learner.epochs;
  trainer.micro_batch_tokens = spec.learner.micro_batch_tokens;
  trainer.threads = spec.learner.threads;
  trainer.temperature = spec.rollout.sampling.temperature;
  trainer_ = std::make_unique<Trainer>(trainer, policy_.get(), objective_.get(), optimizer_.get());
  if (options_.resume) TPO_RETURN_IF_ERROR(Resume());

  endpoint_ = std::make_unique<LearnerEndpoint>(RunInfoFor(options_, run_id_, *objective_),
                                                &lease_book_, &weight_store_, clock_);
  {
    const absl::MutexLock lock(&mutex_);
    status_.run_id = run_id_;
    status_.step = first_step_;
    status_.total_steps = spec.learner.steps;
    status_.weight_version = first_step_;
    status_.version = options_.version;
  }
  {
    const absl::MutexLock lock(&state_mutex_);
    CaptureLeases();
  }
  return Publish(first_step_);
}

absl::Status Learner::Publish(WeightVersion version) {
  TPO_ASSIGN_OR_RETURN(TensorBundle weights, BundleTensors(policy_->parameters()));
  TPO_RETURN_IF_ERROR(weight_store_.Publish(WeightSnapshot::Create(version, std::move(weights))));
  lease_book_.SetWeightVersion(version);
  return absl::OkStatus();
}

void Learner::CaptureLeases() {
  leases_at_step_ = lease_book_.Save();
  leases_at_step_.weight_version = step_;
}

bool Learner::draining() const {
  const absl::MutexLock lock(&mutex_);
  return draining_;
}

absl::StatusOr<std::vector<ReadyGroup>> Learner::NextBatch() {
  while (!draining()) {
    absl::StatusOr<std::vector<ReadyGroup>> batch = lease_book_.WaitForBatch(kDrainCheckInterval);
    if (batch.ok() || !absl::IsDeadlineExceeded(batch.status())) return batch;
  }
  return std::vector<ReadyGroup>();
}

absl::StatusOr<Learner::Outcome> Learner::Run() {
  absl::Status failure;
  for (int64_t step = first_step_; step < options_.spec.learner.steps && failure.ok(); ++step) {
    const absl::Time start = absl::Now();
    absl::StatusOr<std::vector<ReadyGroup>> batch = NextBatch();
    if (!batch.ok()) {
      failure = batch.status();
    } else if (batch->empty()) {
      break;
    } else {
      failure = TrainStep(*batch, start);
    }
  }
  bool drained = false;
  {
    const absl::MutexLock lock(&state_mutex_);
    drained = step_ < options_.spec.learner.steps;
  }
  // Without its last checkpoint a run hasn't done what was asked.
  if (failure.ok()) failure = SaveCheckpointAndReport();
  lease_book_.Close();
  Drain();
  // Ends the workers' streams: the run is over.
  weight_store_.Close();
  TPO_RETURN_IF_ERROR(failure);
  return drained ? Outcome::kDrained : Outcome::kFinished;
}

absl::Status Learner::TrainStep(const std::vector<ReadyGroup>& groups, absl::Time step_start) {
  const absl::Time train_start = absl::Now();
  StepRecord record;
  {
    const absl::MutexLock lock(&state_mutex_);
    state_is_whole_ = false;
    TPO_ASSIGN_OR_RETURN(
        const Batch batch,
        Batch::Create(groups, *objective_, options_.spec.learner.objective.length_exponent));
    const WeightVersion version = step_;
    record.step = step_;
    AddGroupStatistics(groups, version, record);
    TPO_ASSIGN_OR_RETURN(const TrainResult result,
                         trainer_->Train(batch, record.staleness_max == 0));
    ++step_;
    tokens_total_ += CountTokens(groups);
    groups_total_ += groups.size();
    record.tokens_total = tokens_total_;
    record.groups_total = groups_total_;
    record.weight_version = version + 1;
    AddTrainResult(groups, result, record);
    CaptureLeases();
    state_is_whole_ = true;
    TPO_RETURN_IF_ERROR(Publish(version + 1));
  }
  const absl::Time end = absl::Now();
  record.error = 1.0 - record.reward_mean;
  record.has_error = true;
  record.rollout_seconds = Seconds(train_start - step_start);
  record.train_seconds = Seconds(end - train_start);
  record.step_seconds = Seconds(end - step_start);
  record.ledger = lease_book_.ledger();
  {
    const absl::MutexLock lock(&mutex_);
    status_.step = record.step + 1;
    status_.weight_version = record.weight_version;
    status_.reward_mean = record.reward_mean;
    status_.error = record.error;
  }
  observer_->OnStep(record);
  const int64_t every = options_.spec.learner.checkpoint.every_steps;
  if (every > 0 && (record.step + 1) % every == 0) SaveCheckpointAndReport().IgnoreError();
  return absl::OkStatus();
}

void Learner::AddTrainResult(const std::vector<ReadyGroup>& groups, const TrainResult& result,
                             StepRecord& record) const {
  record.loss = result.loss;
  record.loss_last_epoch = result.loss_last_epoch;
  record.grad_norm = result.grad_norm;
  record.zero_variance_fraction = result.diagnostics.zero_variance_fraction;
  record.target_entropy = result.diagnostics.target_entropy;
  record.anchor_entropy = result.diagnostics.anchor_entropy;
  record.target_kl = result.diagnostics.target_kl;
  record.target_distance = result.diagnostics.target_distance;
  record.clip_fraction = result.diagnostics.clip_fraction;
  record.logprob_mismatch = result.logprob_mismatch;
  record.forward_nodes = static_cast<uint64_t>(result.forward_nodes);
  record.forward_tokens = static_cast<uint64_t>(result.forward_tokens);
  const int64_t every = options_.inspect_every_steps;
  const bool last = record.step + 1 == options_.spec.learner.steps;
  if (every > 0 && (record.step % every == 0 || last)) {
    const bool sequences =
        objective_->layout() == ObjectiveLayout::kGroups && !objective_->token_level();
    record.inspected_groups = InspectGroups(
        groups, record.step, options_.inspect_groups, options_.spec.learner.objective,
        sequences ? absl::MakeConstSpan(result.last_log_probs) : absl::Span<const double>());
  }
}

absl::Status Learner::Resume() {
  TPO_ASSIGN_OR_RETURN(std::optional<LoadedCheckpoint> loaded, checkpoints_->LoadNewest());
  if (!loaded.has_value()) return absl::OkStatus();
  resume_warning_ = loaded->warning;
  const CheckpointData& data = loaded->data;
  if (data.config_fingerprint != options_.config_fingerprint) {
    return absl::FailedPreconditionError(
        absl::StrCat("the checkpoint of step ", data.step,
                     " was written with another config; resume with the same task, model, "
                     "objective, optimizer and seed, "
                     "or start a new run in another --run_dir"));
  }
  TPO_RETURN_IF_ERROR(LoadTensors(data.model, policy_->parameters()));
  TPO_RETURN_IF_ERROR(optimizer_->LoadState(data.optimizer));
  TPO_RETURN_IF_ERROR(lease_book_.Restore(data.lease_book));
  run_id_ = data.run_id;
  first_step_ = data.step;
  const absl::MutexLock lock(&state_mutex_);
  step_ = data.step;
  saved_step_ = data.step;
  tokens_total_ = data.tokens_total;
  groups_total_ = data.groups_total;
  return absl::OkStatus();
}

absl::StatusOr<CheckpointInfo> Learner::SaveCheckpoint() {
  if (!state_is_whole_) {
    return absl::FailedPreconditionError(
        "training failed in the middle of a step: there is no state worth keeping");
  }
  CheckpointData data;
  data.step = step_;
  TPO_ASSIGN_OR_RETURN(data.model, BundleTensors(policy_->parameters()));
  try {
    TPO_ASSIGN_OR_RETURN(data.optimizer, optimizer_->SaveState());
  } catch (const std::exception& error) {
    return absl::InternalError(
        absl::StrCat("reading the optimizer's state failed: ", error.what()));
  }
  data.lease_book = leases_at_step_;
  data.run_id = run_id_;
  data.seed = options_.spec.seed;
  data.tokens_total = tokens_total_;
  data.groups_total = groups_total_;
  data.config_fingerprint = options_.config_fingerprint;
  TPO_ASSIGN_OR_RETURN(const std::string path, checkpoints_->Save(data));
  saved_step_ = step_;
  return CheckpointInfo{path, step_};
}

absl::Status Learner::SaveCheckpointAndReport() {
  const absl::Time start = absl::Now();
  absl::StatusOr<CheckpointInfo> info;
  int64_t step = 0;
  {
    const absl::MutexLock lock(&state_mutex_);
    step = step_;
    if (saved_step_ == step_) return absl::OkStatus();
    info = SaveCheckpoint();
  }
  observer_->OnCheckpoint(step, Seconds(absl::Now() - start),
                          info.ok() ? "" : info.status().ToString());
  return info.status();
}

absl::StatusOr<CheckpointInfo> Learner::Checkpoint() {
  const absl::MutexLock lock(&state_mutex_);
  return SaveCheckpoint();
}

void Learner::Drain() {
  lease_book_.Drain();
  const absl::MutexLock lock(&mutex_);
  draining_ = true;
}

RunStatus Learner::GetStatus() {
  RunStatus status;
  {
    const absl::MutexLock lock(&mutex_);
    status = status_;
    status.draining = draining_;
  }
  status.ledger = lease_book_.ledger();
  status.workers = endpoint_->worker_count();
  return status;
}

}  // namespace tpo
