#include <vector>

#include "services/verifier_check/check.h"

namespace tpo {
namespace {

constexpr char kVerify[] = "verifier.proto, VerifierService.Verify";
constexpr char kVerdicts[] = "verifier.proto, VerifyResponse.verdicts";
constexpr char kCompletions[] = "verifier.proto, VerifyRequest.completions";
constexpr char kMaxCompletions[] = "verifier.proto, DescribeResponse.max_completions";
constexpr char kOneFailure[] =
    "What fails for one completion is its verdict: FAILED, TIMED_OUT or ABSTAINED, with a reason, "
    "and never a score; the others of the group are trained on without it.";

}  // namespace

const std::vector<Check>& CheckTable() {
  static const auto* const kTable = new std::vector<Check>{
      {"health", "The standard health service says SERVING.",
       "\"\" the server: while it isn't SERVING, workers send nothing", "verifier.proto, Health",
       false, CheckHealth},
      {"describe", "Describe names the verifier and its tasks, with sane limits.",
       "Task names it scores; a trailing '*' matches any rest, and has no meaning elsewhere. At "
       "least one.",
       "verifier.proto, DescribeResponse.tasks", false, CheckDescribe},
      {"answers", "An ordinary group is answered.",
       "Scores all completions of one prompt: one verdict each, in their order, in one answer.",
       kVerify, false, CheckAnswers},
      {"tasks", "Every task that Describe names is answered.", "Says what this verifier serves.",
       "verifier.proto, VerifierService.Describe", true, CheckTasks},
      {"count", "There are as many verdicts as completions.",
       "One per completion of the request, in the same order. Any other count fails the whole "
       "group.",
       kVerdicts, true, CheckCount},
      {"order", "Verdicts stand in the order of the completions.",
       "One per completion of the request, in the same order.", kVerdicts, true, CheckOrder},
      {"kinds", "Every verdict has a kind, every failure a reason.",
       "the zero value of every enum is `_UNSPECIFIED` and is refused by the receiver",
       "types.proto, rules of the package", true, CheckKinds},
      {"numbers", "Scores, components and costs are finite.",
       "a non-finite number (NaN, infinity) anywhere is refused by the receiver with the field's "
       "name",
       "types.proto, rules of the package", true, CheckNumbers},
      {"token_rewards", "Token rewards come when they are wanted, one per token.",
       "Asks for `token_rewards` in each SCORED verdict; a verifier that can't give them answers "
       "FAILED.",
       "verifier.proto, VerifyRequest.want_token_rewards", true, CheckTokenRewards},
      {"empty_completion", "An empty completion gets a verdict.",
       "A completion may be empty: no tokens, no text.", kCompletions, true, CheckEmptyCompletion},
      {"unicode", "Text of any script, and control characters, get verdicts.", kOneFailure, kVerify,
       true, CheckUnicode},
      {"long_completion", "A completion of 10,000 tokens gets a verdict.", kOneFailure, kVerify,
       true, CheckLongCompletion},
      {"many_completions", "The largest group that Describe promises is scored.",
       "Most completions in one request; 0: no limit.", kMaxCompletions, true,
       CheckManyCompletions},
      {"too_many_completions", "A group over the described limit is refused.",
       "More are INVALID_ARGUMENT.", kMaxCompletions, true, CheckTooManyCompletions},
      {"malformed_request", "Requests without prompt or completions are refused.",
       "INVALID_ARGUMENT this request can never be served", kVerify, true, CheckMalformedRequest},
      {"unknown_task", "A task that Describe doesn't name is never scored.",
       "The verifier declines to judge (e.g. not its task).",
       "types.proto, VerdictKind.VERDICT_KIND_ABSTAINED", true, CheckUnknownTask},
      {"idempotency", "The same request gives the same verdicts.",
       "So a call changes nothing that others can see, and the same request should get the same "
       "verdicts.",
       kVerify, true, CheckIdempotency},
      {"concurrency", "32 calls at once are answered as each one alone.",
       "Calls are independent of each other, come in any order, and many at a time: up to 64 from "
       "each worker.",
       kVerify, true, CheckConcurrency},
      {"deadline", "Calls whose deadline passes leave the verifier as it was.",
       "The call's gRPC deadline is when the caller stops waiting, for all attempts together",
       kVerify, true, CheckDeadline},
      {"cancel", "Cancelled calls don't keep the next ones waiting.",
       "A call is cancelled when nobody waits for it any longer", kVerify, true, CheckCancel},
      {"oversized_request", "A request over the described size is refused and survived.",
       "Largest request in bytes; 0: gRPC's own limit.",
       "verifier.proto, DescribeResponse.max_request_bytes", true, CheckOversizedRequest},
  };
  return *kTable;
}

}  // namespace tpo
