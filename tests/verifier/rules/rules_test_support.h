// Requests to verifiers of verifier/rules and their verdicts.
#ifndef TPO_TESTS_VERIFIER_RULES_RULES_TEST_SUPPORT_H_
#define TPO_TESTS_VERIFIER_RULES_RULES_TEST_SUPPORT_H_

#include <memory>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "core/verifier_api.h"
#include "tests/core/core_test_support.h"

namespace tpo {

inline VerifyRequest TextRequest(const std::string& reference,
                                 const std::vector<std::string>& answers) {
  VerifyRequest request;
  request.prompt.task = "task";
  request.prompt.text = "a prompt";
  request.prompt.reference_answer = reference;
  for (const std::string& answer : answers) {
    request.completions.push_back(MakeCompletion({1, 2}, 0));
    request.completions.back().text = answer;
  }
  return request;
}

// The verdict on one answer, as it goes out.
inline Verdict VerdictOn(VerifierApi* verifier, const std::string& reference,
                         const std::string& answer) {
  const VerifyRequest request = TextRequest(reference, {answer});
  auto verdicts = verifier->Verify(request);
  EXPECT_TRUE(verdicts.ok()) << verdicts.status();
  return SanitizeVerdicts(request, *std::move(verdicts)).front();
}

// Its score; -99 where it has none.
inline double ScoreOf(VerifierApi* verifier, const std::string& reference,
                      const std::string& answer) {
  const Verdict verdict = VerdictOn(verifier, reference, answer);
  EXPECT_EQ(verdict.kind, VerdictKind::kScored) << verdict.reason;
  return verdict.kind == VerdictKind::kScored ? verdict.score : -99;
}

// For verifiers that judge texts by themselves.
inline double ScoreOf(VerifierApi* verifier, const std::string& answer) {
  return ScoreOf(verifier, "", answer);
}

}  // namespace tpo

#endif  // TPO_TESTS_VERIFIER_RULES_RULES_TEST_SUPPORT_H_
