// Scores answers to mathematical questions: 1 for one that is mathematically equal to the prompt's
// reference_answer, else 0. Rules, limits and how far they agree with the package math-verify:
// docs/math_verifier.md.
//
// The reference is LaTeX ("\frac{1}{2}"), perhaps inside of a text with a box or dollar signs. The
// final answer is searched in the completion's text.
//
// Verdicts
//   scored 1   equal
//   scored 0   different; no answer found; an answer that can't be read, or is beyond the limits
//   abstained  there is no reference, or it can't be read: nobody can say what is right
//   failed     "expression too large": it couldn't be decided within the limits; scored 0 with
//              Options::zero_when_undecided, for training where a model could seek out such answers
//   timed out  the deadline passed, or the caller left, before this completion's turn
//
// Components: "answer_found" and "answer_read", 1 or 0. Cost: steps spent. The explanation names
// the answer that was found.
//
// Thread-safe: stateless. One answer takes bounded time and memory whatever its text: with the
// default limits under a second and 100 MB in all of tests/verifier/math/hostile_test.cc.
#ifndef TPO_VERIFIER_MATH_MATH_VERIFIER_H_
#define TPO_VERIFIER_MATH_MATH_VERIFIER_H_

#include <string>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"
#include "core/verifier_api.h"
#include "verifier/math/budget.h"

namespace tpo {

class MathVerifier : public VerifierApi {
 public:
  struct Options {
    std::vector<std::string> tasks = {"math", "math/*"};
    math::Limits limits = {};
    bool components = true;
    bool zero_when_undecided = false;
  };

  MathVerifier() = default;
  explicit MathVerifier(Options options) : options_(std::move(options)) {}

  // Never an error. Token rewards, when wanted, are FAILED.
  absl::StatusOr<std::vector<Verdict>> Verify(const VerifyRequest& request) override;

  absl::StatusOr<VerifierDescription> Describe() override;

 private:
  Verdict Score(const VerifyRequest& request, const Completion& completion) const;

  const Options options_ = {};
};

}  // namespace tpo

#endif  // TPO_VERIFIER_MATH_MATH_VERIFIER_H_
