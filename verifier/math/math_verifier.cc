#include "verifier/math/math_verifier.h"

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "verifier/math/judge.h"

namespace tpo {

absl::StatusOr<std::vector<Verdict>> MathVerifier::Verify(const VerifyRequest& request) {
  if (request.prompt.reference_answer.empty()) {
    return std::vector<Verdict>(
        request.completions.size(),
        Verdict::Unscored(VerdictKind::kAbstained, "the prompt has no reference to compare with"));
  }
  if (request.want_token_rewards) {
    return std::vector<Verdict>(
        request.completions.size(),
        Verdict::Unscored(VerdictKind::kFailed,
                          "want_token_rewards: a final answer has no token rewards"));
  }
  std::vector<Verdict> verdicts;
  verdicts.reserve(request.completions.size());
  for (const Completion& completion : request.completions) {
    verdicts.push_back(Score(request, completion));
  }
  return verdicts;
}

Verdict MathVerifier::Score(const VerifyRequest& request, const Completion& completion) const {
  if (absl::Now() >= request.deadline || (request.cancelled && request.cancelled())) {
    return Verdict::Unscored(VerdictKind::kTimedOut, "the caller no longer waits");
  }
  const math::Ruling ruling =
      math::Judge(request.prompt.reference_answer, completion.text, options_.limits);
  Verdict verdict;
  switch (ruling.judgement) {
    case math::Judgement::kEqual:
      verdict = Verdict::Scored(1.0);
      break;
    case math::Judgement::kDifferent:
      verdict = Verdict::Scored(0.0);
      break;
    case math::Judgement::kUnreadableReference:
      return Verdict::Unscored(
          VerdictKind::kAbstained,
          absl::StrCat("prompt.reference_answer can't be read: ", ruling.explanation));
    case math::Judgement::kTooLarge:
      if (!options_.zero_when_undecided) {
        return Verdict::Unscored(VerdictKind::kFailed, ruling.explanation);
      }
      verdict = Verdict::Scored(0.0);
      break;
  }
  if (options_.components) {
    verdict.components["answer_found"] = ruling.answer_found ? 1.0 : 0.0;
    verdict.components["answer_read"] = ruling.answer_read ? 1.0 : 0.0;
  }
  verdict.cost = static_cast<double>(ruling.steps);
  verdict.explanation = ruling.explanation;
  return verdict;
}

absl::StatusOr<VerifierDescription> MathVerifier::Describe() {
  return VerifierDescription{
      .verifier = "math", .version = "1", .tasks = options_.tasks, .token_rewards = false};
}

}  // namespace tpo
