#include "learner/objectives/grpo.h"

#include <algorithm>
#include <cassert>
#include <cmath>
#include <cstddef>
#include <cstdint>

#include "learner/objectives/group_members.h"
#include "learner/objectives/objective_math.h"

namespace tpo {
namespace {

constexpr double kDeviationEpsilon = 1e-8;
constexpr double kMaxLogRatio = 20.0;

struct GroupSummary {
  std::vector<double> advantages;  // [rows, columns]
  // 1 where the member takes part in the loss: valid, in a group that is neither too small nor
  // masked out.
  std::vector<uint8_t> used;
  int used_groups = 0;
  ObjectiveDiagnostics diagnostics;
};

GroupSummary SummarizeGroups(const ObjectiveInput& input, bool mask_zero_variance) {
  GroupSummary summary;
  summary.advantages.assign(input.scores.size(), 0.0);
  summary.used.assign(input.scores.size(), 0);
  ObjectiveDiagnostics& diagnostics = summary.diagnostics;
  std::vector<double> scratch;
  const int groups = VisitGroups(input, [&](const GroupMembers& group) {
    const Moments moments = PopulationMoments(group.scores);
    if (moments.all_equal) diagnostics.zero_variance_fraction += 1.0;
    diagnostics.anchor_entropy += SoftmaxEntropy(group.anchor_log_probs, scratch);
    diagnostics.policy_entropy += SoftmaxEntropy(group.log_probs, scratch);
    if (mask_zero_variance && !(moments.deviation > kMinDeviation)) return;
    ++summary.used_groups;
    for (size_t i = 0; i < group.size(); ++i) {
      summary.used[group.entries[i]] = 1;
      summary.advantages[group.entries[i]] =
          (group.scores[i] - moments.mean) / (moments.deviation + kDeviationEpsilon);
    }
  });
  diagnostics.zero_variance_fraction /= std::max(groups, 1);
  diagnostics.anchor_entropy /= std::max(groups, 1);
  diagnostics.policy_entropy /= std::max(groups, 1);
  return summary;
}

// Sums over the entries where `used` is set, divided by `divisor`.
ObjectiveOutput EvaluateMembers(const ObjectiveInput& input, absl::Span<const double> advantages,
                                absl::Span<const uint8_t> used, double divisor,
                                const GrpoOptions& options) {
  ObjectiveOutput output;
  output.coefficients.assign(input.log_probs.size(), 0.0);
  int held_back = 0;
  int entries = 0;
  for (size_t i = 0; i < used.size(); ++i) {
    if (used[i] == 0) continue;
    ++entries;
    const double log_ratio = input.log_probs[i] - input.anchor_log_probs[i];
    const double bounded = std::clamp(log_ratio, -kMaxLogRatio, kMaxLogRatio);
    const ClippedSurrogate surrogate = ClipSurrogate(bounded, advantages[i], options.clip_epsilon);
    const double inverse_ratio = std::exp(-bounded);
    const double kl = inverse_ratio + bounded - 1.0;
    output.loss -= (surrogate.value - options.kl_beta * kl) / divisor;
    const bool saturated = std::abs(log_ratio) > kMaxLogRatio;
    if (surrogate.held_back || saturated) ++held_back;
    if (saturated) continue;
    output.coefficients[i] = -(surrogate.slope - options.kl_beta * (1.0 - inverse_ratio)) / divisor;
  }
  output.diagnostics.clip_fraction = static_cast<double>(held_back) / std::max(entries, 1);
  return output;
}

}  // namespace

ObjectiveOutput GrpoObjective::Evaluate(const ObjectiveInput& input) const {
  GroupSummary summary = SummarizeGroups(input, options_.mask_zero_variance);
  const int groups = options_.mask_zero_variance ? summary.used_groups : input.rows;
  ObjectiveOutput output =
      EvaluateMembers(input, summary.advantages, summary.used, std::max(groups, 1), options_);
  summary.diagnostics.clip_fraction = output.diagnostics.clip_fraction;
  output.diagnostics = summary.diagnostics;
  return output;
}

std::vector<double> GrpoAdvantages(const ObjectiveInput& input) {
  return SummarizeGroups(input, /*mask_zero_variance=*/false).advantages;
}

ObjectiveOutput GrpoWithAdvantages(const ObjectiveInput& input, absl::Span<const double> advantages,
                                   const GrpoOptions& options) {
  AssertShapes(input);
  assert(advantages.size() == input.log_probs.size());
  return EvaluateMembers(input, advantages, input.valid, std::max(input.rows, 1), options);
}

}  // namespace tpo
