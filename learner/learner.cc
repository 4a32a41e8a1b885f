#include "learner/learner.h"

#include <algorithm>
#include <exception>
#include <random>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/synchronization/notification.h"
#include "core/run_info.h"
#include "core/status_macros.h"
#include "learner/batch.h"
#include "learner/learning_rate.h"
#include "learner/state_views.h"
#include "learner/step_statistics.h"
#include "policy/language_model/language_model_loader.h"
#include "policy/language_model_policy.h"
#include "policy/parameters.h"
#include "policy/threads.h"
#include "policy/transformer.h"

namespace tpo {
namespace {

// How often a wait for groups looks whether the run is draining.
constexpr absl::Duration kDrainCheckInterval = absl::Milliseconds(100);

// Of lease ids, below the wall clock's milliseconds: more than the leases that are given in one.
constexpr int kLeaseIdBitsWithinMillisecond = 20;
constexpr int kLeaseIdSaltBits = 40;

// Wall-clock time since 1970, from no bad clock less than nothing or more than 42 bits, which last
// until 2109.
uint64_t Milliseconds() {
  constexpr int64_t kMost = (int64_t{1} << 42) - 1;
  return static_cast<uint64_t>(std::clamp<int64_t>(absl::ToUnixMillis(absl::Now()), 0, kMost));
}

uint64_t RandomBits(int bits) {
  std::random_device random;
  return ((uint64_t{random()} << 32) | random()) >> (64 - bits);
}

LeaseBook::Options LeaseOptions(const LearnerSpec& spec) {
  LeaseBook::Options options;
  options.prompts_per_lease = spec.prompts_per_lease;
  options.prompts_per_step = spec.prompts_per_step;
  options.steps = spec.steps;
  options.max_staleness = spec.max_staleness;
  options.exact_staleness = spec.exact_staleness;
  options.min_scored_completions = spec.min_scored_completions;
  options.lease_time_to_live = spec.lease_time_to_live;
  // Grows from life to life of a run, whatever they leave behind, and faster than leases are given,
  // unless the clock is set back. For then there is chance.
  options.first_lease_id =
      (Milliseconds() << kLeaseIdBitsWithinMillisecond) + RandomBits(kLeaseIdBitsWithinMillisecond);
  options.lease_id_salt = RandomBits(kLeaseIdSaltBits);
  return options;
}

RunInfo RunInfoFor(const Learner::Options& options, const std::string& run_id,
                   const Objective& objective) {
  RunInfo run = RunInfoOf(options.spec);
  run.run_id = run_id;
  run.language_model = options.language_model;
  run.want_token_rewards =
      objective.token_level() || objective.layout() == ObjectiveLayout::kTokens;
  return run;
}

// "prompts 3, 17": those of the sequences (Batch), or of all groups when there are none.
std::string PromptsOf(const std::vector<ReadyGroup>& groups, const std::vector<int>& sequences) {
  constexpr size_t kMostNamed = 16;
  std::vector<uint64_t> prompts;
  int sequence = 0;
  for (const ReadyGroup& ready : groups) {
    bool named = sequences.empty();
    for (const Verdict& verdict : ready.group.verdicts) {
      if (verdict.kind != VerdictKind::kScored) continue;
      named = named || std::binary_search(sequences.begin(), sequences.end(), sequence);
      ++sequence;
    }
    if (named) prompts.push_back(ready.prompt.id);
  }
  const size_t shown = std::min(prompts.size(), kMostNamed);
  return absl::StrCat(prompts.size() == 1 ? "prompt " : "prompts ",
                      absl::StrJoin(prompts.begin(), prompts.begin() + shown, ", "),
                      shown < prompts.size() ? ", …" : "");
}

absl::Status CheckInputs(const CheckpointData& data,
                         const std::map<std::string, std::string>& inputs) {
  if (data.inputs == inputs) return absl::OkStatus();
  for (const auto& [what, checksum] : inputs) {
    const auto found = data.inputs.find(what);
    if (found != data.inputs.end() && found->second == checksum) continue;
    return absl::FailedPreconditionError(absl::StrCat(
        what, ": not the one that the checkpoint of step ", data.step, " was trained with (",
        found == data.inputs.end() ? "none" : found->second, " then, ", checksum,
        " now): resume with the same, or start a new run in another --run_dir"));
  }
  return absl::FailedPreconditionError(absl::StrCat("the checkpoint of step ", data.step,
                                                    " was trained with more inputs than this run"));
}

double Seconds(absl::Duration duration) { return absl::ToDoubleSeconds(duration); }

LanguageModelPolicyOptions LanguageModelOptions(const RunSpec& spec) {
  LanguageModelPolicyOptions options;
  options.bfloat16 = spec.hugging_face->bfloat16;
  options.threads = spec.learner.threads;
  if (spec.hugging_face->lora.has_value())
    options.lora = ToLoraSpec(*spec.hugging_face->lora, spec.seed);
  options.device = DefaultDevice();
  options.composed = spec.hugging_face->composed;
  return options;
}

}  // namespace

Learner::Learner(Options options, PromptSource* source, const Clock* clock,
                 CheckpointStore* checkpoints, StepObserver* observer)
    : options_(std::move(options)),
      run_id_(options_.run_id),
      clock_(clock),
      checkpoints_(checkpoints),
      observer_(observer),
      lease_book_(LeaseOptions(options_.spec.learner), source, clock),
      checkpoint_patience_(options_.checkpoint_patience),
      checkpoint_writer_(checkpoints) {}

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
  TPO_RETURN_IF_ERROR(MakePolicy());
  TPO_ASSIGN_OR_RETURN(optimizer_, MakeOptimizer(spec.learner.optimizer, policy_->parameters()));
  Trainer::Options trainer;
  trainer.gradient_clip_norm = spec.learner.gradient_clip_norm;
  if (spec.hugging_face.has_value() && spec.learner.reference_kl > 0.0) {
    trainer.reference_kl = spec.learner.reference_kl;
    trainer.reference = MakeReference(*options_.model, LanguageModelOptions(spec));
  }
  trainer.epochs = objective_->single_epoch() ? 1 : spec.learner.epochs;
  trainer.micro_batch_tokens = spec.learner.micro_batch_tokens;
  trainer.threads = spec.learner.threads;
  trainer.temperature = spec.rollout.sampling.temperature;
  trainer.importance = spec.learner.objective.importance;
  trainer.before_update = [this] { WaitForCopy(); };
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

absl::Status Learner::MakePolicy() {
  const RunSpec& spec = options_.spec;
  if (!spec.hugging_face.has_value()) {
    TPO_ASSIGN_OR_RETURN(policy_, MakeTransformer(spec.model, {.device = DefaultDevice()}));
    InitializeTransformer(spec.seed, *policy_);
    return absl::OkStatus();
  }
  if (options_.model == nullptr || options_.language_model == nullptr)
    return absl::InvalidArgumentError("model.hf: the model's directory wasn't opened");
  TPO_ASSIGN_OR_RETURN(policy_,
                       MakeLanguageModelPolicy(*options_.model, LanguageModelOptions(spec)));
  return absl::OkStatus();
}

absl::Status Learner::NoteSkipped(const std::vector<ReadyGroup>& groups, const TrainResult& result,
                                  StepRecord& record) {
  if (result.skipped.empty()) {
    skipped_in_a_row_ = 0;
    return absl::OkStatus();
  }
  const std::string prompts = PromptsOf(groups, result.not_finite);
  record.skipped = absl::StrCat(result.skipped, "; ", prompts);
  if (++skipped_in_a_row_ <= options_.spec.learner.max_skipped_steps) return absl::OkStatus();
  return absl::InternalError(absl::StrCat("an update had to be left out in ", skipped_in_a_row_,
                                          " steps in a row (learner."
                                          "max_skipped_steps: ",
                                          options_.spec.learner.max_skipped_steps, "), in step ",
                                          record.step, " because of ", record.skipped,
                                          ". The learning rate may be too high or "
                                          "learner.gradient_clip_norm too large; checkpoints "
                                          "from before the first of these steps are sound"));
}

absl::Status Learner::Publish(WeightVersion version) {
  TPO_ASSIGN_OR_RETURN(TensorBundle weights, policy_->Snapshot());
  std::shared_ptr<const WeightSnapshot> snapshot =
      WeightSnapshot::Create(version, std::move(weights));
  // First the leases, then the weights: workers ask for a lease as soon as they have the weights,
  // and one that is told that there is none waits before it asks again.
  lease_book_.SetWeightVersion(version);
  return weight_store_.Publish(std::move(snapshot));
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
    ReportCheckpoints();
    observer_->OnLedger(lease_book_.ledger());
    absl::StatusOr<std::vector<ReadyGroup>> batch = lease_book_.WaitForBatch(kDrainCheckInterval);
    if (batch.ok() || !absl::IsDeadlineExceeded(batch.status())) return batch;
  }
  return std::vector<ReadyGroup>();
}

