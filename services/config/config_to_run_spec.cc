// v1::Config → RunSpec, field by field.
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

SequenceTaskSpec ToTask(const v1::SequenceTaskConfig& config) {
  return {.target = ToTarget(config.target()),
          .reward = ToReward(config.reward()),
          .vocab_size = config.vocab_size(),
          .length = config.length()};
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
  return {.sampling = {.completions_per_prompt = token_level ? 1 : rollout.group_size(),
                       .candidates_per_token = token_level ? rollout.group_size() : 0,
                       .temperature = static_cast<float>(rollout.temperature()),
                       .max_tokens = config.task().sequence().length()},
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

LearnerSpec ToLearner(const v1::LearnerConfig& config) {
  return {.objective = {.kind = ToObjectiveKind(config.objective()),
                        .eta = config.eta(),
                        .clip_epsilon = config.clip_epsilon(),
                        .kl_beta = config.kl_beta()},
          .optimizer = ToOptimizer(config.optimizer()),
          .prompts_per_step = config.prompts_per_step(),
          .prompts_per_lease = config.prompts_per_lease(),
          .epochs = config.epochs(),
          .steps = config.steps(),
          .max_staleness = config.max_staleness(),
          .lease_time_to_live = absl::Seconds(config.lease_seconds()),
          .min_scored_completions = config.min_scored_completions(),
          .micro_batch_tokens = config.micro_batch_tokens(),
          .threads = config.threads(),
          .checkpoint = {.every_steps = config.checkpoint().every_steps(),
                         .keep = config.checkpoint().keep()}};
}

}  // namespace

RunSpec ToRunSpec(const v1::Config& config) {
  RunSpec spec;
  spec.seed = config.seed();
  spec.task = ToTask(config.task().sequence());
  spec.model = ToModel(config.model().transformer(), spec.task.vocab_size);
  spec.rollout = ToRollout(config);
  spec.learner = ToLearner(config.learner());
  for (const v1::VerifierConfig& verifier : config.verifiers()) {
    spec.verifiers.push_back(
        {.address = verifier.address(), .deadline = absl::Seconds(verifier.deadline_seconds())});
  }
  return spec;
}

}  // namespace tpo
