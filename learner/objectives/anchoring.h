// What a group's target starts from when its completions were sampled by another policy than the
// one that is trained (docs/off_policy.md has the derivation and what was measured).
//
// With m the recorded log-probs, l_prox the learner's when it took the batch, l the current ones,
// each member has a base b, and the group's policy and target are
//   p = softmax(x), q = softmax(b + u / eta):
//   behavior  b = m,                                x = l
//   proximal  b = l_prox,                           x = l
//   ratio     b = min(l_prox - m, log ratio_cap),   x = b + l - l_prox
// All three have the gradient p - q with respect to l. Where the learner's policy sampled the
// group, l_prox = m: behavior and proximal coincide, and ratio weighs all members alike.
//
// The gate looks at the importance weights w = e^(l_prox - m), capped with anchor ratio: their
// effective sample size (sum w)^2 / sum w^2 is the group's size where all are equal, and 1 where
// one outweighs all others.
//
// Pure and thread-safe; used by the objectives and by what explains them.
#ifndef TPO_LEARNER_OBJECTIVES_ANCHORING_H_
#define TPO_LEARNER_OBJECTIVES_ANCHORING_H_

#include "core/run_spec.h"
#include "learner/objectives/group_members.h"

namespace tpo {

// Rewrites a group for the arithmetic of the paper: anchor_log_probs become b, log_probs become x.
void ApplyAnchor(const AnchorSpec& spec, GroupMembers& group);

// Effective sample size of the group over its size, above 0 and at most 1. REQUIRES: ApplyAnchor
// hasn't changed the group; at least one member.
double EffectiveSampleFraction(const AnchorSpec& spec, const GroupMembers& group);

// By which the group's loss counts: 1 where the gate lets it pass as it is.
double GateWeight(const AnchorSpec& spec, double effective_sample_fraction);

}  // namespace tpo

#endif  // TPO_LEARNER_OBJECTIVES_ANCHORING_H_