absl::StatusOr<Learner::Outcome> Learner::Run() {
  absl::Status failure;
  for (int64_t step = first_step_; step < options_.spec.learner.steps && failure.ok(); ++step) {
    const absl::Duration start = Clock::Monotonic().Now();
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
  if (failure.ok()) failure = SaveLastCheckpoint();
  checkpoint_writer_.WaitUntilIdle(absl::InfiniteDuration());
  ReportCheckpoints();
  if (drained && failure.ok()) endpoint_->WaitUntilDismissed(options_.drain_patience);
  // Unless the run is over, and nothing can undo it, its workers are needed again.
  const bool finished = failure.ok() && !drained;
  if (finished) lease_book_.Finish();
  lease_book_.Close();
  Drain();
  // Ends the workers' streams for good.
  if (finished) weight_store_.Close();
  TPO_RETURN_IF_ERROR(failure);
  return drained ? Outcome::kDrained : Outcome::kFinished;
}

absl::Status Learner::TrainStep(const std::vector<ReadyGroup>& groups, absl::Duration step_start) {
  const absl::Duration train_start = Clock::Monotonic().Now();
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
    record.learning_rate_factor = LearningRateFactor(options_.spec.learner.schedule, record.step,
                                                     options_.spec.learner.steps);
    optimizer_->SetLearningRateFactor(record.learning_rate_factor);
    TPO_ASSIGN_OR_RETURN(const TrainResult result,
                         trainer_->Train(batch, record.staleness_max == 0));
    TPO_RETURN_IF_ERROR(NoteSkipped(groups, result, record));
    ++step_;
    tokens_total_ += CountTokens(groups);
    groups_total_ += groups.size();
    record.tokens_total = tokens_total_;
    record.groups_total = groups_total_;
    record.weight_version = version + 1;
    AddTrainResult(groups, result, record);
    CaptureLeases();
    TPO_RETURN_IF_ERROR(CheckCounts());
    state_is_whole_ = true;
    const absl::Duration publish_start = Clock::Monotonic().Now();
    TPO_RETURN_IF_ERROR(Publish(version + 1));
    record.publish_seconds = Seconds(Clock::Monotonic().Now() - publish_start);
  }
  const absl::Duration end = Clock::Monotonic().Now();
  record.has_error = !options_.spec.dataset.has_value();
  if (record.has_error) record.error = 1.0 - record.reward_mean;
  record.rollout_seconds = Seconds(train_start - step_start);
  record.train_seconds = Seconds(end - train_start);
  record.step_seconds = Seconds(end - step_start);
  record.checkpoint_stall_seconds = Seconds(std::exchange(checkpoint_stall_, absl::ZeroDuration()));
  AddIdleRatios(record);
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
  if (every > 0 && (record.step + 1) % every == 0) BeginScheduledCheckpoint();
  observer_->AfterStep(record);
  ReportCheckpoints();
  return absl::OkStatus();
}

