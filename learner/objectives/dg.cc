#include "learner/objectives/dg.h"

#include <cassert>
#include <cmath>
#include <cstddef>

#include "learner/objectives/group_members.h"
#include "learner/objectives/objective_math.h"

namespace tpo {

ObjectiveOutput DgObjective::Evaluate(const ObjectiveInput& input) const {
  ObjectiveOutput output = DgWithAdvantages(input, BatchMeanAdvantages(input), eta_);
  output.diagnostics.zero_variance_fraction = ZeroVarianceColumnFraction(input);
  return output;
}

ObjectiveOutput DgWithAdvantages(const ObjectiveInput& input, absl::Span<const double> advantages,
                                 double eta) {
  AssertShapes(input);
  assert(advantages.size() == input.log_probs.size());
  ObjectiveOutput output;
  output.coefficients.assign(input.log_probs.size(), 0.0);
  const double rows = input.rows;
  for (size_t i = 0; i < input.valid.size(); ++i) {
    if (input.valid[i] == 0) continue;
    const double surprisal = -input.log_probs[i];
    const double gate = 1.0 / (1.0 + std::exp(-advantages[i] * surprisal / eta));
    const double weight = gate * advantages[i];
    output.loss += weight * surprisal / rows;
    output.coefficients[i] = -weight / rows;
  }
  return output;
}

}  // namespace tpo
