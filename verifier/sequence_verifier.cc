#include "verifier/sequence_verifier.h"

#include <algorithm>
#include <string>
#include <utility>

#include "absl/types/span.h"
#include "core/sequence_task.h"
#include "core/status_macros.h"

namespace tpo {
namespace {

size_t CorrectTokens(absl::Span<const TokenId> target, absl::Span<const TokenId> answer) {
  size_t correct = 0;
  for (size_t t = 0; t < std::min(target.size(), answer.size()); ++t) {
    correct += target[t] == answer[t] ? 1 : 0;
  }
  return correct;
}

Verdict Score(SequenceReward reward, absl::Span<const TokenId> target, const Completion& completion,
              bool want_token_rewards) {
  Verdict verdict = Verdict::Scored(SequenceScore(reward, target, completion.tokens));
  verdict.components["correct_tokens"] =
      static_cast<double>(CorrectTokens(target, completion.tokens));
  verdict.components["exact_match"] = target == absl::MakeConstSpan(completion.tokens) ? 1.0 : 0.0;
  if (!want_token_rewards) return verdict;
  if (completion.candidate_tokens.empty()) {
    verdict.token_rewards = SequenceTokenRewards(reward, target, completion.tokens);
    return verdict;
  }
  absl::StatusOr<std::vector<float>> rewards =
      SequenceCandidateRewards(reward, target, completion.tokens, completion.candidate_tokens);
  if (!rewards.ok()) {
    return Verdict::Unscored(VerdictKind::kFailed, std::string(rewards.status().message()));
  }
  verdict.token_rewards = *std::move(rewards);
  return verdict;
}

}  // namespace

absl::StatusOr<std::vector<Verdict>> SequenceVerifier::Verify(const VerifyRequest& request) {
  TPO_ASSIGN_OR_RETURN(const SequenceTaskKind kind, ParseSequenceTaskName(request.prompt.task));
  const std::vector<TokenId>& target = request.prompt.reference_tokens;
  if (target.empty()) {
    return absl::InvalidArgumentError("prompt.reference_tokens: empty; it has to hold the answer");
  }
  std::vector<Verdict> verdicts;
  verdicts.reserve(request.completions.size());
  for (const Completion& completion : request.completions) {
    verdicts.push_back(Score(kind.reward, target, completion, request.want_token_rewards));
  }
  return verdicts;
}

absl::StatusOr<VerifierDescription> SequenceVerifier::Describe() {
  return VerifierDescription{
      .verifier = "sequence", .version = "1", .tasks = {"sequence/*"}, .token_rewards = true};
}

}  // namespace tpo