void Learner::AddIdleRatios(StepRecord& record) {
  const WorkerTimes now = endpoint_->worker_times();
  const WorkerTimes last = std::exchange(worker_times_, now);
  const double waiting = Seconds(now.waiting_for_lease - last.waiting_for_lease) +
                         Seconds(now.waiting_for_weights - last.waiting_for_weights);
  const double verdicts = Seconds(now.waiting_for_verdicts - last.waiting_for_verdicts);
  const double all = waiting + verdicts + Seconds(now.sampling - last.sampling) +
                     Seconds(now.submitting - last.submitting);
  record.rollout_idle_ratio = all > 0.0 ? waiting / all : 0.0;
  record.rollout_verdict_wait_ratio = all > 0.0 ? verdicts / all : 0.0;
  record.learner_idle_ratio =
      record.step_seconds > 0.0 ? record.rollout_seconds / record.step_seconds : 0.0;
}

void Learner::AddTrainResult(const std::vector<ReadyGroup>& groups, const TrainResult& result,
                             StepRecord& record) const {
  record.loss = result.loss;
  record.loss_last_epoch = result.loss_last_epoch;
  record.grad_norm = result.grad_norm;
  record.reference_kl = result.reference_kl;
  record.has_reference_kl = options_.spec.learner.reference_kl > 0.0;
  record.zero_variance_fraction = result.diagnostics.zero_variance_fraction;
  if (objective_->layout() == ObjectiveLayout::kGroups) {
    record.anchor_entropy = result.diagnostics.anchor_entropy;
  }
  if (objective_->has_target()) {
    record.target_entropy = result.diagnostics.target_entropy;
    record.target_kl = result.diagnostics.target_kl;
    record.target_distance = result.diagnostics.target_distance;
    record.policy_entropy = result.diagnostics.policy_entropy;
    record.target_policy_kl = result.diagnostics.target_policy_kl;
  }
  record.clip_fraction = result.diagnostics.clip_fraction;
  record.effective_sample_size = result.diagnostics.effective_sample_fraction;
  record.has_effective_sample_size = record.effective_sample_size > 0.0;
  record.gated_fraction = result.diagnostics.gated_fraction;
  record.importance_clip_fraction = result.importance_clip_fraction;
  record.logprob_mismatch = result.logprob_mismatch;
  record.token_entropy = result.token_entropy;
  record.forward_nodes = static_cast<uint64_t>(result.forward_nodes);
  record.forward_tokens = static_cast<uint64_t>(result.forward_tokens);
  const int64_t every = options_.inspect_every_steps;
  const bool last = record.step + 1 == options_.spec.learner.steps;
  if (every > 0 && (record.step % every == 0 || last)) {
    const bool sequences =
        objective_->layout() == ObjectiveLayout::kGroups && !objective_->token_level();
    record.inspected_groups = InspectGroups(groups, record.step, options_.inspect_groups,
                                            sequences ? &options_.spec.learner.objective : nullptr,
                                            result.last_log_probs, result.proximal_log_probs);
  }
}

