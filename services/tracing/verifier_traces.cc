#include "services/tracing/verifier_traces.h"

#include <algorithm>
#include <atomic>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/time/clock.h"

namespace tpo {
namespace {

constexpr char kBackend[] = "built-in";

class TracedVerifier : public VerifierApi {
 public:
  TracedVerifier(std::unique_ptr<VerifierApi> verifier, const Tracing& tracing)
      : verifier_(std::move(verifier)), tracing_(tracing) {}

  absl::StatusOr<std::vector<Verdict>> Verify(const VerifyRequest& request) override {
    std::optional<Span> span = Begin(request);
    absl::StatusOr<std::vector<Verdict>> verdicts =
        span.has_value() ? verifier_->Verify(Within(*span, request)) : verifier_->Verify(request);
    End(std::move(span), verdicts.status());
    return verdicts;
  }

  std::vector<absl::StatusOr<std::vector<Verdict>>> VerifyAll(
      const std::vector<VerifyRequest>& requests) override {
    std::vector<std::optional<Span>> spans;
    spans.reserve(requests.size());
    for (const VerifyRequest& request : requests) spans.push_back(Begin(request));
    auto results = AskAll(requests, spans);
    for (size_t i = 0; i < spans.size() && i < results.size(); ++i)
      End(std::move(spans[i]), results[i].status());
    return results;
  }

  absl::StatusOr<VerifierDescription> Describe() override { return verifier_->Describe(); }
  std::optional<VerifierIdentity> JudgeOf(const std::string& task) const override {
    return verifier_->JudgeOf(task);
  }
  void Close() override { verifier_->Close(); }

 private:
  static VerifyRequest Within(const Span& span, VerifyRequest request) {
    request.trace = ContextOf(span);
    return request;
  }

  std::vector<absl::StatusOr<std::vector<Verdict>>> AskAll(
      const std::vector<VerifyRequest>& requests, const std::vector<std::optional<Span>>& spans) {
    const auto traced = [](const std::optional<Span>& span) { return span.has_value(); };
    // The requests are copied only where there is something to add.
    if (std::none_of(spans.begin(), spans.end(), traced)) return verifier_->VerifyAll(requests);
    std::vector<VerifyRequest> asked = requests;
    for (size_t i = 0; i < asked.size(); ++i) {
      if (spans[i].has_value()) asked[i].trace = ContextOf(*spans[i]);
    }
    return verifier_->VerifyAll(asked);
  }

  std::optional<Span> Begin(const VerifyRequest& request) {
    return BeginVerifySpan(tracing_, request.idempotency_key, request.prompt.task, kBackend,
                           ++attempts_);
  }

  void End(std::optional<Span> span, const absl::Status& status) const {
    if (!span.has_value()) return;
    span->end = absl::Now();
    if (!status.ok()) span->error = status.ToString();
    tracing_.sink->Add(*std::move(span));
  }

  const std::unique_ptr<VerifierApi> verifier_;
  const Tracing tracing_;
  std::atomic<uint64_t> attempts_ = 0;
};

}  // namespace

std::unique_ptr<VerifierApi> TraceVerifier(std::unique_ptr<VerifierApi> verifier,
                                           const Tracing& tracing) {
  if (tracing.sink == nullptr) return verifier;
  return std::make_unique<TracedVerifier>(std::move(verifier), tracing);
}

}  // namespace tpo
