// Verifiers made of a function, for those who don't want to write a class.
//
//   auto verifier = MakeCompletionVerifier(
//       {.verifier = "length", .version = "1", .tasks = {"*"}},
//       [](const Prompt&, const Completion& completion) -> std::optional<double> {
//         return static_cast<double>(completion.text.size());
//       });
//
// The function is called on many threads at a time and is the verifier's own from then on. It may
// throw: that fails what it was called for, with the exception's text as the reason.
#ifndef TPO_VERIFIER_FUNCTION_VERIFIER_H_
#define TPO_VERIFIER_FUNCTION_VERIFIER_H_

#include <functional>
#include <memory>
#include <optional>
#include <vector>

#include "absl/status/statusor.h"
#include "core/verifier_api.h"

namespace tpo {

// Scores a group: one verdict per completion, in order (VerifierApi::Verify).
using GroupFunction = std::function<absl::StatusOr<std::vector<Verdict>>(const VerifyRequest&)>;

// Judges one completion.
using VerdictFunction = std::function<Verdict(const Prompt&, const Completion&)>;

// Scores one completion; no value: it abstains.
using ScoreFunction = std::function<std::optional<double>(const Prompt&, const Completion&)>;

std::unique_ptr<VerifierApi> MakeGroupVerifier(VerifierDescription description,
                                               GroupFunction function);

// Called for one completion of a group after the other. Once the request's deadline is over the
// rest of the group is kTimedOut; a group whose caller has gone ends with CANCELLED.
std::unique_ptr<VerifierApi> MakeCompletionVerifier(VerifierDescription description,
                                                    VerdictFunction function);
std::unique_ptr<VerifierApi> MakeCompletionVerifier(VerifierDescription description,
                                                    ScoreFunction function);

}  // namespace tpo

#endif  // TPO_VERIFIER_FUNCTION_VERIFIER_H_
