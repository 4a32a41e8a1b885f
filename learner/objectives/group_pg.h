// Group policy gradient, an ablation (paper.md §2): loss = -mean over groups of Σ_members (u / eta)
// · log-prob with u the standardized scores. No ratio, no anchor.
#ifndef TPO_LEARNER_OBJECTIVES_GROUP_PG_H_
#define TPO_LEARNER_OBJECTIVES_GROUP_PG_H_

#include "core/run_spec.h"
#include "learner/objectives/objective.h"

namespace tpo {

class GroupPgObjective final : public Objective {
 public:
  explicit GroupPgObjective(double eta, const ScoreStandardization& standardization = {})
      : eta_(eta), standardization_(standardization) {}

  ObjectiveLayout layout() const override { return ObjectiveLayout::kGroups; }
  ObjectiveOutput Evaluate(const ObjectiveInput& input) const override;

 private:
  const double eta_;
  const ScoreStandardization standardization_;
};

}  // namespace tpo

#endif  // TPO_LEARNER_OBJECTIVES_GROUP_PG_H_
