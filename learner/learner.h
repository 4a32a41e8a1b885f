// The learner: takes batches of groups from the lease book, trains on them, publishes the weights,
// writes checkpoints, and reports each step. It is also the operators' view of the run (AdminApi).
//
// Threads: Run is called once, from the learner's thread, which does all training. Every other call
// is thread-safe. A thread of its own writes checkpoints: training waits only while the optimizer's
// state is copied (the weights are shared with what is published), and for the checkpoint before,
// but not for long. A disk that fails or hangs costs checkpoints, which is reported, and no
// training; only the last checkpoint of a run is waited for. The learner owns policy, optimizer,
// lease book and weight store; what is passed to Create is borrowed and must outlive it.
#ifndef TPO_LEARNER_LEARNER_H_
#define TPO_LEARNER_LEARNER_H_

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/synchronization/mutex.h"
#include "core/admin_api.h"
#include "core/clock.h"
#include "core/lease_book.h"
#include "core/prompt_source.h"
#include "core/run_spec.h"
#include "core/step_record.h"
#include "core/weight_store.h"
#include "learner/checkpoint.h"
#include "learner/checkpoint_writer.h"
#include "learner/learner_endpoint.h"
#include "learner/objectives/objective.h"
#include "learner/optimizers/optimizer.h"
#include "learner/trainer.h"
#include "policy/hugging_face/model_directory.h"
#include "policy/policy.h"

namespace tpo {

class Learner : public AdminApi {
 public:
  struct Options {
    RunSpec spec;
    std::string run_id;
    std::string config_fingerprint;  // must equal the checkpoint's on resume
    std::string version;             // of the binary, for the status
    // What the run reads beside its config (CheckpointData::inputs).
    std::map<std::string, std::string> inputs = {};
    // Of a run with a language model: its directory, which may go once the learner is made, and
    // what workers are told of it.
    const ModelDirectory* model = nullptr;
    std::shared_ptr<const LanguageModelInfo> language_model = nullptr;
    // Every how many steps a record carries groups for inspection, and how many groups; 0: never.
    int64_t inspect_every_steps = 0;
    int inspect_groups = 4;
    // Takes up the newest checkpoint when there is one.
    bool resume = false;
    // How long training waits for the disk when a checkpoint is due while one is being written;
    // then it is left out. Until the disk is done, the next ones are left out without waiting.
    absl::Duration checkpoint_patience = absl::Seconds(10);
    // How long a learner that was told to end waits for the groups that workers have in hand. What
    // comes within it isn't trained on any more, but its worker needn't wait, or be refused.
    absl::Duration drain_patience = absl::Seconds(10);
  };

  // How Run ended, when it ended well.
  enum class Outcome { kFinished, kDrained };

  // Makes the initial policy, or loads the newest checkpoint, and publishes it. `checkpoints` and
  // `observer` are borrowed, as are `source` and `clock`. FAILED_PRECONDITION: the checkpoint is of
  // another config. Further errors are the parts'.
  static absl::StatusOr<std::unique_ptr<Learner>> Create(Options options, PromptSource* source,
                                                         const Clock* clock,
                                                         CheckpointStore* checkpoints,
                                                         StepObserver* observer);
  ~Learner() override;

  // What rollout workers talk to, and where the weights are published; both live as long as the
  // learner.
  LearnerApi& api() { return *endpoint_; }
  WeightStore& weights() { return weight_store_; }

  // Trains until all steps are done or Drain was called, and writes a last checkpoint. When all
  // steps are done it closes the weight store, by which workers learn that the run is over;
  // otherwise they are told that the learner may come back, and get drain_patience to hand in the
  // groups that they have in hand. An error: training failed; the last good checkpoint stands.
  absl::StatusOr<Outcome> Run();

  // After Run: waits until all workers know that the run is over, or that the learner ends
  // (LearnerEndpoint::WaitUntilDismissed).
  bool WaitUntilDismissed(absl::Duration timeout) { return endpoint_->WaitUntilDismissed(timeout); }

  // First step that Run will do: 0, or the checkpoint's.
  int64_t first_step() const { return first_step_; }
  // Sampled tokens that the steps before it trained on.
  uint64_t first_tokens_total() const { return first_tokens_total_; }
  // A warning of loading the checkpoint (a damaged newer one was skipped); empty when there is
  // none. How many were skipped.
  const std::string& resume_warning() const { return resume_warning_; }
  int damaged_checkpoints() const { return damaged_checkpoints_; }
  // How a worker's weight stream begins and ends, for the server of api().
  void OnWorkerConnection(const std::string& worker_id, LearnerEndpoint::Connection connection) {
    endpoint_->OnConnection(worker_id, connection);
  }
  // For the logs.
  std::string policy_description() const { return policy_->description(); }

  absl::StatusOr<CheckpointInfo> Checkpoint() override;
  void Drain() override;
  RunStatus GetStatus() override;

 private:
  Learner(Options options, PromptSource* source, const Clock* clock, CheckpointStore* checkpoints,
          StepObserver* observer);

