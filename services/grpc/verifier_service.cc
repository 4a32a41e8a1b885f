#include "services/grpc/verifier_service.h"

#include <algorithm>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "core/status_macros.h"
#include "services/grpc/bounded_executor.h"
#include "services/grpc/channel.h"
#include "services/grpc/convert.h"
#include "services/grpc/handler.h"
#include "tpo/v1/verifier.grpc.pb.h"

namespace tpo {
namespace {

using Methods = v1::VerifierService::WithCallbackMethod_Verify<
    v1::VerifierService::WithCallbackMethod_Describe<v1::VerifierService::Service>>;

int Threads(int wanted) {
  return wanted > 0 ? wanted : std::max(1, static_cast<int>(std::thread::hardware_concurrency()));
}

class VerifierHandler : public Methods {
 public:
  VerifierHandler(VerifierApi* verifier, const VerifierServiceOptions& options)
      : verifier_(verifier),
        options_(options),
        calls_{.observer = options.rpc_observer, .active = {}},
        executor_(Threads(options.threads), options.queue_capacity) {}

  bool WaitUntilIdle(absl::Duration timeout) { return calls_.active.WaitUntilNone(timeout); }

  grpc::ServerUnaryReactor* Verify(grpc::CallbackServerContext* context,
                                   const v1::VerifyRequest* request,
                                   v1::VerifyResponse* response) override {
    const CallRecord record(&calls_, "Verify");
    grpc::ServerUnaryReactor* reactor = context->DefaultReactor();
    const bool accepted = executor_.TryRun([this, record, reactor, context, request, response] {
      const absl::Status status =
          context->IsCancelled()
              ? absl::CancelledError("the caller left while the group waited for its turn")
              : Score(*request, response);
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
                                     const v1::DescribeRequest*,
                                     v1::DescribeResponse* response) override {
    return Answer(context, &calls_, "Describe", [&]() -> absl::Status {
      TPO_ASSIGN_OR_RETURN(const VerifierDescription description, verifier_->Describe());
      ToProto(description, response);
      response->set_max_completions(static_cast<uint32_t>(options_.max_completions));
      response->set_max_request_bytes(kMaxMessageBytes);
      return absl::OkStatus();
    });
  }

 private:
  absl::Status Score(const v1::VerifyRequest& proto, v1::VerifyResponse* response) {
    if (proto.completions_size() > options_.max_completions) {
      return absl::InvalidArgumentError(absl::StrCat("completions: ", proto.completions_size(),
                                                     "; at most ", options_.max_completions));
    }
    TPO_ASSIGN_OR_RETURN(const VerifyRequest request, FromProto(proto));
    const absl::Time start = absl::Now();
    TPO_ASSIGN_OR_RETURN(std::vector<Verdict> verdicts, verifier_->Verify(request));
    verdicts = SanitizeVerdicts(request, std::move(verdicts));
    if (options_.verifier_observer != nullptr)
      options_.verifier_observer->OnVerdicts(verdicts, absl::Now() - start);
    for (const Verdict& verdict : verdicts) ToProto(verdict, response->add_verdicts());
    if (const absl::StatusOr<VerifierDescription> description = verifier_->Describe();
        description.ok()) {
      response->set_verifier(description->verifier);
      response->set_verifier_version(description->version);
    }
    return absl::OkStatus();
  }

  void ReportFailure(absl::StatusCode code) {
    if (options_.verifier_observer != nullptr) options_.verifier_observer->OnVerifyFailed(code);
  }

  VerifierApi* const verifier_;
  const VerifierServiceOptions options_;
  CallBook calls_;
  BoundedExecutor executor_;
};

class VerifierRpcService : public RpcService {
 public:
  VerifierRpcService(VerifierApi* verifier, const VerifierServiceOptions& options)
      : handler_(verifier, options) {}

  std::string name() const override { return v1::VerifierService::service_full_name(); }
  grpc::Service* handler() override { return &handler_; }
  bool WaitUntilIdle(absl::Duration timeout) override { return handler_.WaitUntilIdle(timeout); }

 private:
  VerifierHandler handler_;
};

}  // namespace

std::unique_ptr<RpcService> MakeVerifierService(VerifierApi* verifier,
                                                const VerifierServiceOptions& options) {
  return std::make_unique<VerifierRpcService>(verifier, options);
}

}  // namespace tpo
