#include "services/grpc/verifier_service.h"

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "core/status_macros.h"
#include "core/verifier_exception.h"
#include "services/grpc/bounded_executor.h"
#include "services/grpc/channel.h"
#include "services/grpc/convert.h"
#include "services/grpc/handler.h"
#include "tpo/v1/verifier.grpc.pb.h"

namespace tpo {
namespace {

using Methods = v1::VerifierService::WithRawCallbackMethod_Verify<
    v1::VerifierService::WithRawCallbackMethod_Describe<v1::VerifierService::Service>>;

// For an answer to get back to its caller.
constexpr absl::Duration kLongestTravel = absl::Milliseconds(100);

int Threads(int wanted) {
  return wanted > 0 ? wanted : std::max(1, static_cast<int>(std::thread::hardware_concurrency()));
}

// An answer with the verdicts that were reached is worth more than one that comes too late.
absl::Time DeadlineOf(const grpc::CallbackServerContext& context) {
  const auto deadline = context.deadline();
  if (deadline == std::chrono::system_clock::time_point::max()) return absl::InfiniteFuture();
  const absl::Time time = absl::FromChrono(deadline);
  const absl::Duration left = time - absl::Now();
  if (left <= absl::ZeroDuration()) return time;
  // gRPC rounds the timeout that it sends up, by 1 % at most; the caller doesn't.
  return time - left / 100 - std::min(left / 20, kLongestTravel);
}

// The verifier's limits and the service's own, whichever are lower.
absl::StatusOr<VerifierDescription> DescribeWithin(VerifierApi* verifier,
                                                   const VerifierServiceOptions& options) {
  TPO_ASSIGN_OR_RETURN(VerifierDescription description, verifier->Describe());
  description.max_completions =
      LesserLimit(description.max_completions, static_cast<uint32_t>(options.max_completions));
  description.max_request_bytes =
      LesserLimit(description.max_request_bytes, static_cast<uint64_t>(kMaxMessageBytes));
  return description;
}

class VerifierHandler : public Methods {
 public:
  VerifierHandler(VerifierApi* verifier, const VerifierServiceOptions& options)
      : verifier_(verifier),
        options_(options),
        description_(DescribeWithin(verifier, options)),
        calls_{.observer = options.rpc_observer, .active = {}, .spans = options.spans},
        executor_(Threads(options.threads), options.queue_capacity,
                  [this](size_t length) { ReportQueue(length); }) {
    ReportQueue(0);
    if (options_.verifier_observer != nullptr)
      options_.verifier_observer->OnThreads(Threads(options_.threads));
  }

  bool WaitUntilIdle(absl::Duration timeout) { return calls_.active.WaitUntilNone(timeout); }

  void Abort() { verifier_->Close(); }

  std::vector<std::string> HealthNames() const {
    std::vector<std::string> names;
    if (!description_.ok()) return names;
    for (const std::string& task : description_->tasks) names.push_back(VerifierHealthName(task));
    return names;
  }

  grpc::ServerUnaryReactor* Verify(grpc::CallbackServerContext* context,
                                   const grpc::ByteBuffer* request,
                                   grpc::ByteBuffer* response) override {
    const CallRecord record(&calls_, "Verify");
    grpc::ServerUnaryReactor* reactor = context->DefaultReactor();
    const bool accepted = executor_.TryRun([this, record, reactor, context, request, response] {
      const absl::Status status =
          context->IsCancelled() || DeadlineOf(*context) <= absl::Now()
              ? absl::CancelledError("the caller left while the group waited for its turn")
              : Score(*context, *request, response);
      if (!status.ok()) ReportFailure(status.code());
      reactor->Finish(record.End(status));
    });
    if (!accepted) {
      ReportFailure(absl::StatusCode::kResourceExhausted);
      reactor->Finish(record.End(
          absl::ResourceExhaustedError("too many groups wait to be scored; try again later")));
    }
    return reactor;
  }

  grpc::ServerUnaryReactor* Describe(grpc::CallbackServerContext* context,
                                     const grpc::ByteBuffer* request_bytes,
                                     grpc::ByteBuffer* response_bytes) override {
    const auto handle = [this](const v1::DescribeRequest&,
                               v1::DescribeResponse* response) -> absl::Status {
      TPO_RETURN_IF_ERROR(description_.status());
      ToProto(*description_, response);
      return absl::OkStatus();
    };
    return Answer<v1::DescribeRequest, v1::DescribeResponse>(
        context, &calls_, "Describe", *request_bytes, response_bytes, handle);
  }

 private:
  absl::StatusOr<VerifyRequest> Parse(const grpc::ByteBuffer& bytes) const {
    TPO_RETURN_IF_ERROR(description_.status());
    v1::VerifyRequest proto;
    TPO_RETURN_IF_ERROR(ParseMessage(bytes, description_->max_request_bytes, &proto));
    const auto completions = static_cast<uint32_t>(proto.completions_size());
    if (completions > description_->max_completions) {
      return absl::InvalidArgumentError(
          absl::StrCat("completions: ", completions, "; at most ", description_->max_completions));
    }
    return FromProto(proto);
  }

