#include "tests/services/run_directory/sample_run.h"

#include <algorithm>
#include <cmath>

namespace tpo {
namespace {

// Uniform on [0, 1), from the step alone.
double Noise(int64_t step, int stream) {
  const double x = std::sin(static_cast<double>(step) * 12.9898 + stream * 78.233) * 43758.5453;
  return x - std::floor(x);
}

InspectedCompletion SampleCompletion(std::vector<TokenId> tokens, Verdict verdict, double u,
                                     double p_old, double q, double p) {
  InspectedCompletion completion;
  completion.tokens = std::move(tokens);
  completion.verdict = std::move(verdict);
  completion.standardized_score = u;
  completion.anchor_probability = p_old;
  completion.target_probability = q;
  completion.policy_probability = p;
  return completion;
}

}  // namespace

StepRecord SampleStep(int64_t step, int64_t total_steps) {
  const double done = static_cast<double>(step) / static_cast<double>(total_steps);
  const double learned = 1.0 / (1.0 + std::exp(-18.0 * (done - 0.4)));
  StepRecord record;
  record.step = step;
  record.weight_version = step + 1;
  record.error =
      std::clamp((1.0 - learned) * (0.9 + 0.2 * Noise(step, 1)) + 0.004 * Noise(step, 2), 0.0, 1.0);
  record.has_error = true;
  record.reward_mean = 1.0 - record.error;
  record.reward_std = std::sqrt(record.error * record.reward_mean);
  record.loss = 2.079 - 1.2 * learned + 0.1 * Noise(step, 3);
  record.loss_last_epoch = record.loss - 0.2 * Noise(step, 4);
  record.grad_norm = (0.02 + record.error) * std::exp(Noise(step, 5));
  record.tokens_total = static_cast<uint64_t>(step + 1) * 8000;
  record.groups_total = static_cast<uint64_t>(step + 1) * 100;
  record.rollout_seconds = 0.05 + 0.01 * Noise(step, 6);
  record.train_seconds = 0.08 + 0.02 * Noise(step, 7);
  record.step_seconds = record.rollout_seconds + record.train_seconds;
  record.zero_variance_fraction =
      std::clamp(std::abs(2.0 * learned - 1.0) + 0.05 * Noise(step, 8), 0.0, 1.0);
  record.all_fail_fraction = (1.0 - learned) * 0.9;
  record.target_entropy = 1.4 + 0.1 * Noise(step, 9);
  record.anchor_entropy = 1.9 + 0.1 * Noise(step, 10);
  record.target_kl = 0.4 * (1.0 - record.zero_variance_fraction);
  record.target_distance = 0.3;
  record.logprob_mismatch = 1e-7 * (1.0 + Noise(step, 11));
  record.forward_nodes = 900;
  record.forward_tokens = 8000;
  record.ledger.trained = record.groups_total;
  record.ledger.expired = static_cast<uint64_t>(step / 100);
  record.ledger.in_flight = 100;
  record.ledger.leased = record.ledger.trained + record.ledger.expired + record.ledger.in_flight;
  return record;
}

InspectedGroup SampleGroup(int64_t step, uint64_t prompt_id) {
  InspectedGroup group;
  group.step = step;
  group.prompt.id = prompt_id;
  group.prompt.task = "sequence/reverse_copy/terminal";
  group.prompt.tokens = {0, 1, 1, 0};
  group.prompt.reference_tokens = {0, 1, 1, 0};
  group.completions = {
      SampleCompletion({0, 1, 1, 0}, Verdict::Scored(1.0), 1.2247, 0.25, 0.588, 0.31),
      SampleCompletion({0, 1, 0, 0}, Verdict::Scored(0.5), 0.0, 0.35, 0.242, 0.33),
      SampleCompletion({1, 1, 1, 1}, Verdict::Scored(0.0), -1.2247, 0.40, 0.17, 0.36),
      SampleCompletion({1, 0}, Verdict::Unscored(VerdictKind::kTimedOut, "no answer in 2s"), 0.0,
                       0.0, 0.0, 0.0),
  };
  return group;
}

}  // namespace tpo