  absl::Status Initialize();
  absl::Status MakePolicy();
  // Enters a step that was left out in part into its record and the log; INTERNAL when it is one
  // too many in a row.
  absl::Status NoteSkipped(const std::vector<ReadyGroup>& groups, const TrainResult& result,
                           StepRecord& record) ABSL_EXCLUSIVE_LOCKS_REQUIRED(state_mutex_);
  absl::Status Resume();
  absl::Status Publish(WeightVersion version);
  // Waits for a batch, or until draining: then empty.
  absl::StatusOr<std::vector<ReadyGroup>> NextBatch();
  absl::Status TrainStep(const std::vector<ReadyGroup>& groups, absl::Duration step_start);
  void AddTrainResult(const std::vector<ReadyGroup>& groups, const TrainResult& result,
                      StepRecord& record) const;
  // How much learner and workers waited since the last step.
  void AddIdleRatios(StepRecord& record);
  // Remembers the lease book as it is now, before anything is leased for the next step.
  void CaptureLeases() ABSL_EXCLUSIVE_LOCKS_REQUIRED(state_mutex_);
  // INTERNAL with the numbers when the lease book and the steps disagree.
  absl::Status CheckCounts() const ABSL_EXCLUSIVE_LOCKS_REQUIRED(state_mutex_);
  // The durable checkpoint of step_, where there is one.
  std::optional<CheckpointInfo> SavedCheckpoint() const ABSL_EXCLUSIVE_LOCKS_REQUIRED(state_mutex_);
  // What is written of the tensors: a copy, so that training may go on, or, when it has ended and
  // memory needn't grow once more, the tensors themselves.
  enum class Tensors { kCopied, kInPlace };
  // The run's state, but for what Copy adds.
  absl::StatusOr<CheckpointData> State(Tensors tensors) ABSL_EXCLUSIVE_LOCKS_REQUIRED(state_mutex_);
  absl::Status AddTensors(Tensors tensors, CheckpointData& data)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(state_mutex_);
  // The copy of what the next update changes, for the writer's thread; empty when none is wanted.
  CheckpointWriter::Copy Copy(Tensors tensors) const;
  absl::Status CopyTensors(CheckpointData& data) const;
  // Before an update: waits until a checkpoint that was begun has its copy.
  void WaitForCopy();
  // Writes a checkpoint of the state, in its turn, and waits for it.
  absl::StatusOr<CheckpointInfo> WriteCheckpoint(Tensors tensors);
  // Begins to write a checkpoint of step_ in the background when the writer gets idle in time, and
  // unless the step is saved. A failure is reported; the run goes on.
  void BeginScheduledCheckpoint();
  // Writes the checkpoint of the end, unless the step is saved, and waits for it.
  absl::Status SaveLastCheckpoint();
  // Reports the checkpoints that have ended by now.
  void ReportCheckpoints();
  bool draining() const;

  const Options options_;
  std::string run_id_;  // the checkpoint's on resume; constant after Create
  const Clock* const clock_;
  CheckpointStore* const checkpoints_;
  StepObserver* const observer_;
  WeightStore weight_store_;
  LeaseBook lease_book_;
  std::unique_ptr<LearnerEndpoint> endpoint_;
  std::unique_ptr<Policy> policy_;
  std::unique_ptr<Objective> objective_;
  std::unique_ptr<Optimizer> optimizer_;
  std::unique_ptr<Trainer> trainer_;
  int64_t first_step_ = 0;
  uint64_t first_tokens_total_ = 0;
  std::optional<CheckpointInfo> resumed_from_;
  std::string resume_warning_;
  int damaged_checkpoints_ = 0;

  // Held while a step changes the policy, the optimizer and the counters, and while they are saved.
  // Taken before mutex_.
  absl::Mutex state_mutex_ ABSL_ACQUIRED_BEFORE(mutex_);
  int64_t step_ ABSL_GUARDED_BY(state_mutex_) = 0;  // steps done
  // False while a step changes the state, and for ever when that failed in the middle.
  bool state_is_whole_ ABSL_GUARDED_BY(state_mutex_) = true;
  // What a checkpoint of step_ holds, whenever it is written: a batch that was taken since, or
  // groups that came in, belong to the step in flight, which a resume does anew.
  LeaseBook::State leases_at_step_ ABSL_GUARDED_BY(state_mutex_);
  uint64_t tokens_total_ ABSL_GUARDED_BY(state_mutex_) = 0;
  uint64_t groups_total_ ABSL_GUARDED_BY(state_mutex_) = 0;
  int skipped_in_a_row_ ABSL_GUARDED_BY(state_mutex_) = 0;  // steps
  // The workers' times at the end of the last step; the learner's thread's.
  WorkerTimes worker_times_;

  mutable absl::Mutex mutex_;
  bool draining_ ABSL_GUARDED_BY(mutex_) = false;
  RunStatus status_ ABSL_GUARDED_BY(mutex_);  // of the last finished step

  // The learner's thread's: its time for checkpoints since the last step, and how long it waits for
  // the disk the next time.
  absl::Duration checkpoint_stall_;
  absl::Duration checkpoint_patience_;
  // Last: its thread uses the members above.
  CheckpointWriter checkpoint_writer_;
};

}  // namespace tpo

#endif  // TPO_LEARNER_LEARNER_H_
