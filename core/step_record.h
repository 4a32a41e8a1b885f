// What one training step did, as the learner reports it to whoever writes it down (run directory,
// Prometheus, progress line). Plain values, filled by the learner's thread.
#ifndef TPO_CORE_STEP_RECORD_H_
#define TPO_CORE_STEP_RECORD_H_

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "core/types.h"

namespace tpo {

// One completion of an inspected group: everything that training did with it. Figures within the
// group are there only where the objective has them: none where it doesn't look at groups of
// sequences, no target but TPO's.
struct InspectedCompletion {
  std::vector<TokenId> tokens;
  std::string text;
  Verdict verdict;
  std::optional<double> standardized_score;  // u
  std::optional<double> anchor_probability;  // p_old within the group
  std::optional<double> target_probability;  // q
  std::optional<double> policy_probability;  // p within the group, before the last epoch's update
};

struct InspectedGroup {
  int64_t step = 0;
  Prompt prompt;
  std::vector<InspectedCompletion> completions;  // [K]
};

// Field names and units are those of metrics.jsonl (docs/metrics.md).
struct StepRecord {
  int64_t step = 0;                  // counted from 0
  WeightVersion weight_version = 0;  // published by this step
  double loss = 0.0;                 // of the first epoch
  double loss_last_epoch = 0.0;
  double reward_mean = 0.0;
  double reward_std = 0.0;  // population, over the batch's scored completions
  double error = 0.0;       // task error: 1 - reward_mean on the sequence tasks
  bool has_error = false;
  double grad_norm = 0.0;             // of the first epoch, before it is clipped
  double learning_rate_factor = 1.0;  // of the schedule
  // Mean over completions of the mean over their tokens of the estimate of KL(policy || model
  // before training), first epoch; where there is such a penalty.
  double reference_kl = 0.0;
  bool has_reference_kl = false;
  // Why an update of this step was left out, and those after it: loss or gradient weren't finite.
  // Empty: none was.
  std::string skipped;
  uint64_t tokens_total = 0;  // sampled completion tokens since the start of the run
  uint64_t groups_total = 0;  // groups trained on since the start of the run
  // Wall time. step = waiting for the batch (rollout) + training.
  double step_seconds = 0.0;
  double rollout_seconds = 0.0;
  double train_seconds = 0.0;
  double publish_seconds = 0.0;  // part of train_seconds: from the last update to published weights
  // Since the last step, in which the learner's thread stood still for a checkpoint; the wait for
  // its copy is part of train_seconds.
  double checkpoint_stall_seconds = 0.0;
  // Parts of their time in which they waited, since the last step: the learner for groups; the
  // workers' lease loops for a lease or weights, and for verdicts (0 where they don't tell).
  double learner_idle_ratio = 0.0;
  double rollout_idle_ratio = 0.0;
  double rollout_verdict_wait_ratio = 0.0;
  double staleness_mean = 0.0;
  int64_t staleness_max = 0;
  // Of TPO with an anchor: effective sample size over the group's size, mean over groups, 1
  // on-policy; and groups that the gate dropped or attenuated.
  double effective_sample_size = 0.0;
  bool has_effective_sample_size = false;
  double gated_fraction = 0.0;
  double importance_clip_fraction = 0.0;  // tokens whose weight was truncated or masked
  double zero_variance_fraction = 0.0;
  double all_fail_fraction = 0.0;  // groups whose completions all scored the lowest possible, 0
  // Means over groups, first epoch, in nats but for the distance. Of p_old where the objective
  // looks at groups; of p and of q with TPO.
  std::optional<double> target_entropy;
  std::optional<double> anchor_entropy;
  std::optional<double> target_kl;        // KL(q || p_old)
  std::optional<double> target_distance;  // L1 norm of q - p
  std::optional<double> policy_entropy;
  std::optional<double> target_policy_kl;  // KL(q || p)
  double clip_fraction = 0.0;              // members whose ratio was clipped, last epoch
  double logprob_mismatch = 0.0;  // mean |learner's - sampler's log-prob| per token, first epoch
  // Entropy of the learner's distribution at a sampled token, mean, first epoch, in nats.
  double token_entropy = 0.0;
  double completion_tokens_mean = 0.0;  // over the completions of the batch
  double truncated_fraction = 0.0;      // that ended at the token limit
  bool has_truncated_fraction = false;  // false where every completion has the same length anyhow
  std::map<VerdictKind, uint64_t> verdicts;      // how many of each kind
  std::map<int64_t, uint64_t> staleness_groups;  // groups by their staleness
  // Prefix-tree nodes forwarded per epoch, and the tokens they stand for: how much sharing saved.
  uint64_t forward_nodes = 0;
  uint64_t forward_tokens = 0;
  std::vector<uint64_t> prompt_ids;  // of the groups trained on
  // Empty unless this step's groups are to be written for inspection.
  std::vector<InspectedGroup> inspected_groups;
  Ledger ledger;
};

// Receives records on the learner's thread. Implementations must not throw and should be quick.
class StepObserver {
 public:
  virtual ~StepObserver() = default;
  virtual void OnStep(const StepRecord& record) = 0;
  // After OnStep of all observers, and after the step's checkpoint, if one was due, has begun. Here
  // an observer may take its time: the learner waits.
  virtual void AfterStep(const StepRecord& /*record*/) {}
  // A checkpoint became durable, `seconds` after it was begun, or failed with `error` (the run goes
  // on). Told by the learner's thread when it next looks, so some steps later maybe.
  virtual void OnCheckpoint(int64_t step, double seconds, const std::string& error) = 0;
  // What has become of the prompts by now; several times a second while the learner waits for
  // groups.
  virtual void OnLedger(const Ledger& /*ledger*/) {}
};

}  // namespace tpo

#endif  // TPO_CORE_STEP_RECORD_H_
