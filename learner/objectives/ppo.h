// Proximal Policy Optimization per token, without critic, KL or entropy terms (paper.md §2):
//   advantage = reward - mean reward of the same position over the batch
//   loss = -mean over completions of Σ_tokens min(ratio · advantage, clip(ratio) · advantage)
// The log-ratio is not bounded, as in the reference.
#ifndef TPO_LEARNER_OBJECTIVES_PPO_H_
#define TPO_LEARNER_OBJECTIVES_PPO_H_

#include "absl/types/span.h"
#include "learner/objectives/objective.h"

namespace tpo {

class PpoObjective final : public Objective {
 public:
  explicit PpoObjective(double clip_epsilon) : clip_epsilon_(clip_epsilon) {}

  ObjectiveLayout layout() const override { return ObjectiveLayout::kTokens; }
  ObjectiveOutput Evaluate(const ObjectiveInput& input) const override;

 private:
  const double clip_epsilon_;
};

// The loss for given advantages [rows, columns]: sum over the valid entries, divided by the number
// of rows. Of the diagnostics it fills clip_fraction; scores are not read.
ObjectiveOutput PpoWithAdvantages(const ObjectiveInput& input, absl::Span<const double> advantages,
                                  double clip_epsilon);

}  // namespace tpo

#endif  // TPO_LEARNER_OBJECTIVES_PPO_H_
