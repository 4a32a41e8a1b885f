#include "learner/objectives/tpo.h"

#include <algorithm>
#include <cmath>
#include <cstddef>

#include "learner/objectives/anchoring.h"
#include "learner/objectives/group_members.h"
#include "learner/objectives/objective_math.h"

namespace tpo {
namespace {

// log q of one group.
//
// Standardized scores of 0 leave the anchor's log-probs untouched bit by bit, so that q equals
// softmax(anchor) exactly: therefore the anchor is shifted by its maximum only, as
// LogSoftmaxInPlace does anyhow, and not normalised first.
void ComputeTargetLogProbs(const GroupMembers& group, double eta, TpoAnchor anchor,
                           const ScoreStandardization& standardization,
                           std::vector<double>& target) {
  target.resize(group.size());
  StandardizeScores(group.scores, absl::MakeSpan(target), standardization);
  for (double& tilt : target) tilt /= eta;
  if (anchor == TpoAnchor::kSnapshot) {
    const double largest =
        *std::max_element(group.anchor_log_probs.begin(), group.anchor_log_probs.end());
    for (size_t i = 0; i < target.size(); ++i) target[i] += group.anchor_log_probs[i] - largest;
  }
  LogSoftmaxInPlace(absl::MakeSpan(target));
}

void AddGroupDiagnostics(const GroupMembers& group, absl::Span<const double> target,
                         std::vector<double>& scratch, ObjectiveDiagnostics& sums) {
  if (PopulationMoments(group.scores).all_equal) sums.zero_variance_fraction += 1.0;
  scratch = group.anchor_log_probs;
  LogSoftmaxInPlace(absl::MakeSpan(scratch));
  for (size_t i = 0; i < group.size(); ++i) {
    const double q = std::exp(target[i]);
    sums.target_entropy -= q * target[i];
    sums.target_kl += q * (target[i] - scratch[i]);
    sums.anchor_entropy -= std::exp(scratch[i]) * scratch[i];
  }
}

void DivideDiagnostics(int groups, ObjectiveDiagnostics& sums) {
  const double divisor = std::max(groups, 1);
  sums.zero_variance_fraction /= divisor;
  sums.target_entropy /= divisor;
  sums.anchor_entropy /= divisor;
  sums.target_kl /= divisor;
  sums.target_distance /= divisor;
  sums.policy_entropy /= divisor;
  sums.target_policy_kl /= divisor;
  sums.effective_sample_fraction /= divisor;
  sums.gated_fraction /= divisor;
}

}  // namespace

ObjectiveOutput TpoObjective::Evaluate(const ObjectiveInput& input) const {
  ObjectiveOutput output;
  output.coefficients.assign(input.log_probs.size(), 0.0);
  std::vector<double> target;
  std::vector<double> policy;
  std::vector<double> scratch;
  const double rows = input.rows;
  const int groups = VisitGroups(input, [&](GroupMembers& group) {
    double gate = 1.0;
    if (anchor_ == TpoAnchor::kSnapshot) {
      const double effective = EffectiveSampleFraction(off_policy_, group);
      gate = GateWeight(off_policy_, effective);
      output.diagnostics.effective_sample_fraction += effective;
      if (gate < 1.0) output.diagnostics.gated_fraction += 1.0;
      ApplyAnchor(off_policy_, group);
    }
    ComputeTargetLogProbs(group, eta_, anchor_, standardization_, target);
    policy = group.log_probs;
    LogSoftmaxInPlace(absl::MakeSpan(policy));
    for (size_t i = 0; i < group.size(); ++i) {
      const double q = std::exp(target[i]);
      const double difference = std::exp(policy[i]) - q;
      output.loss -= gate * q * policy[i] / rows;
      output.coefficients[group.entries[i]] = gate * difference / rows;
      output.diagnostics.target_distance += std::abs(difference);
      output.diagnostics.policy_entropy -= std::exp(policy[i]) * policy[i];
      output.diagnostics.target_policy_kl += q * (target[i] - policy[i]);
    }
    AddGroupDiagnostics(group, target, scratch, output.diagnostics);
  });
  DivideDiagnostics(groups, output.diagnostics);
  return output;
}

std::vector<double> TpoTargets(const ObjectiveInput& input, double eta, TpoAnchor anchor,
                               const ScoreStandardization& standardization,
                               const AnchorSpec& off_policy) {
  std::vector<double> targets(input.log_probs.size(), 0.0);
  std::vector<double> log_targets;
  VisitGroups(input, [&](GroupMembers& group) {
    if (anchor == TpoAnchor::kSnapshot) ApplyAnchor(off_policy, group);
    ComputeTargetLogProbs(group, eta, anchor, standardization, log_targets);
    for (size_t i = 0; i < group.size(); ++i) targets[group.entries[i]] = std::exp(log_targets[i]);
  });
  return targets;
}

}  // namespace tpo
