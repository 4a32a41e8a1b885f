// Scores answers to knights and knaves as Reasoning Gym does (knights_knaves.h), against the
// prompt's reference answer. Tasks: knights_knaves, knights_knaves/*. The whole text is the answer;
// the package itself judges what stands within <answer> tags (answer_tag "answer" of the config).
//
// kAbstained without a reference, kFailed where the reference gives nobody a role. Component:
// "right_share", the share of the reference's people whose role is right.
#ifndef TPO_VERIFIER_REASONING_GYM_KNIGHTS_KNAVES_VERIFIER_H_
#define TPO_VERIFIER_REASONING_GYM_KNIGHTS_KNAVES_VERIFIER_H_

#include <memory>

#include "core/verifier_api.h"

namespace tpo {

struct KnightsKnavesOptions {
  // Without, an answer that isn't right in full scores 0.
  bool partial_credit = true;
};

std::unique_ptr<VerifierApi> MakeKnightsKnavesVerifier(const KnightsKnavesOptions& options);

}  // namespace tpo

#endif  // TPO_VERIFIER_REASONING_GYM_KNIGHTS_KNAVES_VERIFIER_H_
