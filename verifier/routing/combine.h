// How the verdicts of several verifiers on the same completions become one verdict each.
//
// - The score is the weighted sum of the scores, or their product. Gates are no part of it: where
//   the score of a gate isn't above 0, the combined score is 0.
// - A completion that any of the verifiers, gates included, left without a score has none: it is
//   never summed in part. Its kind is the gravest of theirs (failed, then timed out, then
//   abstained), its reason says who gave which.
// - Components are those of all verifiers, as "NAME/COMPONENT", and each verifier's own score as
//   "NAME". Explanations are joined, costs added up, whatever the kinds.
// - Token rewards are scaled as the score is; that has a meaning only with a single verifier that
//   scores.
//
// A pure function.
#ifndef TPO_VERIFIER_ROUTING_COMBINE_H_
#define TPO_VERIFIER_ROUTING_COMBINE_H_

#include <cstddef>
#include <string>
#include <vector>

#include "core/run_spec.h"
#include "core/types.h"

namespace tpo {

// What one verifier said about the completions of a group.
struct Opinion {
  std::string verifier;
  VerifierRole role = VerifierRole::kScore;
  double weight = 1.0;            // not looked at for gates and products
  std::vector<Verdict> verdicts;  // [K], safe (SanitizeVerdicts)
};

// REQUIRES: at least one opinion scores; each has `completions` verdicts. A combined score that
// isn't finite becomes kFailed.
std::vector<Verdict> Combine(ScoreCombination combination, const std::vector<Opinion>& opinions,
                             size_t completions);

}  // namespace tpo

#endif  // TPO_VERIFIER_ROUTING_COMBINE_H_
