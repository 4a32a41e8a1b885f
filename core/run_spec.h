// What a run consists of, as plain options: filled from the config file (services/config/config.h),
// handed to the learner, and, as far as they need it, to rollout workers (RunInfo in
// core/learner_api.h).
//
// Every value here has been validated by the config loader; the structs hold no defaults of their
// own beyond zero, so that the schema (proto/tpo/v1/config.proto) stays the one place that says
// what the defaults are.
#ifndef TPO_CORE_RUN_SPEC_H_
#define TPO_CORE_RUN_SPEC_H_

#include <cstdint>
#include <string>
#include <variant>
#include <vector>

#include "absl/time/time.h"

namespace tpo {

// Which answer the sequence tasks want (paper §3.4).
enum class SequenceTarget { kCopy, kFlip, kReverseCopy, kReverseFlip };
// How it is rewarded, per token.
enum class SequenceReward { kBagOfTokens, kSequential, kTerminal };

struct SequenceTaskSpec {
  SequenceTarget target = SequenceTarget::kReverseCopy;
  SequenceReward reward = SequenceReward::kTerminal;
  int vocab_size = 0;
  int length = 0;
};

// Shape of the paper's causal transformer.
struct TransformerSpec {
  int vocab_size = 0;
  int max_positions = 0;
  int d_model = 0;
  int layers = 0;
  int heads = 0;
  int feed_forward = 0;

  friend bool operator==(const TransformerSpec&, const TransformerSpec&) = default;
};

// How completions are sampled.
struct SamplingSpec {
  int completions_per_prompt = 0;  // K; 1 for token-level objectives
  int candidates_per_token = 0;    // C; 0 unless the objective is token-level
  float temperature = 1.0F;
  int max_tokens = 0;

  friend bool operator==(const SamplingSpec&, const SamplingSpec&) = default;
};

// An external verifier service.
struct VerifierSpec {
  std::string address;
  absl::Duration deadline;

  friend bool operator==(const VerifierSpec&, const VerifierSpec&) = default;
};

enum class ObjectiveKind {
  kTpo,
  kTpoNoAnchor,
  kTpoToken,
  kGrpo,
  kGrpoNoKl,
  kGrpoMasked,
  kGrpoToken,
  kPpo,
  kDg,
  kPg,
  kGroupPg,
};

// All hyperparameters of all objectives (paper §2); each reads its own.
struct ObjectiveSpec {
  ObjectiveKind kind = ObjectiveKind::kTpo;
  double eta = 1.0;           // tilt temperature of TPO and Group PG, gate temperature of DG
  double clip_epsilon = 0.2;  // PPO, GRPO
  double kl_beta = 0.04;      // GRPO
};

struct MuonSpec {
  double learning_rate = 0.0;
  double momentum = 0.95;
  bool nesterov = true;
  double weight_decay = 0.0;
  double adam_beta1 = 0.9;
  double adam_beta2 = 0.999;
  double adam_weight_decay = 0.0;
};
struct AdamSpec {  // Adam, or AdamW when `decoupled`
  double learning_rate = 0.0;
  double beta1 = 0.9;
  double beta2 = 0.999;
  double epsilon = 1e-8;
  double weight_decay = 0.0;
  bool decoupled = false;
};
struct SgdSpec {
  double learning_rate = 0.0;
  double momentum = 0.0;
  double weight_decay = 0.0;
};
using OptimizerSpec = std::variant<MuonSpec, AdamSpec, SgdSpec>;

struct CheckpointSpec {
  int64_t every_steps = 0;  // 0: only at the end
  int keep = 0;
};

struct LearnerSpec {
  ObjectiveSpec objective;
  OptimizerSpec optimizer;
  int prompts_per_step = 0;
  int prompts_per_lease = 0;
  int epochs = 0;
  int64_t steps = 0;
  int max_staleness = 0;
  absl::Duration lease_time_to_live;
  // Fewest scored completions that a group needs to be trained on.
  int min_scored_completions = 0;
  // Most prefix-tree nodes in one forward and backward pass; bounds training memory, whatever K.
  int micro_batch_tokens = 0;
  // Training threads; 0: one per core. Doesn't change results.
  int threads = 0;
  CheckpointSpec checkpoint;
};

struct RolloutSpec {
  SamplingSpec sampling;
  int workers = 0;
  // Leases that one worker answers at the same time; 0: one per core. Doesn't change results.
  int parallel_leases = 0;
};

// A whole run.
struct RunSpec {
  uint64_t seed = 0;
  SequenceTaskSpec task;
  TransformerSpec model;
  RolloutSpec rollout;
  LearnerSpec learner;
  std::vector<VerifierSpec> verifiers;
};

}  // namespace tpo

#endif  // TPO_CORE_RUN_SPEC_H_