absl::Status Learner::Resume() {
  TPO_ASSIGN_OR_RETURN(std::optional<LoadedCheckpoint> loaded, checkpoints_->LoadNewest());
  if (!loaded.has_value()) return absl::OkStatus();
  resume_warning_ = loaded->warning;
  damaged_checkpoints_ = loaded->passed_over;
  const CheckpointData& data = loaded->data;
  if (data.config_fingerprint != options_.config_fingerprint) {
    return absl::FailedPreconditionError(
        absl::StrCat("the checkpoint of step ", data.step,
                     " was written with another config; resume with the same task, model, "
                     "objective, optimizer and seed, "
                     "or start a new run in another --run_dir"));
  }
  TPO_RETURN_IF_ERROR(CheckInputs(data, options_.inputs));
  TPO_RETURN_IF_ERROR(LoadTensors(*data.model, policy_->parameters()));
  policy_->OnParametersChanged();
  TPO_RETURN_IF_ERROR(optimizer_->LoadState(data.optimizer));
  TPO_RETURN_IF_ERROR(lease_book_.Restore(data.lease_book));
  run_id_ = data.run_id;
  first_step_ = data.step;
  first_tokens_total_ = data.tokens_total;
  resumed_from_ = CheckpointInfo{loaded->path, data.step};
  const absl::MutexLock lock(&state_mutex_);
  step_ = data.step;
  tokens_total_ = data.tokens_total;
  groups_total_ = data.groups_total;
  skipped_in_a_row_ = data.skipped_in_a_row;
  leases_at_step_ = data.lease_book;
  return CheckCounts();
}

