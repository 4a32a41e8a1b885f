#include "verifier/exact_match_verifier.h"

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/string_view.h"

namespace tpo {
namespace {

Verdict Abstained(const char* reason) { return Verdict::Unscored(VerdictKind::kAbstained, reason); }

// Gives each token its reward.
Verdict WithTokenRewards(Verdict verdict, const Completion& completion) {
  if (verdict.kind != VerdictKind::kScored) return verdict;
  if (!completion.candidate_tokens.empty()) {
    return Verdict::Unscored(VerdictKind::kFailed,
                             "an exact match says nothing about a single candidate token");
  }
  verdict.token_rewards.assign(completion.tokens.size(), static_cast<float>(verdict.score));
  return verdict;
}

}  // namespace

absl::StatusOr<std::vector<Verdict>> ExactMatchVerifier::Verify(const VerifyRequest& request) {
  std::vector<Verdict> verdicts;
  verdicts.reserve(request.completions.size());
  for (const Completion& completion : request.completions) {
    Verdict verdict = Judge(request.prompt, completion);
    verdicts.push_back(request.want_token_rewards ? WithTokenRewards(std::move(verdict), completion)
                                                  : std::move(verdict));
  }
  return verdicts;
}

absl::StatusOr<VerifierDescription> ExactMatchVerifier::Describe() {
  return VerifierDescription{
      .verifier = "exact_match", .version = "1", .tasks = {"exact_match/*"}, .token_rewards = true};
}

Verdict ExactMatchVerifier::Judge(const Prompt& prompt, const Completion& completion) const {
  const bool on_text = !completion.text.empty() || !prompt.text.empty();
  if (!prompt.reference_answer.empty() && on_text)
    return Verdict::Scored(SameText(completion.text, prompt.reference_answer) ? 1.0 : 0.0);
  if (!prompt.reference_tokens.empty())
    return Verdict::Scored(completion.tokens == prompt.reference_tokens ? 1.0 : 0.0);
  return prompt.reference_answer.empty()
             ? Abstained("the prompt has no reference to compare with")
             : Abstained("the reference is text, and the completion has tokens only");
}

bool ExactMatchVerifier::SameText(const std::string& answer, const std::string& reference) const {
  absl::string_view given = answer;
  absl::string_view wanted = reference;
  if (!options_.after.empty()) {
    const size_t mark = given.rfind(options_.after);
    if (mark == absl::string_view::npos) return false;
    given.remove_prefix(mark + options_.after.size());
    given = given.substr(0, given.find('\n'));
  }
  if (options_.strip_whitespace) {
    given = absl::StripAsciiWhitespace(given);
    wanted = absl::StripAsciiWhitespace(wanted);
  }
  return options_.ignore_case ? absl::EqualsIgnoreCase(given, wanted) : given == wanted;
}

}  // namespace tpo
