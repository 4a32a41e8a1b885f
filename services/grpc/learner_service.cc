#include "services/grpc/learner_service.h"

#include <limits>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "core/status_macros.h"
#include "services/grpc/convert.h"
#include "services/grpc/handler.h"
#include "services/grpc/submit_stream.h"
#include "services/grpc/weight_streams.h"
#include "tpo/v1/learner.grpc.pb.h"

namespace tpo {
namespace {

constexpr size_t kMaxNameBytes = 256;

absl::Status CheckName(const std::string& name, const char* field) {
  if (!name.empty() && name.size() <= kMaxNameBytes) return absl::OkStatus();
  return absl::InvalidArgumentError(
      absl::StrCat(field, ": ", name.size(), " bytes; must be 1 to ", kMaxNameBytes));
}

// Asks for a version that never comes, without waiting: the learner says NOT_FOUND to a worker it
// doesn't know, and learns that this one is there.
absl::Status CheckWorker(LearnerApi* learner, const std::string& worker_id) {
  TPO_RETURN_IF_ERROR(CheckName(worker_id, "worker_id"));
  constexpr WeightVersion kNever = std::numeric_limits<WeightVersion>::max();
  const absl::Status status =
      learner->WaitForWeights(worker_id, kNever, absl::ZeroDuration()).status();
  return absl::IsNotFound(status) ? status : absl::OkStatus();
}

using UnaryMethods = v1::LearnerService::WithCallbackMethod_Register<
    v1::LearnerService::WithCallbackMethod_LeasePrompts<
        v1::LearnerService::WithCallbackMethod_GetStatus<v1::LearnerService::Service>>>;
// Raw: the messages of weights are built without a copy of their bytes.
using Methods = v1::LearnerService::WithCallbackMethod_SubmitGroups<
    v1::LearnerService::WithRawCallbackMethod_WatchWeights<UnaryMethods>>;

class LearnerHandler : public Methods {
 public:
  LearnerHandler(LearnerApi* learner, WeightStore* weights, AdminApi* admin,
                 const LearnerServiceOptions& options)
      : learner_(learner),
        admin_(admin),
        calls_{.observer = options.observer, .active = {}},
        weight_streams_(
            weights, options.weight_frame_bytes, &calls_,
            [learner](const std::string& worker_id) { return CheckWorker(learner, worker_id); }) {}

  void Close() { weight_streams_.Close(); }
  bool WaitUntilIdle(absl::Duration timeout) { return calls_.active.WaitUntilNone(timeout); }

  grpc::ServerUnaryReactor* Register(grpc::CallbackServerContext* context,
                                     const v1::RegisterRequest* request,
                                     v1::RegisterResponse* response) override {
    return Answer(context, &calls_, "Register", [&]() -> absl::Status {
      if (request->protocol_version() != kProtocolVersion) {
        return absl::FailedPreconditionError(absl::StrCat("protocol_version: the learner speaks ",
                                                          kProtocolVersion, ", the worker ",
                                                          request->protocol_version()));
      }
      TPO_RETURN_IF_ERROR(CheckName(request->worker_name(), "worker_name"));
      TPO_ASSIGN_OR_RETURN(const RunInfo info, learner_->Register(request->worker_name()));
      ToProto(info, response);
      return absl::OkStatus();
    });
  }

  grpc::ServerUnaryReactor* LeasePrompts(grpc::CallbackServerContext* context,
                                         const v1::LeasePromptsRequest* request,
                                         v1::LeasePromptsResponse* response) override {
    return Answer(context, &calls_, "LeasePrompts", [&]() -> absl::Status {
      TPO_RETURN_IF_ERROR(CheckName(request->worker_id(), "worker_id"));
      TPO_ASSIGN_OR_RETURN(const LeaseResult result, learner_->LeasePrompts(request->worker_id()));
      ToProto(result, response);
      return absl::OkStatus();
    });
  }

  grpc::ServerBidiReactor<v1::SubmitGroupsRequest, v1::SubmitGroupsResponse>* SubmitGroups(
      grpc::CallbackServerContext*) override {
    return new SubmitStream(learner_, &calls_);
  }

  grpc::ServerWriteReactor<grpc::ByteBuffer>* WatchWeights(
      grpc::CallbackServerContext*, const grpc::ByteBuffer* request) override {
    return weight_streams_.Open(*request);
  }

  grpc::ServerUnaryReactor* GetStatus(grpc::CallbackServerContext* context,
                                      const v1::GetStatusRequest*,
                                      v1::GetStatusResponse* response) override {
    return Answer(context, &calls_, "GetStatus", [&]() -> absl::Status {
      ToProto(admin_->GetStatus(), response);
      return absl::OkStatus();
    });
  }

 private:
  LearnerApi* const learner_;
  AdminApi* const admin_;
  CallBook calls_;
  WeightStreams weight_streams_;
};

class LearnerRpcService : public RpcService {
 public:
  LearnerRpcService(LearnerApi* learner, WeightStore* weights, AdminApi* admin,
                    const LearnerServiceOptions& options)
      : handler_(learner, weights, admin, options) {}

  std::string name() const override { return v1::LearnerService::service_full_name(); }
  grpc::Service* handler() override { return &handler_; }
  void Close() override { handler_.Close(); }
  bool WaitUntilIdle(absl::Duration timeout) override { return handler_.WaitUntilIdle(timeout); }

 private:
  LearnerHandler handler_;
};

}  // namespace

std::unique_ptr<RpcService> MakeLearnerService(LearnerApi* learner, WeightStore* weights,
                                               AdminApi* admin,
                                               const LearnerServiceOptions& options) {
  return std::make_unique<LearnerRpcService>(learner, weights, admin, options);
}

}  // namespace tpo
