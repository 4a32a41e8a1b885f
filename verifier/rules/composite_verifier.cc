#include "verifier/rules/composite_verifier.h"

#include <algorithm>
#include <set>
#include <utility>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "core/status_macros.h"
#include "verifier/routing/combine.h"

namespace tpo {
namespace {

class CompositeVerifier : public VerifierApi {
 public:
  CompositeVerifier(std::vector<CompositePart> parts, ScoreCombination combination)
      : parts_(std::move(parts)), combination_(combination) {}

  absl::StatusOr<std::vector<Verdict>> Verify(const VerifyRequest& request) override {
    if (request.want_token_rewards && ScoringParts() > 1) {
      return std::vector<Verdict>(
          request.completions.size(),
          Verdict::Unscored(VerdictKind::kFailed,
                            "want_token_rewards: several parts score; it has none"));
    }
    std::vector<Opinion> opinions;
    for (const CompositePart& part : parts_) {
      TPO_ASSIGN_OR_RETURN(std::vector<Verdict> verdicts, Ask(part, request));
      opinions.push_back({.verifier = part.name,
                          .role = part.role,
                          .weight = part.weight,
                          .verdicts = std::move(verdicts)});
    }
    return Combine(combination_, opinions, request.completions.size());
  }

  absl::StatusOr<VerifierDescription> Describe() override {
    VerifierDescription description{.verifier = "composite",
                                    .version = "1",
                                    .tasks = {"composite", "composite/*"},
                                    .token_rewards = ScoringParts() == 1};
    for (const CompositePart& part : parts_) {
      TPO_ASSIGN_OR_RETURN(const VerifierDescription one, part.verifier->Describe());
      if (part.role == VerifierRole::kScore)
        description.token_rewards = description.token_rewards && one.token_rewards;
      description.max_completions = LesserLimit(description.max_completions, one.max_completions);
      description.max_request_bytes =
          LesserLimit(description.max_request_bytes, one.max_request_bytes);
      description.typical_latency += one.typical_latency;
    }
    return description;
  }

  void Close() override {
    for (const CompositePart& part : parts_) part.verifier->Close();
  }

 private:
  int64_t ScoringParts() const {
    return std::count_if(parts_.begin(), parts_.end(), [](const CompositePart& part) {
      return part.role == VerifierRole::kScore;
    });
  }

  // Its verdicts, made safe. Gates judge whole completions, whatever is wanted.
  static absl::StatusOr<std::vector<Verdict>> Ask(const CompositePart& part,
                                                  const VerifyRequest& request) {
    const VerifyRequest* asked = &request;
    VerifyRequest for_gate;
    if (part.role == VerifierRole::kGate && request.want_token_rewards) {
      for_gate = request;
      for_gate.want_token_rewards = false;
      asked = &for_gate;
    }
    absl::StatusOr<std::vector<Verdict>> verdicts = part.verifier->Verify(*asked);
    if (verdicts.ok()) return SanitizeVerdicts(*asked, *std::move(verdicts));
    return absl::Status(verdicts.status().code(),
                        absl::StrCat(part.name, ": ", verdicts.status().message()));
  }

  const std::vector<CompositePart> parts_;
  const ScoreCombination combination_;
};

}  // namespace

absl::StatusOr<std::unique_ptr<VerifierApi>> MakeCompositeVerifier(std::vector<CompositePart> parts,
                                                                   ScoreCombination combination) {
  std::set<std::string> names;
  bool scores = false;
  for (size_t i = 0; i < parts.size(); ++i) {
    if (parts[i].name.empty() || !names.insert(parts[i].name).second) {
      return absl::InvalidArgumentError(
          absl::StrCat("composite.parts[", i, "].name: \"", parts[i].name,
                       "\" is empty, or the name of another part; give each a name of its own"));
    }
    scores = scores || parts[i].role == VerifierRole::kScore;
  }
  if (!scores)
    return absl::InvalidArgumentError("composite.parts: has no part that scores; all are gates");
  return std::make_unique<CompositeVerifier>(std::move(parts), combination);
}

}  // namespace tpo
