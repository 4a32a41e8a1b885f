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
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "absl/time/civil_time.h"
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

// Prompts from a file, in place of a sequence task (policy/dataset/).
struct DatasetTaskSpec {
  std::string path;
  std::string prompt_field;
  std::string answer_field;
  std::string task;  // of rows without one of their own
  bool chat = false;
  std::string system_prompt;
  std::string template_variables;  // a JSON object, or empty
  absl::CivilDay date;             // "today" for the chat template
  int max_prompt_tokens = 0;       // 0: none is too long
  bool shuffle = false;
  int64_t held_out_prompts = 0;  // rows that are kept for evaluation

  friend bool operator==(const DatasetTaskSpec&, const DatasetTaskSpec&) = default;
};

// Low-rank adapters to a language model's matrices (LoRA; policy/language_model/lora.h).
struct LowRankAdapterSpec {
  int rank = 0;
  double alpha = 0.0;
  std::vector<std::string> targets;  // e.g. "q_proj"; empty: all matrices of the layers

  friend bool operator==(const LowRankAdapterSpec&, const LowRankAdapterSpec&) = default;
};

// A language model from a Hugging Face directory, in place of the paper's transformer.
struct HuggingFaceModelSpec {
  std::string path;
  bool bfloat16 = false;                                  // computes in bfloat16; else in float32
  std::optional<LowRankAdapterSpec> lora = std::nullopt;  // none: all parameters are trained
  bool composed = false;                                  // of LibTorch's operators on the CPU too

  friend bool operator==(const HuggingFaceModelSpec&, const HuggingFaceModelSpec&) = default;
};

// How completions are sampled.
struct SamplingSpec {
  int completions_per_prompt = 0;  // K; 1 for token-level objectives
  int candidates_per_token = 0;    // C; 0 unless the objective is token-level
  float temperature = 1.0F;
  int max_tokens = 0;
  bool swap_in_flight = false;  // new weights are taken up within a lease, before the next token
  // Language models: texts that end a completion; whether its cached keys and values are computed
  // anew with new weights in flight; memory of a worker's cache.
  std::vector<std::string> stop_texts = {};
  bool recompute_cache = false;
  uint64_t cache_bytes = 0;

  friend bool operator==(const SamplingSpec&, const SamplingSpec&) = default;
};

// What a verifier's score does to the verdict: it is a part of the score, or the score counts only
// where it is above 0.
enum class VerifierRole { kScore, kGate };

// Files of the worker for TLS towards a verifier, PEM. Empty: those that the worker was started
// with.
struct VerifierTlsFiles {
  std::string ca;
  std::string certificate;
  std::string key;

  friend bool operator==(const VerifierTlsFiles&, const VerifierTlsFiles&) = default;
};

// An external verifier service.
struct VerifierSpec {
  std::string address;
  absl::Duration deadline;                          // of a group, waiting and all attempts included
  std::vector<std::string> further_addresses = {};  // replicas of the same verifier
  std::string name = {};                            // empty: the address
  std::vector<std::string> tasks = {};  // a trailing '*': any rest; empty: as it says itself
  VerifierRole role = VerifierRole::kScore;
  double weight = 1.0;
  std::optional<VerifierTlsFiles> tls = std::nullopt;  // none: plaintext

  friend bool operator==(const VerifierSpec&, const VerifierSpec&) = default;
};

// How the scores of several verifiers that judge the same prompt become one.
enum class ScoreCombination { kWeightedSum, kProduct };

// How a worker asks verifiers. Zero switches a rule off, for max_attempts and max_in_flight it
// means 1 and 64.
struct VerificationSpec {
  ScoreCombination combination = ScoreCombination::kWeightedSum;
  int max_attempts = 0;         // that may fail until a group is given up
  absl::Duration attempt_time;  // longest of one attempt
  int max_in_flight = 0;        // groups that one replica is asked for at a time
  absl::Duration first_pause;   // longest after a group's first failure; doubles with each
  absl::Duration longest_pause;
  double hedge_quantile = 0.0;      // an attempt that takes longer than this part of the recent
                                    // ones gets a second one beside it
  double max_hedge_fraction = 0.0;  // second attempts as a part of the others
  int breaker_failures = 0;         // in a row, after which a replica is left alone
  double breaker_failure_ratio = 0.0;
  absl::Duration breaker_open_time;

