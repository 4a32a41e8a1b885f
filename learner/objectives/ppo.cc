#include "learner/objectives/ppo.h"

#include <algorithm>
#include <cassert>
#include <cstddef>

#include "learner/objectives/group_members.h"
#include "learner/objectives/objective_math.h"

namespace tpo {

ObjectiveOutput PpoObjective::Evaluate(const ObjectiveInput& input) const {
  ObjectiveOutput output = PpoWithAdvantages(input, BatchMeanAdvantages(input), clip_epsilon_);
  output.diagnostics.zero_variance_fraction = ZeroVarianceColumnFraction(input);
  return output;
}

ObjectiveOutput PpoWithAdvantages(const ObjectiveInput& input, absl::Span<const double> advantages,
                                  double clip_epsilon) {
  AssertShapes(input);
  assert(advantages.size() == input.log_probs.size());
  ObjectiveOutput output;
  output.coefficients.assign(input.log_probs.size(), 0.0);
  const double rows = input.rows;
  int held_back = 0;
  int entries = 0;
  for (size_t i = 0; i < input.valid.size(); ++i) {
    if (input.valid[i] == 0) continue;
    ++entries;
    const ClippedSurrogate surrogate =
        ClipSurrogate(input.log_probs[i] - input.anchor_log_probs[i], advantages[i], clip_epsilon);
    output.loss -= surrogate.value / rows;
    output.coefficients[i] = -surrogate.slope / rows;
    if (surrogate.held_back) ++held_back;
  }
  output.diagnostics.clip_fraction = static_cast<double>(held_back) / std::max(entries, 1);
  return output;
}

}  // namespace tpo