absl::Status Learner::CheckCounts() const {
  TPO_RETURN_IF_ERROR(lease_book_.CheckInvariants());
  const uint64_t trained = leases_at_step_.ledger.trained;
  const uint64_t wanted =
      static_cast<uint64_t>(step_) * static_cast<uint64_t>(options_.spec.learner.prompts_per_step);
  if (trained == groups_total_ && trained == wanted) return absl::OkStatus();
  return absl::InternalError(absl::StrCat("ledger.trained: ", trained, " groups after step ", step_,
                                          ", which trained ", groups_total_, " groups; ", wanted,
                                          " were to be trained"));
}

absl::StatusOr<CheckpointData> Learner::State(Tensors tensors) {
  if (!state_is_whole_) {
    return absl::FailedPreconditionError(
        "training failed in the middle of a step: there is no state worth keeping");
  }
  CheckpointData data;
  data.step = step_;
  data.inputs = options_.inputs;
  TPO_RETURN_IF_ERROR(AddTensors(tensors, data));
  data.lease_book = leases_at_step_;
  data.run_id = run_id_;
  data.seed = options_.spec.seed;
  data.tokens_total = tokens_total_;
  data.groups_total = groups_total_;
  data.skipped_in_a_row = skipped_in_a_row_;
  data.config_fingerprint = options_.config_fingerprint;
  return data;
}

absl::Status Learner::AddTensors(Tensors tensors, CheckpointData& data) {
  if (tensors == Tensors::kInPlace) {
    TPO_ASSIGN_OR_RETURN(data.in_place, ViewState(policy_->parameters(), optimizer_->State()));
    return absl::OkStatus();
  }
  // What is published of a language model is rounded.
  if (options_.spec.hugging_face.has_value()) return absl::OkStatus();
  // Of others it is never changed: no copy is needed.
  const std::shared_ptr<const WeightSnapshot> published = weight_store_.Newest();
  if (published == nullptr || published->version != step_) {
    return absl::InternalError("the weights of the last step aren't published");
  }
  data.model = {published, &published->weights};
  return absl::OkStatus();
}

absl::Status Learner::CopyTensors(CheckpointData& data) const {
  try {
    if (data.model == nullptr) {
      TPO_ASSIGN_OR_RETURN(TensorBundle parameters, BundleTensors(policy_->parameters()));
      data.model = std::make_shared<const TensorBundle>(std::move(parameters));
    }
    TPO_ASSIGN_OR_RETURN(data.optimizer, optimizer_->SaveState());
  } catch (const std::exception& error) {
    return absl::InternalError(
        absl::StrCat("reading the optimizer's state failed: ", error.what()));
  }
  return absl::OkStatus();
}

void Learner::WaitForCopy() {
  const absl::Duration begin = Clock::Monotonic().Now();
  checkpoint_writer_.WaitUntilCopied();
  checkpoint_stall_ += Clock::Monotonic().Now() - begin;
}

