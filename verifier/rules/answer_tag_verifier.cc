#include "verifier/rules/answer_tag_verifier.h"

#include <optional>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "core/status_macros.h"
#include "verifier/rules/rule_verifier.h"
#include "verifier/rules/tag_text.h"

namespace tpo {
namespace {

class AnswerTagVerifier : public VerifierApi {
 public:
  AnswerTagVerifier(std::string tag, std::unique_ptr<VerifierApi> verifier)
      : tag_(std::move(tag)), verifier_(std::move(verifier)) {}

  absl::StatusOr<std::vector<Verdict>> Verify(const VerifyRequest& request) override {
    const Verdict without = WithoutTags(request.want_token_rewards);
    std::vector<Verdict> verdicts(request.completions.size(), without);
    VerifyRequest tagged = request;
    tagged.completions.clear();
    std::vector<size_t> places;
    for (size_t k = 0; k < request.completions.size(); ++k) {
      const auto within = TextWithin(request.completions[k].text, tag_);
      if (!within.has_value()) continue;
      tagged.completions.push_back(request.completions[k]);
      tagged.completions.back().text = std::string(*within);
      places.push_back(k);
    }
    if (places.empty()) return verdicts;
    TPO_ASSIGN_OR_RETURN(std::vector<Verdict> judged, verifier_->Verify(tagged));
    judged = SanitizeVerdicts(tagged, std::move(judged));
    for (size_t i = 0; i < places.size(); ++i) verdicts[places[i]] = std::move(judged[i]);
    return verdicts;
  }

  absl::StatusOr<VerifierDescription> Describe() override { return verifier_->Describe(); }
  std::optional<VerifierIdentity> JudgeOf(const std::string& task) const override {
    return verifier_->JudgeOf(task);
  }
  void Close() override { verifier_->Close(); }

 private:
  Verdict WithoutTags(bool want_token_rewards) const {
    const std::string why = absl::StrCat("there is no <", tag_, ">...</", tag_, ">");
    return want_token_rewards
               ? Verdict::Unscored(VerdictKind::kFailed, "want_token_rewards: " + why)
               : Explained(0, why);
  }

  const std::string tag_;
  const std::unique_ptr<VerifierApi> verifier_;
};

}  // namespace

absl::StatusOr<std::unique_ptr<VerifierApi>> MakeAnswerTagVerifier(
    std::string tag, std::unique_ptr<VerifierApi> verifier) {
  if (!IsTagName(tag)) {
    return absl::InvalidArgumentError(
        absl::StrCat("answer_tag: \"", tag, "\" can't be the name of a tag"));
  }
  return std::make_unique<AnswerTagVerifier>(std::move(tag), std::move(verifier));
}

}  // namespace tpo
