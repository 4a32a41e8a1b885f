// Scores 1 where a number of the completion equals the number that is the prompt's reference
// answer, within a tolerance, else 0. What a number is: number.h. Tasks: numeric, numeric/*.
//
// kAbstained without a reference, kFailed where the reference is no number. Component:
// "number_found", 1 or 0.
#ifndef TPO_VERIFIER_RULES_NUMERIC_VERIFIER_H_
#define TPO_VERIFIER_RULES_NUMERIC_VERIFIER_H_

#include <memory>

#include "absl/status/statusor.h"
#include "core/verifier_api.h"
#include "verifier/rules/number.h"

namespace tpo {

enum class NumberChoice { kFirst, kLast, kWholeText };

struct NumericOptions {
  NumberChoice number = NumberChoice::kLast;
  // Equal is what isn't further from the reference r than max(absolute, relative * |r|).
  double absolute_tolerance = 0;
  double relative_tolerance = 0;
  NumberSyntax syntax = {};
};

// INVALID_ARGUMENT: a tolerance is negative or not finite.
absl::StatusOr<std::unique_ptr<VerifierApi>> MakeNumericVerifier(const NumericOptions& options);

}  // namespace tpo

#endif  // TPO_VERIFIER_RULES_NUMERIC_VERIFIER_H_
