#include "services/http_bridge/http_verifier.h"

#include <algorithm>
#include <utility>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/time/clock.h"
#include "core/status_macros.h"

namespace tpo {
namespace {

// What W3C asks everybody to pass on at least.
constexpr size_t kMaxTraceStateBytes = 512;

// How the messages and the config name a shape.
std::string NameOf(HttpRewardShape shape) {
  switch (shape) {
    case HttpRewardShape::kOpenRlhf:
      return "openrlhf";
    case HttpRewardShape::kSlime:
      return "slime";
    case HttpRewardShape::kNemoGym:
      return "nemo_gym";
  }
  return "unknown";
}

// INVALID_ARGUMENT: there are tokens but no text, and text is required.
absl::StatusOr<std::string> TextOf(const std::string& what, const std::string& text,
                                   const std::vector<TokenId>& tokens, HttpText rule) {
  if (!text.empty() || tokens.empty()) return text;
  if (rule == HttpText::kTokens) return absl::StrJoin(tokens, " ");
  return absl::InvalidArgumentError(
      absl::StrCat(what,
                   " has tokens but no text, and the reward server judges text (`text: tokens` "
                   "sends the tokens in decimal)"));
}

absl::Status TextsOf(const VerifyRequest& request, HttpText rule, RewardQuestion* question) {
  const Prompt& prompt = request.prompt;
  TPO_ASSIGN_OR_RETURN(question->prompt, TextOf("the prompt", prompt.text, prompt.tokens, rule));
  TPO_ASSIGN_OR_RETURN(question->label, TextOf("the reference answer", prompt.reference_answer,
                                               prompt.reference_tokens, rule));
  question->prompt_id = prompt.id;
  question->metadata = prompt.metadata;
  return absl::OkStatus();
}

// The answer of a language model may be nothing but a token that ends it: no text, and rightly so.
// Where not even the prompt has text, tokens are all there is.
RewardItem ItemOf(const Prompt& prompt, const std::string& prompt_text,
                  const Completion& completion) {
  const bool is_tokens = completion.text.empty() && prompt.text.empty() && !prompt.tokens.empty();
  std::string response = is_tokens ? absl::StrJoin(completion.tokens, " ") : completion.text;
  return RewardItem{.query = absl::StrCat(prompt_text, is_tokens ? " " : "", response),
                    .response = std::move(response),
                    .is_truncated = completion.finish_reason == FinishReason::kLength};
}

// Lets the server go on with the caller's trace.
std::vector<HttpHeader> TraceHeaders(const VerifyRequest& request) {
  if (!request.trace.has_value()) return {};
  std::vector<HttpHeader> headers = {{"traceparent", ToTraceParent(*request.trace)}};
  const bool is_line = std::all_of(request.trace_state.begin(), request.trace_state.end(),
                                   [](char c) { return c >= ' ' && c <= '~'; });
  if (!request.trace_state.empty() && request.trace_state.size() <= kMaxTraceStateBytes && is_line)
    headers.push_back({"tracestate", request.trace_state});
  return headers;
}

}  // namespace

// One request to the server: completions `first` to `last` (exclusive) of the group.
struct HttpVerifier::Call {
  size_t group = 0;
  size_t first = 0;
  size_t last = 0;
  HttpPost post;
};

absl::StatusOr<std::unique_ptr<HttpVerifier>> HttpVerifier::Create(
    const HttpVerifierOptions& options) {
  if (options.deadline <= absl::ZeroDuration())
    return absl::InvalidArgumentError("timeout_seconds: must be above 0");
  TPO_ASSIGN_OR_RETURN(std::unique_ptr<RewardShape> shape,
                       MakeRewardShape(options.shape, options.shape_options));
  HttpClientOptions http = options.http;
  for (const HttpHeaderSource& source : options.headers) {
    TPO_ASSIGN_OR_RETURN(HttpHeader header, ReadHeader(source));
    http.headers.push_back(std::move(header));
  }
  TPO_ASSIGN_OR_RETURN(std::unique_ptr<HttpClient> client, HttpClient::Create(http));
  return std::unique_ptr<HttpVerifier>(
      new HttpVerifier(options, std::move(shape), std::move(client)));
}

HttpVerifier::HttpVerifier(const HttpVerifierOptions& options, std::unique_ptr<RewardShape> shape,
                           std::unique_ptr<HttpClient> client)
    : options_(options), shape_(std::move(shape)), client_(std::move(client)) {}

absl::StatusOr<std::vector<Verdict>> HttpVerifier::Verify(const VerifyRequest& request) {
  return std::move(Ask({&request}).front());
}

std::vector<absl::StatusOr<std::vector<Verdict>>> HttpVerifier::VerifyAll(
    const std::vector<VerifyRequest>& requests) {
  std::vector<const VerifyRequest*> pointers;
  pointers.reserve(requests.size());
  for (const VerifyRequest& request : requests) pointers.push_back(&request);
  return Ask(pointers);
}

absl::StatusOr<VerifierDescription> HttpVerifier::Describe() {
  VerifierDescription description;
  description.verifier = options_.name;
  description.version = absl::StrCat("http/", NameOf(options_.shape));
  description.tasks = options_.tasks;
  return description;
}

void HttpVerifier::Close() { client_->Close(); }

std::vector<HttpVerifier::Result> HttpVerifier::Ask(
    const std::vector<const VerifyRequest*>& requests) {
  std::vector<Result> results(requests.size());
  std::vector<Call> calls;
  for (size_t group = 0; group < requests.size(); ++group) {
    std::vector<Verdict> verdicts(requests[group]->completions.size());
    Plan(group, *requests[group], &verdicts, &calls);
    results[group] = std::move(verdicts);
  }
  std::vector<HttpPost> posts;
  posts.reserve(calls.size());
  for (Call& call : calls) posts.push_back(std::move(call.post));
  const std::vector<HttpAnswer> answers = client_->PostAll(posts);
  for (size_t i = 0; i < calls.size(); ++i) Take(calls[i], answers[i], &results[calls[i].group]);
  return results;
}

void HttpVerifier::Plan(size_t group, const VerifyRequest& request, std::vector<Verdict>* result,
                        std::vector<Call>* calls) const {
  const size_t count = request.completions.size();
  const auto fail = [result](size_t first, size_t last, const absl::Status& why) {
    for (size_t i = first; i < last; ++i)
      (*result)[i] = Verdict::Unscored(VerdictKind::kFailed, std::string(why.message()));
  };
  if (request.want_token_rewards) {
    return fail(0, count,
                absl::UnimplementedError("a reward server over HTTP gives no rewards per token"));
  }
  RewardQuestion question;
  if (const absl::Status status = TextsOf(request, options_.text, &question); !status.ok())
    return fail(0, count, status);
  const size_t limit = shape_->CompletionsPerRequest();
  const size_t step = limit == 0 ? std::max<size_t>(1, count) : limit;
  const absl::Time deadline = std::min(request.deadline, absl::Now() + options_.deadline);
  const std::vector<HttpHeader> headers = TraceHeaders(request);
  for (size_t first = 0; first < count; first += step) {
    const size_t last = std::min(first + step, count);
    question.items.clear();
    for (size_t i = first; i < last; ++i)
      question.items.push_back(ItemOf(request.prompt, question.prompt, request.completions[i]));
    absl::StatusOr<std::string> body = shape_->RequestBody(question);
    if (!body.ok()) {
      fail(first, last, body.status());
      continue;
    }
    calls->push_back({.group = group,
                      .first = first,
                      .last = last,
                      .post = {.body = *std::move(body),
                               .deadline = deadline,
                               .cancelled = &request.cancelled,
                               .headers = headers}});
  }
}

void HttpVerifier::Take(const Call& call, const HttpAnswer& answer, Result* result) const {
  if (!result->ok()) return;  // cancelled as a whole
  const auto set_all = [&](VerdictKind kind) {
    for (size_t i = call.first; i < call.last; ++i)
      (**result)[i] = Verdict::Unscored(kind, answer.reason);
  };
  switch (answer.kind) {
    case HttpAnswer::Kind::kCancelled:
      *result = absl::CancelledError("the caller left, or the bridge was closed");
      return;
    case HttpAnswer::Kind::kFailed:
      return set_all(VerdictKind::kFailed);
    case HttpAnswer::Kind::kTimedOut:
      return set_all(VerdictKind::kTimedOut);
    case HttpAnswer::Kind::kAnswered:
      break;
  }
  std::vector<Verdict> verdicts = shape_->Verdicts(answer.body, call.last - call.first);
  for (size_t i = call.first; i < call.last; ++i)
    (**result)[i] = std::move(verdicts[i - call.first]);
}

}  // namespace tpo
