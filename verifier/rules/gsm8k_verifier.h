// Scores 1 where the final answer of a completion is that of a GSM8K reference, else 0. Tasks:
// gsm8k, gsm8k/*.
//
// The rules are those of lm-evaluation-harness (lm_eval/tasks/gsm8k/gsm8k.yaml, version 3.0 of the
// task, lm_eval 0.4.13), so that scores are those that the field reports:
//
//   strict    the first "#### X", where X is digits, points and commas, perhaps with a minus
//   flexible  the last run of two or more digits, $, points and commas, perhaps with a minus, or
//             else of one digit; so "..." at the very end is taken for an answer, and is wrong
//
// Answers are compared as texts, after commas, dollar signs, all up to the last "#### " and one
// full stop at the end are taken away: 42.0 isn't 42. The reference may be a whole GSM8K solution
// that ends with "#### 42", or 42 alone.
//
// kAbstained without a reference, kFailed where no digit is left of it. Components: "strict" and
// "flexible", the score by either rule.
#ifndef TPO_VERIFIER_RULES_GSM8K_VERIFIER_H_
#define TPO_VERIFIER_RULES_GSM8K_VERIFIER_H_

#include <memory>

#include "core/verifier_api.h"

namespace tpo {

enum class Gsm8kAnswer { kStrict, kFlexible };

std::unique_ptr<VerifierApi> MakeGsm8kVerifier(Gsm8kAnswer answer);

}  // namespace tpo

#endif  // TPO_VERIFIER_RULES_GSM8K_VERIFIER_H_
