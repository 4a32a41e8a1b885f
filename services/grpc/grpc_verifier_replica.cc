#include "services/grpc/grpc_verifier_replica.h"

#include <atomic>
#include <optional>
#include <utility>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/synchronization/mutex.h"
#include "core/status_macros.h"
#include "grpcpp/channel.h"
#include "services/grpc/active_calls.h"
#include "services/grpc/call_spans.h"
#include "services/grpc/message_limits.h"
#include "services/grpc/status.h"
#include "services/grpc/verifier_call.h"

namespace tpo {
namespace {

// Whether the request was put on a connection. Until then the context's peer is the channel's
// target; then it is the other end's address, which begins with its kind.
bool ReachedAPeer(const grpc::ClientContext& context) {
  const std::string peer = context.peer();
  return absl::StartsWith(peer, "ipv4:") || absl::StartsWith(peer, "ipv6:") ||
         absl::StartsWith(peer, "unix");
}

// What attempts need of their replica, which outlives them.
struct Shared {
  std::string name;
  std::string verify_name;
  Tracing tracing;
  std::unique_ptr<v1::VerifierService::Stub> stub;
  std::unique_ptr<grpc::GenericStub> raw_stub;
  Calls calls;
  ActiveCalls attempts;  // those that exist
};

class GrpcAttempt : public VerifierReplica::Attempt,
                    public std::enable_shared_from_this<GrpcAttempt> {
 public:
  explicit GrpcAttempt(Shared* shared) : shared_(*shared) { shared_.attempts.Begin(); }
  ~GrpcAttempt() override {
    // First: it refers to the channel, which may end once no attempt is counted.
    call_.reset();
    shared_.attempts.End();
  }
  GrpcAttempt(const GrpcAttempt&) = delete;
  GrpcAttempt& operator=(const GrpcAttempt&) = delete;

  void Start(const VerifyRequest& request, absl::Duration time_left,
             VerifierReplica::Done done) override {
    BeginSpan(request);
    auto call = std::make_unique<VerifierCall>(
        &shared_.calls, time_left, /*wait_for_ready=*/false, request,
        span_.has_value() ? std::optional(ContextOf(*span_)) : request.trace);
    VerifierCall* const started = call.get();
    {
      const absl::MutexLock lock(&mutex_);
      call_ = std::move(call);
      if (cancelled_) started->call.context()->TryCancel();
    }
    started->Start(shared_.raw_stub.get(), [self = shared_from_this(), started,
                                            done = std::move(done)](const grpc::Status& status) {
      VerifierReplica::Answer answer = self->AnswerOf(*started, status);
      self->EndSpan(answer.status);
      done(std::move(answer));
    });
  }

  void Cancel() override {
    const absl::MutexLock lock(&mutex_);
    cancelled_ = true;
    if (call_ != nullptr) call_->call.context()->TryCancel();
  }

 private:
  void BeginSpan(const VerifyRequest& request) {
    static std::atomic<uint64_t> attempts = 0;
    span_ = BeginVerifySpan(shared_.tracing, request.idempotency_key, request.prompt.task,
                            shared_.name, ++attempts);
  }

  // Another attempt was faster, or nobody wants to know any more.
  bool WasCancelled() {
    const absl::MutexLock lock(&mutex_);
    return cancelled_;
  }

  void EndSpan(const absl::Status& status) {
    if (!span_.has_value()) return;
    span_->end = absl::Now();
    if (!status.ok() && WasCancelled()) {
      span_->texts.emplace_back("tpo.outcome", "given up");
    } else if (!status.ok()) {
      span_->error = status.ToString();
    }
    shared_.tracing.sink->Add(*std::move(span_));
  }

  VerifierReplica::Answer AnswerOf(VerifierCall& call, const grpc::Status& status) const {
    VerifierReplica::Answer answer;
    answer.status = FromGrpcStatus(status, shared_.verify_name);
    if (IsTooLarge(answer.status))
      answer.status = absl::InvalidArgumentError(answer.status.message());
    answer.reached = ReachedAPeer(*call.call.context());
    if (!status.ok()) return answer;
    absl::StatusOr<std::vector<Verdict>> verdicts = UncheckedVerdicts(call.response_bytes);
    answer.status = verdicts.status();
    if (verdicts.ok()) answer.verdicts = *std::move(verdicts);
    return answer;
  }

  Shared& shared_;
  // Written before the call begins, and when it has ended.
  std::optional<Span> span_;
  absl::Mutex mutex_;
  bool cancelled_ ABSL_GUARDED_BY(mutex_) = false;
  // Lives as long as this, which the call in progress keeps alive.
  std::unique_ptr<VerifierCall> call_ ABSL_GUARDED_BY(mutex_);
};

class GrpcVerifierReplica : public VerifierReplica {
 public:
  GrpcVerifierReplica(const std::shared_ptr<grpc::Channel>& channel, std::string name,
                      const Tracing& tracing) {
    shared_.tracing = tracing;
    shared_.verify_name = absl::StrCat("Verify at ", name);
    shared_.name = std::move(name);
    shared_.stub = v1::VerifierService::NewStub(channel);
    shared_.raw_stub = std::make_unique<grpc::GenericStub>(channel);
  }
  // A channel whose last owner is a callback of gRPC's ends on a thread that it then waits for, and
  // whose queue it frees below it (gRPC 1.51).
  ~GrpcVerifierReplica() override { shared_.attempts.WaitUntilNone(absl::InfiniteDuration()); }
  GrpcVerifierReplica(const GrpcVerifierReplica&) = delete;
  GrpcVerifierReplica& operator=(const GrpcVerifierReplica&) = delete;

  const std::string& name() const override { return shared_.name; }

  std::shared_ptr<Attempt> NewAttempt() override { return std::make_shared<GrpcAttempt>(&shared_); }

  absl::StatusOr<VerifierDescription> Describe(absl::Duration patience) override {
    Call call(&shared_.calls, patience);
    v1::DescribeResponse response;
    ClientSpan span(shared_.tracing, "Describe", call.context());
    const grpc::Status status =
        shared_.stub->Describe(call.context(), v1::DescribeRequest(), &response);
    TPO_RETURN_IF_ERROR(
        span.End(FromGrpcStatus(status, absl::StrCat("Describe at ", shared_.name))));
    return FromProto(response);
  }

  void Close() override { shared_.calls.Close(); }

 private:
  Shared shared_;
};

}  // namespace

std::unique_ptr<VerifierReplica> MakeGrpcVerifierReplica(
    const std::shared_ptr<grpc::Channel>& channel, std::string name, const Tracing& tracing) {
  return std::make_unique<GrpcVerifierReplica>(channel, std::move(name), tracing);
}

}  // namespace tpo
