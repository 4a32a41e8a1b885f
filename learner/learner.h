// The learner: takes batches of groups from the lease book, trains on them, publishes the weights,
// writes checkpoints, and reports each step. It is also the operators' view of the run (AdminApi).
//
// Threads: Run is called once, from the learner's thread, which does all training. Every other call
// is thread-safe. The learner owns policy, optimizer, lease book and weight store; what is passed
// to Create is borrowed and must outlive it.
#ifndef TPO_LEARNER_LEARNER_H_
#define TPO_LEARNER_LEARNER_H_

#include <cstdint>
#include <memory>
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
#include "learner/learner_endpoint.h"
#include "learner/objectives/objective.h"
#include "learner/optimizers/optimizer.h"
#include "learner/trainer.h"
#include "policy/policy.h"

namespace tpo {

class Learner : public AdminApi {
 public:
  struct Options {
    RunSpec spec;
    std::string run_id;
    std::string config_fingerprint;  // must equal the checkpoint's on resume
    std::string version;             // of the binary, for the status
    // Every how many steps a record carries groups for inspection, and how many groups; 0: never.
    int64_t inspect_every_steps = 0;
    int inspect_groups = 4;
    // Takes up the newest checkpoint when there is one.
    bool resume = false;
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

  // Trains until all steps are done or Drain was called, writes a last checkpoint, and closes the
  // weight store, by which workers learn that the run is over. An error: training failed; the last
  // good checkpoint stands.
  absl::StatusOr<Outcome> Run();

  // After Run: waits until all workers know that the run is over
  // (LearnerEndpoint::WaitUntilDismissed).
  bool WaitUntilDismissed(absl::Duration timeout) const {
    return endpoint_->WaitUntilDismissed(timeout);
  }

  // First step that Run will do: 0, or the checkpoint's.
  int64_t first_step() const { return first_step_; }
  // A warning of loading the checkpoint (a damaged newer one was skipped); empty when there is
  // none.
  const std::string& resume_warning() const { return resume_warning_; }
  // For the logs.
  std::string policy_description() const { return policy_->description(); }

  absl::StatusOr<CheckpointInfo> Checkpoint() override;
  void Drain() override;
  RunStatus GetStatus() override;

 private:
  Learner(Options options, PromptSource* source, const Clock* clock, CheckpointStore* checkpoints,
          StepObserver* observer);

  absl::Status Initialize();
  absl::Status Resume();
  absl::Status Publish(WeightVersion version);
  // Waits for a batch, or until draining: then empty.
  absl::StatusOr<std::vector<ReadyGroup>> NextBatch();
  absl::Status TrainStep(const std::vector<ReadyGroup>& groups, absl::Time step_start);
  void AddTrainResult(const std::vector<ReadyGroup>& groups, const TrainResult& result,
                      StepRecord& record) const;
  // Remembers the lease book as it is now, before anything is leased for the next step.
  void CaptureLeases() ABSL_EXCLUSIVE_LOCKS_REQUIRED(state_mutex_);
  absl::StatusOr<CheckpointInfo> SaveCheckpoint() ABSL_EXCLUSIVE_LOCKS_REQUIRED(state_mutex_);
  // Saves and reports. A failure is reported too; but for the last checkpoint, the run goes on.
  absl::Status SaveCheckpointAndReport();
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
  std::string resume_warning_;

  // Held while a step changes the policy, the optimizer and the counters, and while they are saved.
  // Taken before mutex_.
  absl::Mutex state_mutex_ ABSL_ACQUIRED_BEFORE(mutex_);
  int64_t step_ ABSL_GUARDED_BY(state_mutex_) = 0;  // steps done
  int64_t saved_step_ ABSL_GUARDED_BY(state_mutex_) = -1;
  // False while a step changes the state, and for ever when that failed in the middle.
  bool state_is_whole_ ABSL_GUARDED_BY(state_mutex_) = true;
  // What a checkpoint of step_ holds, whenever it is written: a batch that was taken since, or
  // groups that came in, belong to the step in flight, which a resume does anew.
  LeaseBook::State leases_at_step_ ABSL_GUARDED_BY(state_mutex_);
  uint64_t tokens_total_ ABSL_GUARDED_BY(state_mutex_) = 0;
  uint64_t groups_total_ ABSL_GUARDED_BY(state_mutex_) = 0;

  mutable absl::Mutex mutex_;
  bool draining_ ABSL_GUARDED_BY(mutex_) = false;
  RunStatus status_ ABSL_GUARDED_BY(mutex_);  // of the last finished step
};

}  // namespace tpo

#endif  // TPO_LEARNER_LEARNER_H_
