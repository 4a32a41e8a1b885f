// Group Relative Policy Optimization (paper.md §2), as the paper's baseline has it:
//   advantage = (score - mean) / (population deviation + 1e-8)
//   d = clip(log-prob - anchor log-prob, -20, 20), ratio = e^d, kl = e^-d + d - 1
//   loss = -mean over groups of Σ_members [min(ratio · advantage, clip(ratio) · advantage) - beta ·
//   kl]
// One ratio per member (a completion, or a candidate token); the KL estimate is to the policy that
// sampled.
#ifndef TPO_LEARNER_OBJECTIVES_GRPO_H_
#define TPO_LEARNER_OBJECTIVES_GRPO_H_

#include <vector>

#include "absl/types/span.h"
#include "learner/objectives/objective.h"

namespace tpo {

struct GrpoOptions {
  double clip_epsilon = 0.2;
  double kl_beta = 0.04;  // 0: no KL term
  // Leave out groups whose deviation is at most 1e-6, and divide by the number of the others.
  bool mask_zero_variance = false;
  // Members are candidate tokens of one prefix state. The mathematics is the same.
  bool token_level = false;
};

class GrpoObjective final : public Objective {
 public:
  explicit GrpoObjective(const GrpoOptions& options) : options_(options) {}

  ObjectiveLayout layout() const override { return ObjectiveLayout::kGroups; }
  bool token_level() const override { return options_.token_level; }
  ObjectiveOutput Evaluate(const ObjectiveInput& input) const override;

 private:
  const GrpoOptions options_;
};

// The group-normalised advantages, [rows, columns]; 0 where not valid, and in groups with fewer
// than two valid members.
std::vector<double> GrpoAdvantages(const ObjectiveInput& input);

// The loss for given advantages [rows, columns]: sum over the valid entries, divided by the number
// of rows. Of the options it reads clip_epsilon and kl_beta, of the diagnostics it fills
// clip_fraction; scores are not read.
ObjectiveOutput GrpoWithAdvantages(const ObjectiveInput& input, absl::Span<const double> advantages,
                                   const GrpoOptions& options);

}  // namespace tpo

#endif  // TPO_LEARNER_OBJECTIVES_GRPO_H_
