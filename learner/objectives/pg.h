// Policy gradient per token, REINFORCE with the batch mean as baseline (paper.md §2):
//   advantage = reward - mean reward of the same position over the batch
//   loss = -mean over completions of Σ_tokens advantage · log-prob
// No ratio, no anchor.
#ifndef TPO_LEARNER_OBJECTIVES_PG_H_
#define TPO_LEARNER_OBJECTIVES_PG_H_

#include "absl/types/span.h"
#include "learner/objectives/objective.h"

namespace tpo {

class PgObjective final : public Objective {
 public:
  ObjectiveLayout layout() const override { return ObjectiveLayout::kTokens; }
  ObjectiveOutput Evaluate(const ObjectiveInput& input) const override;
};

// The loss for given advantages [rows, columns]: sum over the valid entries, divided by the number
// of rows. Fills no diagnostics; scores and anchors are not read.
ObjectiveOutput PgWithAdvantages(const ObjectiveInput& input, absl::Span<const double> advantages);

}  // namespace tpo

#endif  // TPO_LEARNER_OBJECTIVES_PG_H_
