// Scores a completion 1 when it equals the reference, else 0. Takes the tasks "exact_match/*".
//
// Text is compared where the prompt has a reference answer and the completion has text; tokens are
// compared where the prompt has reference tokens otherwise. A completion is kAbstained when there
// is nothing to compare: the prompt has no reference, or only one as text for a task on tokens. On
// a task with text an empty answer is wrong, not abstained from.
//
// Where token rewards are asked for, every token of a completion gets the score; a completion with
// candidates is kFailed, since nothing is known about a single candidate.
//
// Thread-safe: stateless. Takes well below a microsecond for a short answer.
#ifndef TPO_VERIFIER_EXACT_MATCH_VERIFIER_H_
#define TPO_VERIFIER_EXACT_MATCH_VERIFIER_H_

#include <string>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"
#include "core/verifier_api.h"

namespace tpo {

struct ExactMatchOptions {
  // Whether ASCII white space around answer and reference is left out.
  bool strip_whitespace = true;
  // Whether ASCII letters of either case are equal.
  bool ignore_case = false;
  // When it isn't empty, only what follows its last occurrence in the completion, up to the end of
  // the line, is compared; a completion without it is wrong. E.g. "####".
  std::string after = {};
};

class ExactMatchVerifier : public VerifierApi {
 public:
  using Options = ExactMatchOptions;

  explicit ExactMatchVerifier(Options options = Options()) : options_(std::move(options)) {}

  absl::StatusOr<std::vector<Verdict>> Verify(const VerifyRequest& request) override;
  absl::StatusOr<VerifierDescription> Describe() override;

 private:
  Verdict Judge(const Prompt& prompt, const Completion& completion) const;
  bool SameText(const std::string& answer, const std::string& reference) const;

  const Options options_;
};

}  // namespace tpo

#endif  // TPO_VERIFIER_EXACT_MATCH_VERIFIER_H_
