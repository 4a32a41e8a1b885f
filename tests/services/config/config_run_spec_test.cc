#include <gtest/gtest.h>

#include <variant>

#include "services/config/config.h"
#include "tests/services/config/config_text.h"

namespace tpo {
namespace {

RunSpec SpecOf(const std::string& more) {
  const auto config = ParseLeastAnd(more);
  EXPECT_TRUE(config.ok()) << config.status();
  return config.ok() ? ToRunSpec(*config) : RunSpec();
}

TEST(ConfigRunSpecTest, ALanguageModelAndADatasetStandInPlaceOfTransformerAndSequences) {
  const auto config = ParseConfig(
      "task:\n"
      "  dataset: {path: a.jsonl, prompt_field: q, answer_field: a, task: sums, system_prompt: "
      "Hi,\n"
      "            template_variables: '{\"x\": 1}', max_prompt_tokens: 9, shuffle: false,\n"
      "            held_out_prompts: 5, date: 2031-02-03, verifier: {exact_match: {ignore_case: "
      "true}}}\n"
      "model: {hf: {path: m, compute_type: float32, composed: true, lora: {rank: 2, alpha: 3, "
      "targets: [q_proj]}}}\n"
      "rollout: {max_tokens: 12, stop: [x], cache_mib: 2, in_flight_cache: recompute}\n"
      "learner: {gradient_clip_norm: 0.5, max_skipped_steps: 7, reference_kl: 0.2,\n"
      "          schedule: {shape: cosine, warmup_steps: 3, final_fraction: 0.1}}\n"
      "evaluation: {every_steps: 4, path: b.jsonl, max_prompts: 6, samples: 8, greedy: false,\n"
      "             pass_score: 0.5}\n",
      "run.yaml", {});
  ASSERT_TRUE(config.ok()) << config.status();
  const RunSpec spec = ToRunSpec(*config);
  EXPECT_EQ(spec.model, TransformerSpec());
  EXPECT_EQ(spec.dataset, (DatasetTaskSpec{"a.jsonl", "q", "a", "sums", true, "Hi", "{\"x\": 1}",
                                           absl::CivilDay(2031, 2, 3), 9, false, 5}));
  EXPECT_EQ(spec.hugging_face,
            (HuggingFaceModelSpec{"m", false, LowRankAdapterSpec{2, 3.0, {"q_proj"}}, true}));
  EXPECT_EQ(spec.rollout.sampling,
            (SamplingSpec{8, 0, 1.0F, 12, false, {"x"}, true, uint64_t{2} << 20}));
  EXPECT_EQ(spec.learner.gradient_clip_norm, 0.5);
  EXPECT_EQ(spec.learner.max_skipped_steps, 7);
  EXPECT_EQ(spec.learner.reference_kl, 0.2);
  EXPECT_EQ(spec.learner.schedule, (ScheduleSpec{ScheduleShape::kCosine, 3, 0.1}));
  EXPECT_EQ(spec.evaluation, (EvaluationSpec{4, "b.jsonl", 6, 8, false, 0.5}));
  v1::ServedVerifierConfig verifier;
  ASSERT_TRUE(verifier.ParseFromString(spec.own_verifier));
  EXPECT_TRUE(verifier.exact_match().ignore_case());
  EXPECT_TRUE(verifier.exact_match().strip_whitespace());  // its default
  EXPECT_FALSE(SpecOf("").hugging_face.has_value());
  EXPECT_FALSE(SpecOf("").dataset.has_value());
}

TEST(ConfigRunSpecTest, CarriesEveryField) {
  const RunSpec spec = SpecOf(
      "seed: 5\n"
      "model: {transformer: {d_model: 32, layers: 3, heads: 4, feed_forward: 100, max_positions: "
      "20}}\n"
      "rollout: {group_size: 6, temperature: 0.5, workers: 2, parallel_leases: 3}\n"
      "learner:\n"
      "  objective: grpo\n"
      "  eta: 2\n"
      "  clip_epsilon: 0.3\n"
      "  kl_beta: 0.1\n"
      "  length_exponent: 0.5\n"
      "  score_deviation_floor: 0.01\n"
      "  score_shrinkage: 0.02\n"
      "  prompts_per_step: 50\n"
      "  prompts_per_lease: 10\n"
      "  epochs: 2\n"
      "  steps: 30\n"
      "  max_staleness: 1\n"
      "  exact_staleness: true\n"
      "  importance_correction: mask\n"
      "  importance_cap: 3.5\n"
      "  ratio_cap: 1.5\n"
      "  effective_sample_fraction: 0.4\n"
      "  lease_seconds: 7.5\n"
      "  min_scored_completions: 3\n"
      "  micro_batch_tokens: 256\n"
      "  threads: 8\n"
      "  checkpoint: {every_steps: 11, keep: 4}\n"
      "verifiers: [{address: 'a:1', deadline_seconds: 1.5}]\n");
  EXPECT_EQ(spec.seed, 5U);
  EXPECT_EQ(spec.task.target, SequenceTarget::kReverseCopy);
  EXPECT_EQ(spec.task.reward, SequenceReward::kBagOfTokens);
  EXPECT_EQ(spec.task.vocab_size, 2);
  EXPECT_EQ(spec.task.length, 7);
  EXPECT_EQ(spec.model, (TransformerSpec{2, 20, 32, 3, 4, 100}));
  EXPECT_EQ(spec.rollout.sampling, (SamplingSpec{6, 0, 0.5F, 7}));
  EXPECT_EQ(spec.rollout.workers, 2);
  EXPECT_EQ(spec.rollout.parallel_leases, 3);
  EXPECT_EQ(spec.learner.objective.kind, ObjectiveKind::kGrpo);
  EXPECT_EQ(spec.learner.objective.eta, 2.0);
  EXPECT_EQ(spec.learner.objective.clip_epsilon, 0.3);
  EXPECT_EQ(spec.learner.objective.kl_beta, 0.1);
  EXPECT_EQ(spec.learner.objective.length_exponent, 0.5);
  EXPECT_EQ(spec.learner.objective.score_standardization.deviation_floor, 0.01);
  EXPECT_EQ(spec.learner.objective.score_standardization.shrinkage, 0.02);
  EXPECT_EQ(spec.learner.prompts_per_step, 50);
  EXPECT_EQ(spec.learner.prompts_per_lease, 10);
  EXPECT_EQ(spec.learner.epochs, 2);
  EXPECT_EQ(spec.learner.steps, 30);
  EXPECT_EQ(spec.learner.max_staleness, 1);
  EXPECT_TRUE(spec.learner.exact_staleness);
  EXPECT_EQ(spec.learner.objective.importance.correction, ImportanceCorrection::kMask);
  EXPECT_EQ(spec.learner.objective.importance.cap, 3.5);
  EXPECT_EQ(spec.learner.objective.anchor.ratio_cap, 1.5);
  EXPECT_EQ(spec.learner.objective.anchor.gate_fraction, 0.4);
  EXPECT_EQ(spec.learner.lease_time_to_live, absl::Milliseconds(7500));
  EXPECT_EQ(spec.learner.min_scored_completions, 3);
  EXPECT_EQ(spec.learner.micro_batch_tokens, 256);
  EXPECT_EQ(spec.learner.threads, 8);
  EXPECT_EQ(spec.learner.checkpoint.every_steps, 11);
  EXPECT_EQ(spec.learner.checkpoint.keep, 4);
  ASSERT_EQ(spec.verifiers.size(), 1U);
  EXPECT_EQ(spec.verifiers[0], (VerifierSpec{"a:1", absl::Milliseconds(1500)}));
}

TEST(ConfigRunSpecTest, TokenLevelGroupsAreCandidatesOfOneCompletion) {
  for (const char* objective : {"tpo_token", "grpo_token"}) {
    const RunSpec spec =
        SpecOf(std::string("rollout: {group_size: 5}\nlearner: {objective: ") + objective + "}\n");
    EXPECT_EQ(spec.rollout.sampling.completions_per_prompt, 1) << objective;
    EXPECT_EQ(spec.rollout.sampling.candidates_per_token, 5) << objective;
  }
}

TEST(ConfigRunSpecTest, EveryObjectiveHasItsKind) {
  const std::vector<std::pair<std::string, ObjectiveKind>> kinds = {
      {"tpo", ObjectiveKind::kTpo},
      {"tpo_no_anchor", ObjectiveKind::kTpoNoAnchor},
      {"tpo_token", ObjectiveKind::kTpoToken},
      {"grpo", ObjectiveKind::kGrpo},
      {"grpo_no_kl", ObjectiveKind::kGrpoNoKl},
      {"grpo_masked", ObjectiveKind::kGrpoMasked},
      {"grpo_token", ObjectiveKind::kGrpoToken},
      {"ppo", ObjectiveKind::kPpo},
      {"dg", ObjectiveKind::kDg},
      {"pg", ObjectiveKind::kPg},
      {"group_pg", ObjectiveKind::kGroupPg},
  };
  EXPECT_EQ(kinds.size() + 1, static_cast<size_t>(v1::Objective_descriptor()->value_count()));
  for (const auto& [name, kind] : kinds) {
    EXPECT_EQ(SpecOf("learner: {objective: " + name + "}\n").learner.objective.kind, kind) << name;
  }
}

TEST(ConfigRunSpecTest, EveryWayToDealWithStaleGroups) {
  const auto objective = [](const std::string& field, const std::string& more = "") {
    return SpecOf("learner: {" + field + more + "}\n").learner.objective;
  };
  EXPECT_EQ(objective("").anchor.anchor, Anchor::kBehavior);
  EXPECT_EQ(objective("anchor: proximal").anchor.anchor, Anchor::kProximal);
  EXPECT_EQ(objective("anchor: ratio").anchor.anchor, Anchor::kRatio);
  EXPECT_EQ(objective("").anchor.gate, EffectiveSampleGate::kNone);
  EXPECT_EQ(objective("effective_sample_gate: drop").anchor.gate, EffectiveSampleGate::kDrop);
  EXPECT_EQ(objective("effective_sample_gate: attenuate").anchor.gate,
            EffectiveSampleGate::kAttenuate);
  EXPECT_EQ(objective("").importance.correction, ImportanceCorrection::kNone);
  EXPECT_EQ(objective("importance_correction: truncate", ", objective: pg").importance.correction,
            ImportanceCorrection::kTruncate);
  EXPECT_FALSE(SpecOf("").rollout.sampling.swap_in_flight);
  EXPECT_FALSE(SpecOf("").learner.exact_staleness);
  EXPECT_TRUE(SpecOf("rollout: {weight_swap: in_flight}\n").rollout.sampling.swap_in_flight);
}

TEST(ConfigRunSpecTest, EveryTargetAndRewardHasItsKind) {
  const auto task = [](const std::string& target, const std::string& reward) {
    const auto config =
        ParseLeastAnd("", {"task.sequence.target=" + target, "task.sequence.reward=" + reward});
    EXPECT_TRUE(config.ok()) << config.status();
    return ToRunSpec(config.value_or(v1::Config())).task;
  };
  EXPECT_EQ(task("copy", "terminal").target, SequenceTarget::kCopy);
  EXPECT_EQ(task("flip", "terminal").target, SequenceTarget::kFlip);
  EXPECT_EQ(task("reverse_copy", "terminal").target, SequenceTarget::kReverseCopy);
  EXPECT_EQ(task("reverse_flip", "terminal").target, SequenceTarget::kReverseFlip);
  EXPECT_EQ(task("copy", "bag_of_tokens").reward, SequenceReward::kBagOfTokens);
  EXPECT_EQ(task("copy", "sequential").reward, SequenceReward::kSequential);
  EXPECT_EQ(task("copy", "terminal").reward, SequenceReward::kTerminal);
}

TEST(ConfigRunSpecTest, EveryOptimizer) {
  const auto optimizer = [](const std::string& text) {
    return SpecOf("learner: {optimizer: " + text + "}\n").learner.optimizer;
  };
  const auto muon =
      std::get<MuonSpec>(optimizer("{muon: {learning_rate: 0.5, momentum: 0.25, nesterov: false, "
                                   "weight_decay: 0.125, adam_beta1: 0.75, "
                                   "adam_beta2: 0.875, adam_weight_decay: 0.0625}}"));
  EXPECT_EQ(muon.learning_rate, 0.5);
  EXPECT_EQ(muon.momentum, 0.25);
  EXPECT_FALSE(muon.nesterov);
  EXPECT_EQ(muon.weight_decay, 0.125);
  EXPECT_EQ(muon.adam_beta1, 0.75);
  EXPECT_EQ(muon.adam_beta2, 0.875);
  EXPECT_EQ(muon.adam_weight_decay, 0.0625);
  const auto adamw =
      std::get<AdamSpec>(optimizer("{adamw: {learning_rate: 0.5, beta1: 0.25, beta2: 0.75, "
                                   "epsilon: 0.125, weight_decay: 0.0625}}"));
  EXPECT_TRUE(adamw.decoupled);
  EXPECT_EQ(adamw.learning_rate, 0.5);
  EXPECT_EQ(adamw.beta1, 0.25);
  EXPECT_EQ(adamw.beta2, 0.75);
  EXPECT_EQ(adamw.epsilon, 0.125);
  EXPECT_EQ(adamw.weight_decay, 0.0625);
  EXPECT_FALSE(std::get<AdamSpec>(optimizer("{adam: {}}")).decoupled);
  const auto sgd = std::get<SgdSpec>(
      optimizer("{sgd: {learning_rate: 0.5, momentum: 0.25, weight_decay: 0.125}}"));
  EXPECT_EQ(sgd.learning_rate, 0.5);
  EXPECT_EQ(sgd.momentum, 0.25);
  EXPECT_EQ(sgd.weight_decay, 0.125);
}

}  // namespace
}  // namespace tpo
