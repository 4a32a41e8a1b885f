// Delightful policy gradient, "DG" (Osband, arXiv 2603.14608; here as paper.md §2 has it): a
// token's advantage is gated by its own surprisal,
//   weight = sigmoid(advantage · surprisal / eta) · advantage, with surprisal = -log-prob of the
//   current policy, loss = -mean over completions of Σ_tokens weight · log-prob, the weight held
//   constant.
// No ratio; one optimizer step per batch, always.
#ifndef TPO_LEARNER_OBJECTIVES_DG_H_
#define TPO_LEARNER_OBJECTIVES_DG_H_

#include "absl/types/span.h"
#include "learner/objectives/objective.h"

namespace tpo {

class DgObjective final : public Objective {
 public:
  explicit DgObjective(double eta) : eta_(eta) {}

  ObjectiveLayout layout() const override { return ObjectiveLayout::kTokens; }
  bool single_epoch() const override { return true; }
  ObjectiveOutput Evaluate(const ObjectiveInput& input) const override;

 private:
  const double eta_;
};

// The loss for given advantages [rows, columns]: sum over the valid entries, divided by the number
// of rows. Fills no diagnostics; scores and anchors are not read.
ObjectiveOutput DgWithAdvantages(const ObjectiveInput& input, absl::Span<const double> advantages,
                                 double eta);

}  // namespace tpo

#endif  // TPO_LEARNER_OBJECTIVES_DG_H_