  friend bool operator==(const VerificationSpec&, const VerificationSpec&) = default;
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

// How the scores of a group become standardized scores u (TPO, Group PG); the defaults are the
// paper's.
//
// σ is enlarged to √(σ² + shrinkage²), and one below `deviation_floor` counts as the floor: both
// keep differences that are too small to mean anything from being blown up.
struct ScoreStandardization {
  double deviation_floor = 0.0;
  double shrinkage = 0.0;
};

// What TPO's target starts from: the policy that sampled, the learner's own when it took the batch,
// or the ratio of the two (learner/objectives/anchoring.h).
enum class Anchor { kBehavior, kProximal, kRatio };

// What becomes of groups whose effective sample size is small.
enum class EffectiveSampleGate { kNone, kDrop, kAttenuate };

// What TPO does about groups that another policy than the learner's sampled.
struct AnchorSpec {
  Anchor anchor = Anchor::kBehavior;
  double ratio_cap = 2.0;  // 0: none
  EffectiveSampleGate gate = EffectiveSampleGate::kNone;
  double gate_fraction = 0.25;  // of the group's size
};

// What the other objectives do about it, token by token (learner/objectives/importance.h).
enum class ImportanceCorrection { kNone, kTruncate, kMask };

struct ImportanceSpec {
  ImportanceCorrection correction = ImportanceCorrection::kNone;
  double cap = 2.0;
};

struct ObjectiveSpec {  // all hyperparameters of all objectives (paper §2); each reads its own
  ObjectiveKind kind = ObjectiveKind::kTpo;
  double eta = 1.0;           // tilt temperature of TPO and Group PG, gate temperature of DG
  double clip_epsilon = 0.2;  // PPO, GRPO
  double kl_beta = 0.04;      // GRPO
  ScoreStandardization score_standardization = {};
  // The log-prob of a completion of T tokens is the sum over its tokens divided by T to this power:
  // 0, the sum (the paper); 1, the mean. Objectives over whole completions.
  double length_exponent = 0.0;
  AnchorSpec anchor = {};          // TPO
  ImportanceSpec importance = {};  // the others
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

// How the learning rate changes over a run (learner/learning_rate.h).
enum class ScheduleShape { kConstant, kLinear, kCosine };

struct ScheduleSpec {
  ScheduleShape shape = ScheduleShape::kConstant;
  int64_t warmup_steps = 0;
  double final_fraction = 0.0;

  friend bool operator==(const ScheduleSpec&, const ScheduleSpec&) = default;
};

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
  // Steps wait until all prompts that max_staleness allows are answered: reproducible.
  bool exact_staleness = false;
  absl::Duration lease_time_to_live;
  // Fewest scored completions that a group needs to be trained on.
  int min_scored_completions = 0;
  // Most prefix-tree nodes in one forward and backward pass; bounds training memory, whatever K.
  int micro_batch_tokens = 0;
  // Training threads; 0: one per core. Doesn't change results.
  int threads = 0;
  CheckpointSpec checkpoint;
  double gradient_clip_norm = 0.0;  // 0: gradients are taken as they are
  ScheduleSpec schedule = {};
  double reference_kl = 0.0;  // weight of the penalty towards the model before training; 0: none
  // Steps in a row that may be skipped because loss or gradient isn't finite.
  int max_skipped_steps = 0;
};

struct RolloutSpec {
  SamplingSpec sampling;
  int workers = 0;
  // Leases that one worker has in hand at the same time (RolloutWorker::Options); 0: it decides.
  // Doesn't change results.
  int parallel_leases = 0;
};

// What a policy is evaluated on while it is trained.
struct EvaluationSpec {
  int64_t every_steps = 0;  // 0: not at all
  std::string path;         // empty: the task's held-out rows
  int64_t max_prompts = 0;  // 0: all
  int samples = 0;          // of each prompt
  bool greedy = false;
  double pass_score = 0.0;

  friend bool operator==(const EvaluationSpec&, const EvaluationSpec&) = default;
};

// A whole run.
struct RunSpec {
  uint64_t seed = 0;
  SequenceTaskSpec task;
  TransformerSpec model;
  // Both or none; set: `task` and `model` are empty.
  std::optional<DatasetTaskSpec> dataset = std::nullopt;
  std::optional<HuggingFaceModelSpec> hugging_face = std::nullopt;
  RolloutSpec rollout;
  LearnerSpec learner;
  std::vector<VerifierSpec> verifiers;
  VerificationSpec verification;
  // The verifier that workers run themselves, a v1::ServedVerifierConfig in its wire form, which
  // only services read; empty: the built-in one of a prompt's task.
  std::string own_verifier = {};
  EvaluationSpec evaluation = {};
};

}  // namespace tpo

#endif  // TPO_CORE_RUN_SPEC_H_
