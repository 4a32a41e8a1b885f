// Requests at the edge of what the verifier takes, and beyond.
#include <algorithm>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "services/verifier_check/check.h"

namespace tpo {
namespace {

// Larger groups than this are not tried, however many it describes.
constexpr int kMostCompletions = 16'384;
// Asked for where no limit is described.
constexpr int kManyCompletions = 1'024;
// What gRPC takes unless it is told otherwise.
constexpr size_t kUsualMessageBytes = 4 << 20;
// Larger requests would take more memory here than a check is worth.
constexpr size_t kLargestRequestBytes = size_t{1} << 30;

bool IsRefused(const VerifyAnswer& answer) {
  return answer.code() == grpc::StatusCode::INVALID_ARGUMENT;
}

// The group of up to `count` completions that the size limit allows.
v1::VerifyRequest LargestGroup(const CheckContext& context, int count) {
  v1::VerifyRequest request = Resize(context.sample, count);
  while (count > 1 && request.ByteSizeLong() > context.MaxRequestBytes()) {
    count /= 2;
    request = Resize(context.sample, count);
  }
  return request;
}

}  // namespace

size_t CheckContext::MaxRequestBytes() const {
  const uint64_t described = description.response.max_request_bytes();
  return described == 0 ? kUsualMessageBytes : described;
}

CheckOutcome CheckManyCompletions(CheckContext& context) {
  if (!context.description.status.ok()) return CheckOutcome::Skipped("it doesn't describe itself");
  const uint32_t most = context.description.response.max_completions();
  const int count =
      most == 0 ? kManyCompletions : static_cast<int>(std::min<uint32_t>(most, kMostCompletions));
  const v1::VerifyRequest request = LargestGroup(context, count);
  const VerifyAnswer answer = context.Verify(request);
  const std::string sent =
      absl::StrCat("a group of ", request.completions_size(), " (max_completions is ",
                   most == 0 ? std::string("0: no limit") : absl::StrCat(most), "), ",
                   request.ByteSizeLong(), " bytes");
  if (IsComplete(request, answer)) return CheckOutcome::Ok(sent, Show(answer));
  return CheckOutcome::Failed(sent, Show(answer),
                              "score as many as Describe promises, or describe max_completions as "
                              "what it can take");
}

CheckOutcome CheckTooManyCompletions(CheckContext& context) {
  const uint32_t most = context.description.response.max_completions();
  if (most == 0) return CheckOutcome::Skipped("it describes no limit");
  if (most > kMostCompletions)
    return CheckOutcome::Skipped(absl::StrCat("its limit of ", most, " is not worth the trial"));
  const v1::VerifyRequest request = Resize(context.sample, static_cast<int>(most) + 1);
  if (request.ByteSizeLong() > context.MaxRequestBytes())
    return CheckOutcome::Skipped("such a request would be over max_request_bytes, too");
  const VerifyAnswer answer = context.Verify(request);
  const std::string sent =
      absl::StrCat("a group of ", request.completions_size(), " where max_completions is ", most);
  if (IsRefused(answer)) return CheckOutcome::Ok(sent, Show(answer));
  return CheckOutcome::Failed(sent, Show(answer),
                              "answer INVALID_ARGUMENT, which nobody retries, for more completions "
                              "than Describe promises");
}

CheckOutcome CheckMalformedRequest(CheckContext& context) {
  v1::VerifyRequest no_completions = context.sample;
  no_completions.clear_completions();
  v1::VerifyRequest no_prompt = context.sample;
  no_prompt.clear_prompt();
  const std::vector<std::pair<std::string, v1::VerifyRequest>> requests = {
      {"the sample without completions", no_completions}, {"the sample without prompt", no_prompt}};
  std::string shown;
  for (const auto& [sent, request] : requests) {
    const VerifyAnswer answer = context.Verify(request);
    if (!IsRefused(answer)) {
      return CheckOutcome::Failed(sent, Show(answer),
                                  "answer INVALID_ARGUMENT and name the field that is missing");
    }
    absl::StrAppend(&shown, shown.empty() ? "" : "; ", Show(answer));
  }
  return CheckOutcome::Ok("the sample without completions, then without prompt", shown);
}

CheckOutcome CheckOversizedRequest(CheckContext& context) {
  const uint64_t limit = context.description.response.max_request_bytes();
  if (limit == 0) return CheckOutcome::Skipped("it describes no limit of its own");
  if (limit > kLargestRequestBytes)
    return CheckOutcome::Skipped(
        absl::StrCat("its limit of ", limit, " bytes is not worth the trial"));
  std::string sent;
  VerifyAnswer refusal;
  {
    v1::VerifyRequest request = context.Fresh(Pick(context.sample, {0}));
    request.mutable_completions(0)->set_text(std::string(limit + 1, 'x'));
    sent = absl::StrCat("a request of ", request.ByteSizeLong(),
                        " bytes where max_request_bytes is ", limit, ", then the sample");
    refusal = context.client->Verify(request);
  }
  if (refusal.ok()) {
    return CheckOutcome::Failed(sent, Show(refusal),
                                "refuse it, best by your gRPC library's limit on the size of a "
                                "received message, or describe the limit that holds");
  }
  const VerifyAnswer after =
      context.client->VerifyPatiently(context.Fresh(context.sample), context.client->timeout());
  const std::string answered = absl::StrCat(Show(refusal), "; then ", Show(after));
  if (!after.ok()) {
    return CheckOutcome::Failed(
        sent, answered,
        "refuse a large request before it is in memory as a whole: let your "
        "gRPC library limit the size of a received message");
  }
  return CheckOutcome::Ok(sent, answered);
}

}  // namespace tpo
