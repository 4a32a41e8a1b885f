// Target Policy Optimization (paper.md §1): fit the group policy p = softmax(log-probs) to the
// target
//   q = softmax(log p_old + u / eta), u the standardized scores,
// by cross-entropy. Coefficient of member i: (p_i - q_i) / rows.
//
// Groups that another policy sampled: learner/objectives/anchoring.h says what p_old is then.
//
// A group without score variance is kept: its target is the anchor, so its coefficients are exactly
// 0 while the policy is still the anchor, and pull back to it later.
#ifndef TPO_LEARNER_OBJECTIVES_TPO_H_
#define TPO_LEARNER_OBJECTIVES_TPO_H_

#include <vector>

#include "core/run_spec.h"
#include "learner/objectives/objective.h"

namespace tpo {

enum class TpoAnchor {
  kSnapshot,  // q as above
  kNone,      // ablation "no anchor": q = softmax(u / eta)
};

class TpoObjective final : public Objective {
 public:
  // `token_level`: members are candidate tokens of one prefix state. The mathematics is the same.
  // `off_policy` has no meaning with TpoAnchor::kNone.
  TpoObjective(double eta, TpoAnchor anchor, bool token_level,
               const ScoreStandardization& standardization = {}, const AnchorSpec& off_policy = {})
      : eta_(eta),
        anchor_(anchor),
        token_level_(token_level),
        standardization_(standardization),
        off_policy_(off_policy) {}

  ObjectiveLayout layout() const override { return ObjectiveLayout::kGroups; }
  bool has_target() const override { return true; }
  bool token_level() const override { return token_level_; }
  ObjectiveOutput Evaluate(const ObjectiveInput& input) const override;

 private:
  const double eta_;
  const TpoAnchor anchor_;
  const bool token_level_;
  const ScoreStandardization standardization_;
  const AnchorSpec off_policy_;
};

// The targets q, [rows, columns]; 0 where not valid, and in groups with fewer than two valid
// members.
std::vector<double> TpoTargets(const ObjectiveInput& input, double eta, TpoAnchor anchor,
                               const ScoreStandardization& standardization = {},
                               const AnchorSpec& off_policy = {});

}  // namespace tpo

#endif  // TPO_LEARNER_OBJECTIVES_TPO_H_
