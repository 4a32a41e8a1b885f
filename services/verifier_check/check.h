// What one check is made of. For sources of this folder.
#ifndef TPO_SERVICES_VERIFIER_CHECK_CHECK_H_
#define TPO_SERVICES_VERIFIER_CHECK_CHECK_H_

#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/time/time.h"
#include "services/verifier_check/check_client.h"
#include "services/verifier_check/sample_group.h"
#include "services/verifier_check/verifier_check.h"

namespace tpo {

// What checks know when they begin.
struct CheckContext {
  CheckClient* client = nullptr;
  absl::Duration latency_slack;
  // Empty when the verifier doesn't describe itself.
  DescribeAnswer description;
  // At least four completions, all different.
  v1::VerifyRequest sample;
  // Whether the user gave it.
  bool own_example = false;
  // What the sample was answered with, once.
  VerifyAnswer sample_answer;
  std::string key_prefix;
  int keys = 0;

  // The request under a key of its own: different requests never share one.
  v1::VerifyRequest Fresh(v1::VerifyRequest request) {
    request.set_idempotency_key(absl::StrCat(key_prefix, "/", ++keys));
    return request;
  }
  VerifyAnswer Verify(const v1::VerifyRequest& request) { return client->Verify(Fresh(request)); }

  // Largest request that the verifier takes.
  size_t MaxRequestBytes() const;
};

struct CheckOutcome {
  CheckState state = CheckState::kOk;
  std::string sent;
  std::string answered;
  std::string remedy;

  static CheckOutcome Ok(std::string sent, std::string answered) {
    return {CheckState::kOk, std::move(sent), std::move(answered), ""};
  }
  static CheckOutcome Failed(std::string sent, std::string answered, std::string remedy) {
    return {CheckState::kFailed, std::move(sent), std::move(answered), std::move(remedy)};
  }
  static CheckOutcome Skipped(std::string why) {
    return {CheckState::kSkipped, "", std::move(why), ""};
  }
};

struct Check {
  const char* name;
  const char* demands;
  const char* contract;
  const char* source;
  // Whether it makes sense only with a verifier that answers the sample.
  bool needs_answer;
  CheckOutcome (*run)(CheckContext& context);
};

// All of them, in the order in which they run: those that may bring a server down come last.
const std::vector<Check>& CheckTable();

// checks_description.cc
CheckOutcome CheckHealth(CheckContext& context);
CheckOutcome CheckDescribe(CheckContext& context);
CheckOutcome CheckTasks(CheckContext& context);
CheckOutcome CheckUnknownTask(CheckContext& context);
// checks_verdicts.cc
CheckOutcome CheckAnswers(CheckContext& context);
CheckOutcome CheckCount(CheckContext& context);
CheckOutcome CheckOrder(CheckContext& context);
CheckOutcome CheckKinds(CheckContext& context);
CheckOutcome CheckNumbers(CheckContext& context);
CheckOutcome CheckTokenRewards(CheckContext& context);
// checks_content.cc
CheckOutcome CheckEmptyCompletion(CheckContext& context);
CheckOutcome CheckUnicode(CheckContext& context);
CheckOutcome CheckLongCompletion(CheckContext& context);
// checks_limits.cc
CheckOutcome CheckManyCompletions(CheckContext& context);
CheckOutcome CheckTooManyCompletions(CheckContext& context);
CheckOutcome CheckMalformedRequest(CheckContext& context);
CheckOutcome CheckOversizedRequest(CheckContext& context);
// checks_calls.cc
CheckOutcome CheckIdempotency(CheckContext& context);
CheckOutcome CheckConcurrency(CheckContext& context);
CheckOutcome CheckDeadline(CheckContext& context);
CheckOutcome CheckCancel(CheckContext& context);

// check_text.cc: for reports.
std::string Show(const grpc::Status& status);
std::string Show(const VerifyAnswer& answer);
std::string Show(const v1::Verdict& verdict);
// The code's name as the protocol spells it, e.g. "INVALID_ARGUMENT".
std::string CodeName(grpc::StatusCode code);

// Whether two verdicts say the same: kind, and score up to what arithmetic in another order does.
bool SameVerdict(const v1::Verdict& a, const v1::Verdict& b);

// Whether every completion has its verdict.
bool IsComplete(const v1::VerifyRequest& request, const VerifyAnswer& answer);

}  // namespace tpo

#endif  // TPO_SERVICES_VERIFIER_CHECK_CHECK_H_
