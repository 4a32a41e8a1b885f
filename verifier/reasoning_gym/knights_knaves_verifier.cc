#include "verifier/reasoning_gym/knights_knaves_verifier.h"

#include <algorithm>
#include <utility>

#include "verifier/reasoning_gym/knights_knaves.h"
#include "verifier/rules/rule_verifier.h"

namespace tpo {
namespace {

Verdict Judge(const RoleAssignments& reference, const std::string& text, bool partial_credit) {
  const RoleAssignments answer = ParseRoleAssignments(text);
  const auto right = std::count_if(reference.begin(), reference.end(), [&](const auto& assignment) {
    return answer.contains(assignment);
  });
  Verdict verdict = Verdict::Scored(ScoreRoleAssignments(reference, answer, partial_credit));
  verdict.components["right_share"] =
      static_cast<double>(right) / static_cast<double>(reference.size());
  return verdict;
}

}  // namespace

std::unique_ptr<VerifierApi> MakeKnightsKnavesVerifier(const KnightsKnavesOptions& options) {
  return MakeRuleVerifier("knights_knaves", [options](const Prompt& prompt) -> PromptJudge {
    if (prompt.reference_answer.empty()) return WithoutReference();
    RoleAssignments reference = ParseRoleAssignments(prompt.reference_answer);
    if (reference.empty())
      return BrokenReference("reference_answer", "gives nobody a role (NAME is a knight)");
    return [reference = std::move(reference), options](const Completion& completion) {
      return Judge(reference, completion.text, options.partial_credit);
    };
  });
}

}  // namespace tpo
