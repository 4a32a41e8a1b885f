// Scores the sequence tasks, "sequence/*" (core/sequence_task.h), from the request alone: the
// task's name says how, the prompt's reference_tokens say what is right.
//
// Components: "correct_tokens", positions that hold the wanted token; "exact_match", 1 or 0. Gives
// a reward per token, or per candidate token where a completion carries candidates; the score
// doesn't depend on candidates. A terminal reward has none per candidate: such a completion is
// kFailed.
//
// Thread-safe: stateless.
#ifndef TPO_VERIFIER_SEQUENCE_VERIFIER_H_
#define TPO_VERIFIER_SEQUENCE_VERIFIER_H_

#include <vector>

#include "absl/status/statusor.h"
#include "core/verifier_api.h"

namespace tpo {

class SequenceVerifier : public VerifierApi {
 public:
  // INVALID_ARGUMENT: the task isn't a sequence task, or prompt.reference_tokens is empty.
  absl::StatusOr<std::vector<Verdict>> Verify(const VerifyRequest& request) override;

  absl::StatusOr<VerifierDescription> Describe() override;
};

}  // namespace tpo

#endif  // TPO_VERIFIER_SEQUENCE_VERIFIER_H_
