#include "verifier/rules/numeric_verifier.h"

#include <cmath>
#include <optional>
#include <string>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "verifier/rules/rule_verifier.h"

namespace tpo {
namespace {

bool IsTolerance(double value) { return std::isfinite(value) && value >= 0; }

std::optional<Number> AnswerOf(const std::string& text, const NumericOptions& options) {
  switch (options.number) {
    case NumberChoice::kFirst:
      return FirstNumber(text, options.syntax);
    case NumberChoice::kWholeText:
      return OnlyNumber(text, options.syntax);
    default:
      return LastNumber(text, options.syntax);
  }
}

Verdict Judge(const Number& reference, const std::string& text, const NumericOptions& options) {
  const std::optional<Number> answer = AnswerOf(text, options);
  Verdict verdict = Explained(0, "no number found");
  if (answer.has_value()) {
    const bool close =
        IsClose(*answer, reference, options.absolute_tolerance, options.relative_tolerance);
    verdict = Explained(close ? 1 : 0, absl::StrCat("answer ", ToText(*answer)));
  }
  verdict.components["number_found"] = answer.has_value() ? 1 : 0;
  return verdict;
}

}  // namespace

absl::StatusOr<std::unique_ptr<VerifierApi>> MakeNumericVerifier(const NumericOptions& options) {
  if (!IsTolerance(options.absolute_tolerance))
    return absl::InvalidArgumentError("numeric.absolute_tolerance: is negative or not finite");
  if (!IsTolerance(options.relative_tolerance))
    return absl::InvalidArgumentError("numeric.relative_tolerance: is negative or not finite");
  return MakeRuleVerifier("numeric", [options](const Prompt& prompt) -> PromptJudge {
    if (prompt.reference_answer.empty()) return WithoutReference();
    const std::optional<Number> reference = OnlyNumber(prompt.reference_answer, options.syntax);
    if (!reference.has_value())
      return BrokenReference("reference_answer", "is not a number and nothing else");
    return [reference = *reference, options](const Completion& completion) {
      return Judge(reference, completion.text, options);
    };
  });
}

}  // namespace tpo
