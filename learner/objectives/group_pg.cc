#include "learner/objectives/group_pg.h"

#include <algorithm>
#include <cstddef>
#include <vector>

#include "learner/objectives/group_members.h"
#include "learner/objectives/objective_math.h"

namespace tpo {

ObjectiveOutput GroupPgObjective::Evaluate(const ObjectiveInput& input) const {
  ObjectiveOutput output;
  output.coefficients.assign(input.log_probs.size(), 0.0);
  std::vector<double> weights;
  std::vector<double> scratch;
  const double rows = input.rows;
  const int groups = VisitGroups(input, [&](const GroupMembers& group) {
    weights.resize(group.size());
    StandardizeScores(group.scores, absl::MakeSpan(weights), standardization_);
    for (size_t i = 0; i < group.size(); ++i) {
      const double coefficient = -weights[i] / eta_ / rows;
      output.loss += coefficient * group.log_probs[i];
      output.coefficients[group.entries[i]] = coefficient;
    }
    if (PopulationMoments(group.scores).all_equal) {
      output.diagnostics.zero_variance_fraction += 1.0;
    }
    output.diagnostics.anchor_entropy += SoftmaxEntropy(group.anchor_log_probs, scratch);
    output.diagnostics.policy_entropy += SoftmaxEntropy(group.log_probs, scratch);
  });
  output.diagnostics.zero_variance_fraction /= std::max(groups, 1);
  output.diagnostics.anchor_entropy /= std::max(groups, 1);
  output.diagnostics.policy_entropy /= std::max(groups, 1);
  return output;
}

}  // namespace tpo
