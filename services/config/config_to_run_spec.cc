// v1::Config → RunSpec, field by field.
#include <string>
#include <vector>

#include "absl/time/civil_time.h"
#include "absl/time/time.h"
#include "services/config/config.h"
#include "services/config/config_checks.h"

namespace tpo {
namespace {

SequenceTarget ToTarget(v1::SequenceTarget target) {
  switch (target) {
    case v1::SEQUENCE_TARGET_COPY:
      return SequenceTarget::kCopy;
    case v1::SEQUENCE_TARGET_FLIP:
      return SequenceTarget::kFlip;
    case v1::SEQUENCE_TARGET_REVERSE_FLIP:
      return SequenceTarget::kReverseFlip;
    default:
      return SequenceTarget::kReverseCopy;
  }
}

SequenceReward ToReward(v1::SequenceReward reward) {
  switch (reward) {
    case v1::SEQUENCE_REWARD_BAG_OF_TOKENS:
      return SequenceReward::kBagOfTokens;
    case v1::SEQUENCE_REWARD_SEQUENTIAL:
      return SequenceReward::kSequential;
    default:
      return SequenceReward::kTerminal;
  }
}

ObjectiveKind ToObjectiveKind(v1::Objective objective) {
  switch (objective) {
    case v1::OBJECTIVE_TPO_NO_ANCHOR:
      return ObjectiveKind::kTpoNoAnchor;
    case v1::OBJECTIVE_TPO_TOKEN:
      return ObjectiveKind::kTpoToken;
    case v1::OBJECTIVE_GRPO:
      return ObjectiveKind::kGrpo;
    case v1::OBJECTIVE_GRPO_NO_KL:
      return ObjectiveKind::kGrpoNoKl;
    case v1::OBJECTIVE_GRPO_MASKED:
      return ObjectiveKind::kGrpoMasked;
    case v1::OBJECTIVE_GRPO_TOKEN:
      return ObjectiveKind::kGrpoToken;
    case v1::OBJECTIVE_PPO:
      return ObjectiveKind::kPpo;
    case v1::OBJECTIVE_DG:
      return ObjectiveKind::kDg;
    case v1::OBJECTIVE_PG:
      return ObjectiveKind::kPg;
    case v1::OBJECTIVE_GROUP_PG:
      return ObjectiveKind::kGroupPg;
    default:
      return ObjectiveKind::kTpo;
  }
}

AnchorSpec ToAnchor(const v1::LearnerConfig& config) {
  AnchorSpec spec;
  spec.ratio_cap = config.ratio_cap();
  spec.gate_fraction = config.effective_sample_fraction();
  if (config.anchor() == v1::ANCHOR_PROXIMAL) spec.anchor = Anchor::kProximal;
  if (config.anchor() == v1::ANCHOR_RATIO) spec.anchor = Anchor::kRatio;
  if (config.effective_sample_gate() == v1::EFFECTIVE_SAMPLE_GATE_DROP) {
    spec.gate = EffectiveSampleGate::kDrop;
  } else if (config.effective_sample_gate() == v1::EFFECTIVE_SAMPLE_GATE_ATTENUATE) {
    spec.gate = EffectiveSampleGate::kAttenuate;
  }
  return spec;
}

ImportanceSpec ToImportance(const v1::LearnerConfig& config) {
  ImportanceSpec spec;
  spec.cap = config.importance_cap();
  if (config.importance_correction() == v1::IMPORTANCE_CORRECTION_TRUNCATE) {
    spec.correction = ImportanceCorrection::kTruncate;
  } else if (config.importance_correction() == v1::IMPORTANCE_CORRECTION_MASK) {
    spec.correction = ImportanceCorrection::kMask;
  }
  return spec;
}

SequenceTaskSpec ToTask(const v1::SequenceTaskConfig& config) {
  return {.target = ToTarget(config.target()),
          .reward = ToReward(config.reward()),
          .vocab_size = config.vocab_size(),
          .length = config.length()};
}

DatasetTaskSpec ToDataset(const v1::DatasetTaskConfig& config) {
  absl::CivilDay date;
  absl::ParseCivilTime(config.date(), &date);
  return {.path = config.path(),
          .prompt_field = config.prompt_field(),
          .answer_field = config.answer_field(),
          .task = config.task(),
          .chat = config.chat(),
          .system_prompt = config.system_prompt(),
          .template_variables = config.template_variables(),
          .date = date,
          .max_prompt_tokens = config.max_prompt_tokens(),
          .shuffle = config.shuffle(),
          .held_out_prompts = config.held_out_prompts()};
}

HuggingFaceModelSpec ToLanguageModel(const v1::HuggingFaceConfig& config) {
  HuggingFaceModelSpec spec;
  spec.path = config.path();
  spec.bfloat16 = config.compute_type() == v1::COMPUTE_TYPE_BFLOAT16;
  spec.composed = config.composed();
  if (config.has_lora()) {
    spec.lora = LowRankAdapterSpec{
        .rank = config.lora().rank(),
        .alpha = config.lora().alpha(),
        .targets = {config.lora().targets().begin(), config.lora().targets().end()}};
  }
  return spec;
}

TransformerSpec ToModel(const v1::TransformerConfig& config, int vocab_size) {
  return {.vocab_size = vocab_size,
          .max_positions = config.max_positions(),
          .d_model = config.d_model(),
          .layers = config.layers(),
          .heads = config.heads(),
          .feed_forward = config.feed_forward()};
}

RolloutSpec ToRollout(const v1::Config& config) {
  const v1::RolloutConfig& rollout = config.rollout();
  const bool token_level = IsTokenLevel(config.learner().objective());
  const bool dataset = config.task().has_dataset();
  return {
      .sampling = {.completions_per_prompt = token_level ? 1 : rollout.group_size(),
                   .candidates_per_token = token_level ? rollout.group_size() : 0,
                   .temperature = static_cast<float>(rollout.temperature()),
                   .max_tokens = dataset ? rollout.max_tokens() : config.task().sequence().length(),
                   .swap_in_flight = rollout.weight_swap() == v1::WEIGHT_SWAP_IN_FLIGHT,
                   .stop_texts = {rollout.stop().begin(), rollout.stop().end()},
                   .recompute_cache =
                       dataset && rollout.in_flight_cache() == v1::IN_FLIGHT_CACHE_RECOMPUTE,
                   .cache_bytes = dataset ? static_cast<uint64_t>(rollout.cache_mib()) << 20 : 0},
      .workers = rollout.workers(),
      .parallel_leases = rollout.parallel_leases()};
}

AdamSpec ToAdam(const v1::AdamConfig& config, bool decoupled) {
  return {.learning_rate = config.learning_rate(),
          .beta1 = config.beta1(),
          .beta2 = config.beta2(),
          .epsilon = config.epsilon(),
          .weight_decay = config.weight_decay(),
          .decoupled = decoupled};
}

MuonSpec ToMuon(const v1::MuonConfig& config) {
  return {.learning_rate = config.learning_rate(),
          .momentum = config.momentum(),
          .nesterov = config.nesterov(),
          .weight_decay = config.weight_decay(),
          .adam_beta1 = config.adam_beta1(),
          .adam_beta2 = config.adam_beta2(),
          .adam_weight_decay = config.adam_weight_decay()};
}

OptimizerSpec ToOptimizer(const v1::OptimizerConfig& config) {
  switch (config.kind_case()) {
    case v1::OptimizerConfig::kAdamw:
      return ToAdam(config.adamw(), /*decoupled=*/true);
    case v1::OptimizerConfig::kAdam:
      return ToAdam(config.adam(), /*decoupled=*/false);
    case v1::OptimizerConfig::kSgd:
      return SgdSpec{.learning_rate = config.sgd().learning_rate(),
                     .momentum = config.sgd().momentum(),
                     .weight_decay = config.sgd().weight_decay()};
    default:
      return ToMuon(config.muon());
  }
}

ScheduleSpec ToSchedule(const v1::ScheduleConfig& config) {
  ScheduleSpec spec;
  if (config.shape() == v1::SCHEDULE_SHAPE_LINEAR) spec.shape = ScheduleShape::kLinear;
  if (config.shape() == v1::SCHEDULE_SHAPE_COSINE) spec.shape = ScheduleShape::kCosine;
  spec.warmup_steps = config.warmup_steps();
  spec.final_fraction = config.final_fraction();
  return spec;
}

EvaluationSpec ToEvaluation(const v1::EvaluationConfig& config) {
  return {.every_steps = config.every_steps(),
          .path = config.path(),
          .max_prompts = config.max_prompts(),
          .samples = config.samples(),
          .greedy = config.greedy(),
          .pass_score = config.pass_score()};
}

LearnerSpec ToLearner(const v1::LearnerConfig& config) {
  return {.objective = {.kind = ToObjectiveKind(config.objective()),
                        .eta = config.eta(),
                        .clip_epsilon = config.clip_epsilon(),
                        .kl_beta = config.kl_beta(),
                        .score_standardization = {.deviation_floor = config.score_deviation_floor(),
                                                  .shrinkage = config.score_shrinkage()},
                        .length_exponent = config.length_exponent(),
                        .anchor = ToAnchor(config),
                        .importance = ToImportance(config)},
          .optimizer = ToOptimizer(config.optimizer()),
          .prompts_per_step = config.prompts_per_step(),
          .prompts_per_lease = config.prompts_per_lease(),
          .epochs = config.epochs(),
          .steps = config.steps(),
          .max_staleness = config.max_staleness(),
          .exact_staleness = config.exact_staleness(),
          .lease_time_to_live = absl::Seconds(config.lease_seconds()),
          .min_scored_completions = config.min_scored_completions(),
          .micro_batch_tokens = config.micro_batch_tokens(),
          .threads = config.threads(),
          .checkpoint = {.every_steps = config.checkpoint().every_steps(),
                         .keep = config.checkpoint().keep()},
          .gradient_clip_norm = config.gradient_clip_norm(),
          .schedule = ToSchedule(config.schedule()),
          .reference_kl = config.reference_kl(),
          .max_skipped_steps = config.max_skipped_steps()};
}

VerifierSpec ToVerifier(const v1::VerifierConfig& config) {
  VerifierSpec spec;
  std::vector<std::string> addresses(config.addresses().begin(), config.addresses().end());
  if (config.has_address()) addresses = {config.address()};
  spec.address = addresses.front();
  spec.further_addresses.assign(addresses.begin() + 1, addresses.end());
  spec.deadline = absl::Seconds(config.deadline_seconds());
  spec.name = config.name();
  spec.tasks.assign(config.tasks().begin(), config.tasks().end());
  spec.role = config.role() == v1::VERIFIER_ROLE_GATE ? VerifierRole::kGate : VerifierRole::kScore;
  spec.weight = config.weight();
  if (config.has_tls()) {
    spec.tls = VerifierTlsFiles{.ca = config.tls().ca(),
                                .certificate = config.tls().certificate(),
                                .key = config.tls().key()};
  }
  return spec;
}

VerificationSpec ToVerification(const v1::VerificationConfig& config) {
  return {.combination = config.combine() == v1::SCORE_COMBINATION_PRODUCT
                             ? ScoreCombination::kProduct
                             : ScoreCombination::kWeightedSum,
          .max_attempts = config.max_attempts(),
          .attempt_time = absl::Seconds(config.attempt_seconds()),
          .max_in_flight = config.max_in_flight(),
          .first_pause = absl::Seconds(config.backoff().first_seconds()),
          .longest_pause = absl::Seconds(config.backoff().longest_seconds()),
          .hedge_quantile = config.hedge().quantile(),
          .max_hedge_fraction = config.hedge().max_extra_fraction(),
          .breaker_failures = config.circuit_breaker().failures(),
          .breaker_failure_ratio = config.circuit_breaker().failure_ratio(),
          .breaker_open_time = absl::Seconds(config.circuit_breaker().open_seconds())};
}

}  // namespace

RunSpec ToRunSpec(const v1::Config& config) {
  RunSpec spec;
  spec.seed = config.seed();
  if (config.task().has_dataset()) {
    spec.dataset = ToDataset(config.task().dataset());
    spec.hugging_face = ToLanguageModel(config.model().hf());
    if (config.task().dataset().has_verifier())
      spec.own_verifier = config.task().dataset().verifier().SerializeAsString();
  } else {
    spec.task = ToTask(config.task().sequence());
    spec.model = ToModel(config.model().transformer(), spec.task.vocab_size);
  }
  spec.rollout = ToRollout(config);
  spec.learner = ToLearner(config.learner());
  for (const v1::VerifierConfig& verifier : config.verifiers())
    spec.verifiers.push_back(ToVerifier(verifier));
  spec.verification = ToVerification(config.verification());
  spec.evaluation = ToEvaluation(config.evaluation());
  return spec;
}

}  // namespace tpo
