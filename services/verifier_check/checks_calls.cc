// Calls that are repeated, that come together, and whose callers leave.
#include <algorithm>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "services/verifier_check/check.h"

namespace tpo {
namespace {

constexpr int kConcurrentCalls = 32;
constexpr int kHurriedCalls = 16;
constexpr int kCancelledCalls = 100;
// Calls are given up within the usual time of an answer, so that some are being judged; no slower
// than this.
constexpr absl::Duration kLongestPause = absl::Seconds(1);

bool SameVerdicts(const VerifyAnswer& a, const VerifyAnswer& b) {
  const auto& left = a.response.verdicts();
  const auto& right = b.response.verdicts();
  return a.ok() && b.ok() &&
         std::equal(left.begin(), left.end(), right.begin(), right.end(), SameVerdict);
}

// Groups that differ in the order of their completions and in how many there are.
std::vector<v1::VerifyRequest> DifferentGroups(const v1::VerifyRequest& sample) {
  const int count = sample.completions_size();
  std::vector<v1::VerifyRequest> groups;
  for (const int size : {count, count - 1}) {
    for (int by = 0; by < count; ++by) {
      std::vector<int> which;
      for (int i = 0; i < size; ++i) which.push_back((i + by) % count);
      groups.push_back(Pick(sample, which));
    }
  }
  return groups;
}

absl::Duration UsualLatency(CheckContext& context) {
  std::vector<absl::Duration> durations;
  for (int i = 0; i < 5; ++i) durations.push_back(context.Verify(context.sample).duration);
  std::sort(durations.begin(), durations.end());
  return durations[durations.size() / 2];
}

int CountCode(const std::vector<VerifyAnswer>& answers, grpc::StatusCode code) {
  return static_cast<int>(
      std::count_if(answers.begin(), answers.end(),
                    [code](const VerifyAnswer& answer) { return answer.code() == code; }));
}

// E.g. "3 OK, 13 DEADLINE_EXCEEDED".
std::string ShowCodes(const std::vector<VerifyAnswer>& answers) {
  std::string text;
  for (int code = 0; code <= static_cast<int>(grpc::StatusCode::UNAUTHENTICATED); ++code) {
    const int count = CountCode(answers, static_cast<grpc::StatusCode>(code));
    if (count > 0)
      absl::StrAppend(&text, text.empty() ? "" : ", ", count, " ",
                      CodeName(static_cast<grpc::StatusCode>(code)));
  }
  return text;
}

}  // namespace

CheckOutcome CheckIdempotency(CheckContext& context) {
  const v1::VerifyRequest request = context.Fresh(context.sample);
  const VerifyAnswer first = context.client->Verify(request);
  const VerifyAnswer again = context.client->Verify(request);
  const VerifyAnswer other_key = context.Verify(context.sample);
  const std::string sent = "the sample twice with the same idempotency_key, then with another key";
  const std::string answered = absl::StrCat("first ", Show(first), "; again ", Show(again),
                                            "; with another key ", Show(other_key));
  if (SameVerdicts(first, again) && SameVerdicts(first, other_key))
    return CheckOutcome::Ok(sent, answered);
  return CheckOutcome::Failed(
      sent, answered,
      "make judging deterministic (a fixed seed, temperature 0), or keep the verdicts under the "
      "idempotency_key and give them again");
}

CheckOutcome CheckConcurrency(CheckContext& context) {
  const std::vector<v1::VerifyRequest> groups = DifferentGroups(context.sample);
  std::vector<VerifyAnswer> alone;
  for (const v1::VerifyRequest& group : groups) alone.push_back(context.Verify(group));

  std::vector<v1::VerifyRequest> requests;
  for (int i = 0; i < kConcurrentCalls; ++i)
    requests.push_back(context.Fresh(groups[i % groups.size()]));
  std::vector<VerifyAnswer> together = context.client->VerifyAll(requests);
  const std::string sent =
      absl::StrCat(groups.size(), " different groups one after the other, then ", kConcurrentCalls,
                   " of them at once");
  const std::string codes = ShowCodes(together);
  for (int i = 0; i < kConcurrentCalls; ++i) {
    // An overloaded verifier may say so and is asked again.
    if (together[i].code() == grpc::StatusCode::RESOURCE_EXHAUSTED ||
        together[i].code() == grpc::StatusCode::UNAVAILABLE) {
      together[i] = context.client->VerifyPatiently(requests[i], context.client->timeout());
    }
    const VerifyAnswer& expected = alone[i % groups.size()];
    if (!SameVerdicts(together[i], expected)) {
      return CheckOutcome::Failed(
          sent,
          absl::StrCat(codes, "; one alone: ", Show(expected),
                       "; among others: ", Show(together[i])),
          "keep nothing of a call where other calls reach it (globals, members of the servicer), "
          "and answer RESOURCE_EXHAUSTED, which is retried, when there are too many");
    }
  }
  return CheckOutcome::Ok(sent, absl::StrCat(codes, "; each as it was alone"));
}

CheckOutcome CheckDeadline(CheckContext& context) {
  const absl::Duration longest = std::min(UsualLatency(context), kLongestPause);
  std::vector<v1::VerifyRequest> requests;
  std::vector<absl::Duration> deadlines;
  for (int i = 0; i < kHurriedCalls; ++i) {
    requests.push_back(context.Fresh(context.sample));
    deadlines.push_back(longest * i / kHurriedCalls);
  }
  const std::vector<VerifyAnswer> hurried = context.client->VerifyAllWithin(requests, deadlines);
  const VerifyAnswer after =
      context.client->VerifyPatiently(context.Fresh(context.sample), context.client->timeout());
  const std::string sent =
      absl::StrCat(kHurriedCalls, " calls with deadlines from 0 to the usual time of an answer (",
                   absl::FormatDuration(longest), "), then the sample");
  const std::string answered = absl::StrCat(ShowCodes(hurried), "; then ", Show(after), " after ",
                                            absl::FormatDuration(after.duration));
  const int fine = CountCode(hurried, grpc::StatusCode::OK) +
                   CountCode(hurried, grpc::StatusCode::DEADLINE_EXCEEDED) +
                   CountCode(hurried, grpc::StatusCode::CANCELLED) +
                   CountCode(hurried, grpc::StatusCode::RESOURCE_EXHAUSTED);
  if (fine == kHurriedCalls && SameVerdicts(after, context.sample_answer))
    return CheckOutcome::Ok(sent, answered);
  return CheckOutcome::Failed(
      sent, answered,
      "stop working on a call whose deadline has passed, free what it holds, and go on with the "
      "next");
}

CheckOutcome CheckCancel(CheckContext& context) {
  const absl::Duration usual = UsualLatency(context);
  std::vector<v1::VerifyRequest> requests;
  for (int i = 0; i < kCancelledCalls; ++i) requests.push_back(context.Fresh(context.sample));
  const std::vector<VerifyAnswer> cancelled =
      context.client->VerifyAllAndCancel(requests, std::min(usual / 2, kLongestPause));
  const absl::Duration most =
      std::min(4 * usual + context.latency_slack, context.client->timeout());
  const VerifyAnswer after = context.client->VerifyPatiently(context.Fresh(context.sample), most);
  const std::string sent =
      absl::StrCat(kCancelledCalls,
                   " calls at once, cancelled after half of the usual time, then "
                   "the sample");
  const std::string answered = absl::StrCat(
      ShowCodes(cancelled), "; then ", Show(after), " after ", absl::FormatDuration(after.duration),
      " (usual ", absl::FormatDuration(usual), ", allowed ", absl::FormatDuration(most), ")");
  if (SameVerdicts(after, context.sample_answer)) return CheckOutcome::Ok(sent, answered);
  return CheckOutcome::Failed(sent, answered,
                              "don't begin calls that were cancelled while they waited, and stop "
                              "those in progress: ask the "
                              "call's context whether it is cancelled, or be called back");
}

}  // namespace tpo