  // The verifier may be anybody's code.
  absl::StatusOr<std::vector<Verdict>> VerifyWithoutExceptions(const VerifyRequest& request) {
    try {
      return verifier_->Verify(request);
    } catch (...) {
      return absl::InternalError(DescribeVerifierException());
    }
  }

  absl::Status Score(const grpc::CallbackServerContext& context, const grpc::ByteBuffer& bytes,
                     grpc::ByteBuffer* response_bytes) {
    TPO_ASSIGN_OR_RETURN(VerifyRequest request, Parse(bytes));
    request.deadline = DeadlineOf(context);
    request.cancelled = [&context] { return context.IsCancelled(); };
    const absl::Time start = absl::Now();
    std::optional<Span> span = BeginTrace(context, start, &request);
    absl::StatusOr<std::vector<Verdict>> judged = VerifyWithoutExceptions(request);
    EndTrace(std::move(span), request, judged.status());
    TPO_ASSIGN_OR_RETURN(std::vector<Verdict> verdicts, std::move(judged));
    verdicts = SanitizeVerdicts(request, std::move(verdicts));
    if (options_.verifier_observer != nullptr)
      options_.verifier_observer->OnVerdicts(verdicts, absl::Now() - start);
    v1::VerifyResponse response;
    for (const Verdict& verdict : verdicts) ToProto(verdict, response.add_verdicts());
    NameJudge(request.prompt.task, &response);
    *response_bytes = SerializeMessage(response);
    return absl::OkStatus();
  }

  void NameJudge(const std::string& task, v1::VerifyResponse* response) const {
    const std::optional<VerifierIdentity> judge = verifier_->JudgeOf(task);
    response->set_verifier(judge.has_value() ? judge->verifier : description_->verifier);
    response->set_verifier_version(judge.has_value() ? judge->version : description_->version);
  }

  // The span "judge", if there is to be one. The request gets the context for what the verifier
  // calls: the span's, or else the caller's.
  std::optional<Span> BeginTrace(const grpc::CallbackServerContext& context, absl::Time start,
                                 VerifyRequest* request) const {
    const std::optional<SpanContext> parent = TraceOf(context);
    if (!parent.has_value()) return std::nullopt;
    request->trace = parent;
    request->trace_state = MetadataOf(context, kTraceStateKey);
    if (options_.spans == nullptr || !parent->sampled) return std::nullopt;
    Span span;
    span.trace = parent->trace;
    span.id = KnownSpanId(parent->trace, "judge", parent->span);
    span.parent = parent->span;
    span.name = "judge";
    span.start = start;
    request->trace = ContextOf(span);
    return span;
  }

  void EndTrace(std::optional<Span> span, const VerifyRequest& request,
                const absl::Status& status) const {
    if (!span.has_value()) return;
    span->end = absl::Now();
    span->numbers = {{"tpo.completions", static_cast<int64_t>(request.completions.size())}};
    span->texts = {{"tpo.task", request.prompt.task}};
    if (!status.ok()) span->error = status.ToString();
    options_.spans->Add(*std::move(span));
  }

  void ReportQueue(size_t length) {
    if (options_.verifier_observer != nullptr)
      options_.verifier_observer->OnQueue(length, options_.queue_capacity);
  }

  void ReportFailure(absl::StatusCode code) {
    if (options_.verifier_observer != nullptr) options_.verifier_observer->OnVerifyFailed(code);
  }

  VerifierApi* const verifier_;
  const VerifierServiceOptions options_;
  const absl::StatusOr<VerifierDescription> description_;
  CallBook calls_;
  BoundedExecutor executor_;
};

class VerifierRpcService : public RpcService {
 public:
  VerifierRpcService(VerifierApi* verifier, const VerifierServiceOptions& options)
      : handler_(verifier, options) {}

  std::string name() const override { return v1::VerifierService::service_full_name(); }
  std::vector<std::string> part_names() const override { return handler_.HealthNames(); }
  grpc::Service* handler() override { return &handler_; }
  bool WaitUntilIdle(absl::Duration timeout) override { return handler_.WaitUntilIdle(timeout); }
  void Abort() override { handler_.Abort(); }

 private:
  VerifierHandler handler_;
};

}  // namespace

std::string VerifierHealthName(const std::string& task_pattern) {
  return absl::StrCat(v1::VerifierService::service_full_name(), "/", task_pattern);
}

std::unique_ptr<RpcService> MakeVerifierService(VerifierApi* verifier,
                                                const VerifierServiceOptions& options) {
  return std::make_unique<VerifierRpcService>(verifier, options);
}

}  // namespace tpo