CheckpointWriter::Copy Learner::Copy(Tensors tensors) const {
  if (tensors == Tensors::kInPlace) return nullptr;
  return [this](CheckpointData& data) { return CopyTensors(data); };
}

std::optional<CheckpointInfo> Learner::SavedCheckpoint() const {
  for (const auto& saved : {checkpoint_writer_.saved(), resumed_from_}) {
    if (saved.has_value() && saved->step == step_) return saved;
  }
  return std::nullopt;
}

void Learner::BeginScheduledCheckpoint() {
  const absl::Duration begin = Clock::Monotonic().Now();
  absl::Status status;
  int64_t step = 0;
  {
    const absl::MutexLock lock(&state_mutex_);
    step = step_;
    // An operator's checkpoint can't begin meanwhile: it takes the same lock.
    if (!checkpoint_writer_.WaitUntilIdle(checkpoint_patience_)) {
      checkpoint_patience_ = absl::ZeroDuration();
      status = absl::UnavailableError(absl::StrCat("left out: the checkpoint of step ",
                                                   checkpoint_writer_.writing().value_or(-1),
                                                   " is still being written"));
    } else if (!SavedCheckpoint().has_value()) {
      checkpoint_patience_ = options_.checkpoint_patience;
      // After the last step nothing trains any more: only observers work beside the disk.
      const bool last = step_ == options_.spec.learner.steps;
      const Tensors tensors = last ? Tensors::kInPlace : Tensors::kCopied;
      absl::StatusOr<CheckpointData> data = State(tensors);
      status = data.status();
      if (data.ok()) checkpoint_writer_.Begin(*std::move(data), Copy(tensors));
    }
  }
  const absl::Duration stall = Clock::Monotonic().Now() - begin;
  checkpoint_stall_ += stall;
  if (!status.ok()) observer_->OnCheckpoint(step, Seconds(stall), status.ToString());
}

absl::Status Learner::SaveLastCheckpoint() {
  checkpoint_writer_.WaitUntilIdle(absl::InfiniteDuration());
  {
    const absl::MutexLock lock(&state_mutex_);
    if (SavedCheckpoint().has_value()) return absl::OkStatus();
  }
  return WriteCheckpoint(Tensors::kInPlace).status();
}

void Learner::ReportCheckpoints() {
  for (const CheckpointWriter::Result& result : checkpoint_writer_.TakeResults()) {
    observer_->OnCheckpoint(result.step, Seconds(result.time),
                            result.info.ok() ? "" : result.info.status().ToString());
  }
}

absl::StatusOr<CheckpointInfo> Learner::Checkpoint() { return WriteCheckpoint(Tensors::kCopied); }

absl::StatusOr<CheckpointInfo> Learner::WriteCheckpoint(Tensors tensors) {
  absl::Notification ended;
  absl::StatusOr<CheckpointInfo> info;
  const auto take = [&](const CheckpointWriter::Result& result) {
    info = result.info;
    ended.Notify();
  };
  while (true) {
    // Not with the lock: training goes on while the disk is busy.
    checkpoint_writer_.WaitUntilIdle(absl::InfiniteDuration());
    const absl::MutexLock lock(&state_mutex_);
    if (!checkpoint_writer_.idle()) continue;
    if (const auto saved = SavedCheckpoint(); saved.has_value()) return *saved;
    TPO_ASSIGN_OR_RETURN(CheckpointData data, State(tensors));
    checkpoint_writer_.Begin(std::move(data), Copy(tensors), take);
    break;
  }
  ended.WaitForNotification();
  return info;
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
  status.workers_seen = endpoint_->workers_seen();
  const LeaseBook::Occupancy occupancy = lease_book_.occupancy();
  status.groups_leased = occupancy.leased;
  status.groups_ready = occupancy.ready;
  status.groups_leasable = occupancy.leasable;
  status.oldest_lease_age = occupancy.oldest_lease_age;
  return status;
}

}  // namespace tpo
