#include "verifier/rules/rule_verifier.h"

#include <exception>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"

namespace tpo {
namespace {

constexpr size_t kLongestExplanation = 200;

std::vector<Verdict> ForAll(const VerifyRequest& request, const Verdict& verdict) {
  return std::vector<Verdict>(request.completions.size(), verdict);
}

class RuleVerifier : public VerifierApi {
 public:
  RuleVerifier(std::string kind, Rule rule) : kind_(std::move(kind)), rule_(std::move(rule)) {}

  absl::StatusOr<std::vector<Verdict>> Verify(const VerifyRequest& request) override {
    if (request.want_token_rewards) {
      return ForAll(request,
                    Verdict::Unscored(VerdictKind::kFailed,
                                      absl::StrCat("want_token_rewards: ", kind_,
                                                   " judges whole completions; it has none")));
    }
    try {
      const PromptJudge judge = rule_(request.prompt);
      if (const auto* verdict = std::get_if<Verdict>(&judge)) return ForAll(request, *verdict);
      return JudgeEach(request, std::get<CompletionJudge>(judge));
    } catch (const std::exception& error) {
      return absl::InternalError(absl::StrCat(kind_, ": ", error.what()));
    }
  }

  absl::StatusOr<VerifierDescription> Describe() override {
    return VerifierDescription{
        .verifier = kind_, .version = "1", .tasks = {kind_, kind_ + "/*"}, .token_rewards = false};
  }

 private:
  static absl::StatusOr<std::vector<Verdict>> JudgeEach(const VerifyRequest& request,
                                                        const CompletionJudge& judge) {
    const bool has_deadline = request.deadline != absl::InfiniteFuture();
    std::vector<Verdict> verdicts;
    verdicts.reserve(request.completions.size());
    for (const Completion& completion : request.completions) {
      if (request.cancelled && request.cancelled())
        return absl::CancelledError("the caller left while the group was judged");
      verdicts.push_back(has_deadline && absl::Now() >= request.deadline
                             ? Verdict::Unscored(VerdictKind::kTimedOut,
                                                 "the deadline passed before the completion's turn")
                             : judge(completion));
    }
    return verdicts;
  }

  const std::string kind_;
  const Rule rule_;
};

}  // namespace

std::unique_ptr<VerifierApi> MakeRuleVerifier(std::string kind, Rule rule) {
  return std::make_unique<RuleVerifier>(std::move(kind), std::move(rule));
}

Verdict WithoutReference() {
  return Verdict::Unscored(VerdictKind::kAbstained,
                           "prompt.reference_answer: empty; it has to hold the answer");
}

Verdict BrokenReference(const std::string& where, const std::string& why) {
  return Verdict::Unscored(VerdictKind::kFailed, absl::StrCat("prompt.", where, ": ", why));
}

Verdict Explained(double score, const std::string& explanation) {
  Verdict verdict = Verdict::Scored(score);
  verdict.explanation = explanation.substr(0, kLongestExplanation);
  for (char& c : verdict.explanation) {
    if (c < 0x20 || c > 0x7e) c = '?';
  }
  return verdict;
}

}  // namespace tpo
