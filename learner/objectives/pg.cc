#include "learner/objectives/pg.h"

#include <cassert>
#include <cstddef>

#include "learner/objectives/group_members.h"
#include "learner/objectives/objective_math.h"

namespace tpo {

ObjectiveOutput PgObjective::Evaluate(const ObjectiveInput& input) const {
  ObjectiveOutput output = PgWithAdvantages(input, BatchMeanAdvantages(input));
  output.diagnostics.zero_variance_fraction = ZeroVarianceColumnFraction(input);
  return output;
}

ObjectiveOutput PgWithAdvantages(const ObjectiveInput& input, absl::Span<const double> advantages) {
  AssertShapes(input);
  assert(advantages.size() == input.log_probs.size());
  ObjectiveOutput output;
  output.coefficients.assign(input.log_probs.size(), 0.0);
  const double rows = input.rows;
  for (size_t i = 0; i < input.valid.size(); ++i) {
    if (input.valid[i] == 0) continue;
    output.coefficients[i] = -advantages[i] / rows;
    output.loss += output.coefficients[i] * input.log_probs[i];
  }
  return output;
}

}  // namespace tpo
