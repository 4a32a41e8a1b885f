// Several verifiers in one: each judges every completion, one verifier after the other, and their
// verdicts become one by the rules by which workers combine those of several services
// (verifier/routing/combine.h): weighted sum or product, gates, components "NAME" and
// "NAME/COMPONENT", no score where one of them gave none.
//
// Tasks: composite, composite/*. Thread-safe.
#ifndef TPO_VERIFIER_RULES_COMPOSITE_VERIFIER_H_
#define TPO_VERIFIER_RULES_COMPOSITE_VERIFIER_H_

#include <memory>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "core/run_spec.h"
#include "core/verifier_api.h"

namespace tpo {

struct CompositePart {
  std::string name;  // different for each
  VerifierRole role = VerifierRole::kScore;
  double weight = 1;  // not looked at for gates and products
  std::unique_ptr<VerifierApi> verifier;
};

// INVALID_ARGUMENT: no part scores; a name is empty or there twice. The verifier's own errors on a
// group are those of its parts, with the part's name before them. Token rewards can only come from
// a part that is the only one to score; else completions are kFailed where they are wanted.
absl::StatusOr<std::unique_ptr<VerifierApi>> MakeCompositeVerifier(std::vector<CompositePart> parts,
                                                                   ScoreCombination combination);

}  // namespace tpo

#endif  // TPO_VERIFIER_RULES_COMPOSITE_VERIFIER_H_
