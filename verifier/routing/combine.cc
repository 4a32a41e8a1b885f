#include "verifier/routing/combine.h"

#include <algorithm>
#include <cmath>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"

namespace tpo {
namespace {

const char* KindName(VerdictKind kind) {
  switch (kind) {
    case VerdictKind::kAbstained:
      return "abstained";
    case VerdictKind::kTimedOut:
      return "timed out";
    default:
      return "failed";
  }
}

int Gravity(VerdictKind kind) {
  switch (kind) {
    case VerdictKind::kScored:
      return 0;
    case VerdictKind::kAbstained:
      return 1;
    case VerdictKind::kTimedOut:
      return 2;
    default:
      return 3;
  }
}

// The verdicts on one completion.
class CompletionOpinions {
 public:
  CompletionOpinions(ScoreCombination combination, const std::vector<Opinion>& opinions,
                     size_t completion)
      : combination_(combination), opinions_(opinions), completion_(completion) {}

  Verdict Combined() const {
    Verdict combined = UnscoredKind() == VerdictKind::kScored ? Scored() : Unscored();
    std::vector<std::string> explanations;
    for (const Opinion& opinion : opinions_) {
      const Verdict& verdict = Of(opinion);
      combined.cost += verdict.cost;
      if (!verdict.explanation.empty())
        explanations.push_back(absl::StrCat(opinion.verifier, ": ", verdict.explanation));
    }
    combined.explanation = absl::StrJoin(explanations, "\n");
    return combined;
  }

 private:
  const Verdict& Of(const Opinion& opinion) const { return opinion.verdicts[completion_]; }

  // The gravest kind; kScored when all are scored.
  VerdictKind UnscoredKind() const {
    VerdictKind gravest = VerdictKind::kScored;
    for (const Opinion& opinion : opinions_) {
      if (Gravity(Of(opinion).kind) > Gravity(gravest)) gravest = Of(opinion).kind;
    }
    return gravest;
  }

  Verdict Unscored() const {
    std::vector<std::string> reasons;
    for (const Opinion& opinion : opinions_) {
      const Verdict& verdict = Of(opinion);
      if (verdict.kind == VerdictKind::kScored) continue;
      reasons.push_back(absl::StrCat(opinion.verifier, " ", KindName(verdict.kind),
                                     verdict.reason.empty() ? "" : ": ", verdict.reason));
    }
    return Verdict::Unscored(UnscoredKind(), absl::StrJoin(reasons, "; "));
  }

  Verdict Scored() const {
    const bool product = combination_ == ScoreCombination::kProduct;
    const bool open = GatesAreOpen();
    Verdict combined = Verdict::Scored(product ? 1.0 : 0.0);
    for (const Opinion& opinion : opinions_) {
      const Verdict& verdict = Of(opinion);
      combined.components[opinion.verifier] = verdict.score;
      for (const auto& [name, value] : verdict.components)
        combined.components[absl::StrCat(opinion.verifier, "/", name)] = value;
      if (opinion.role == VerifierRole::kGate) continue;
      const double weight = product ? 1.0 : opinion.weight;
      if (product) {
        combined.score *= verdict.score;
      } else {
        combined.score += weight * verdict.score;
      }
      combined.token_rewards = verdict.token_rewards;
      for (float& reward : combined.token_rewards)
        reward = open ? static_cast<float>(weight * reward) : 0.0F;
    }
    if (!open) combined.score = 0.0;
    if (std::isfinite(combined.score)) return combined;
    return Verdict::Unscored(VerdictKind::kFailed, "the combined score isn't finite");
  }

  bool GatesAreOpen() const {
    return std::all_of(opinions_.begin(), opinions_.end(), [this](const Opinion& opinion) {
      return opinion.role != VerifierRole::kGate || Of(opinion).score > 0.0;
    });
  }

  const ScoreCombination combination_;
  const std::vector<Opinion>& opinions_;
  const size_t completion_;
};

}  // namespace

std::vector<Verdict> Combine(ScoreCombination combination, const std::vector<Opinion>& opinions,
                             size_t completions) {
  std::vector<Verdict> combined;
  combined.reserve(completions);
  for (size_t k = 0; k < completions; ++k)
    combined.push_back(CompletionOpinions(combination, opinions, k).Combined());
  return combined;
}

}  // namespace tpo
