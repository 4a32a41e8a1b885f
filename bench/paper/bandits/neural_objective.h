// The methods' losses for a classifier that learns from one sampled action per image and whether it
// was right (paper.md §4), and their gradients with respect to the logits.
//
// Double precision; the TPO target and DG's gate are the project's own (learner/objectives).
// Thread-safe: pure functions.
#ifndef TPO_BENCH_PAPER_BANDITS_NEURAL_OBJECTIVE_H_
#define TPO_BENCH_PAPER_BANDITS_NEURAL_OBJECTIVE_H_

#include "absl/types/span.h"
#include "bench/paper/bandits/method.h"

namespace tpo {

struct BanditFeedback {
  int rows = 0;
  int classes = 0;
  absl::Span<const double> log_probs;  // [rows, classes], normalised
  absl::Span<const int> actions;       // [rows]
  absl::Span<const double> rewards;    // [rows], 1 where the action is the label, else 0
};

// The loss, a mean over the rows; `gradient` [rows, classes] is overwritten. With the advantage
// A = reward - Σ π², all weights held constant:
//   PG        -mean A · log π(a)
//   DG        -mean sigmoid(-A · log π(a)) · A · log π(a)
//   GRPO      -mean (reward - mean) / (deviation + 1e-8) · log π(a), over the batch
//   Group PG  -mean u_a · log π(a), u the standardized scores A · e_a over the classes
//   TPO       -mean Σ_i q_i log π_i, q = softmax(log π + u)
// REQUIRES: a method of the neural study.
double EvaluateBandit(BanditMethod method, const BanditFeedback& feedback,
                      absl::Span<double> gradient);

}  // namespace tpo

#endif  // TPO_BENCH_PAPER_BANDITS_NEURAL_OBJECTIVE_H_
