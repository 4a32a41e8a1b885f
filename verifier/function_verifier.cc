#include "verifier/function_verifier.h"

#include <string>
#include <utility>

#include "absl/time/clock.h"
#include "core/verifier_exception.h"

namespace tpo {
namespace {

class FunctionVerifier : public VerifierApi {
 public:
  FunctionVerifier(VerifierDescription description, GroupFunction function)
      : description_(std::move(description)), function_(std::move(function)) {}

  absl::StatusOr<std::vector<Verdict>> Verify(const VerifyRequest& request) override {
    try {
      return function_(request);
    } catch (...) {
      return absl::InternalError(DescribeVerifierException());
    }
  }
  absl::StatusOr<VerifierDescription> Describe() override { return description_; }

 private:
  const VerifierDescription description_;
  const GroupFunction function_;
};

Verdict Judge(const VerdictFunction& function, const Prompt& prompt, const Completion& completion) {
  try {
    return function(prompt, completion);
  } catch (...) {
    return Verdict::Unscored(VerdictKind::kFailed, DescribeVerifierException());
  }
}

absl::StatusOr<std::vector<Verdict>> JudgeOneByOne(const VerdictFunction& function,
                                                   const VerifyRequest& request) {
  const bool has_deadline = request.deadline != absl::InfiniteFuture();
  std::vector<Verdict> verdicts;
  verdicts.reserve(request.completions.size());
  for (const Completion& completion : request.completions) {
    if (request.cancelled && request.cancelled())
      return absl::CancelledError("the caller left while the group was judged");
    if (has_deadline && absl::Now() >= request.deadline) {
      verdicts.push_back(Verdict::Unscored(VerdictKind::kTimedOut,
                                           "the deadline passed before the completion's turn"));
    } else {
      verdicts.push_back(Judge(function, request.prompt, completion));
    }
  }
  return verdicts;
}

}  // namespace

std::unique_ptr<VerifierApi> MakeGroupVerifier(VerifierDescription description,
                                               GroupFunction function) {
  return std::make_unique<FunctionVerifier>(std::move(description), std::move(function));
}

std::unique_ptr<VerifierApi> MakeCompletionVerifier(VerifierDescription description,
                                                    VerdictFunction function) {
  return MakeGroupVerifier(std::move(description),
                           [function = std::move(function)](const VerifyRequest& request) {
                             return JudgeOneByOne(function, request);
                           });
}

std::unique_ptr<VerifierApi> MakeCompletionVerifier(VerifierDescription description,
                                                    ScoreFunction function) {
  return MakeCompletionVerifier(
      std::move(description),
      VerdictFunction(
          [function = std::move(function)](const Prompt& prompt, const Completion& completion) {
            const std::optional<double> score = function(prompt, completion);
            return score.has_value()
                       ? Verdict::Scored(*score)
                       : Verdict::Unscored(VerdictKind::kAbstained, "the verifier gave no score");
          }));
}

}  // namespace tpo
