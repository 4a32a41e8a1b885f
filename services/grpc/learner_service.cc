#include "services/grpc/learner_service.h"

#include <limits>
#include <random>
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

// Asks for a version that never comes, without waiting: the learner says NOT_FOUND to a worker it
// doesn't know, and learns that this one is there.
absl::Status CheckWorker(LearnerApi* learner, const std::string& worker_id) {
  constexpr WeightVersion kNever = std::numeric_limits<WeightVersion>::max();
  const absl::Status status =
      learner->WaitForWeights(worker_id, kNever, absl::ZeroDuration()).status();
  return absl::IsNotFound(status) ? status : absl::OkStatus();
}

// Tells this life of the learner from others; not secret.
std::string NewIncarnation() {
  std::random_device random;
  return absl::StrCat(absl::Hex(random(), absl::kZeroPad8), absl::Hex(random(), absl::kZeroPad8));
}

using UnaryMethods = v1::LearnerService::WithRawCallbackMethod_Register<
    v1::LearnerService::WithRawCallbackMethod_LeasePrompts<
        v1::LearnerService::WithRawCallbackMethod_Deregister<
            v1::LearnerService::WithRawCallbackMethod_GetStatus<v1::LearnerService::Service>>>>;
// All raw: requests are parsed within limits, and the messages of weights are built without a copy
// of their bytes.
using Methods = v1::LearnerService::WithRawCallbackMethod_SubmitGroups<
    v1::LearnerService::WithRawCallbackMethod_WatchWeights<UnaryMethods>>;

class LearnerHandler : public Methods {
 public:
  LearnerHandler(LearnerApi* learner, WeightStore* weights, AdminApi* admin,
                 const LearnerServiceOptions& options)
      : learner_(learner),
        admin_(admin),
        board_(options.board),
        roles_(options.roles),
        calls_{.observer = options.observer, .active = {}, .spans = options.spans},
        incarnation_(NewIncarnation()),
        weight_streams_(weights, &calls_,
                        {.frame_bytes = options.weight_frame_bytes,
                         .incarnation = incarnation_,
                         .check =
                             [learner](const v1::WatchWeightsRequest& request) {
                               return request.relay() ? absl::OkStatus()
                                                      : CheckWorker(learner, request.worker_id());
                             },
                         .roles = options.roles,
                         .on_stream = options.on_worker_stream}) {}

  void Close() { weight_streams_.Close(); }
  bool WaitUntilIdle(absl::Duration timeout) { return calls_.active.WaitUntilNone(timeout); }

  grpc::ServerUnaryReactor* Register(grpc::CallbackServerContext* context,
                                     const grpc::ByteBuffer* request_bytes,
                                     grpc::ByteBuffer* response_bytes) override {
    const auto handle = [this](const v1::RegisterRequest& request,
                               v1::RegisterResponse* response) -> absl::Status {
      if (request.protocol_version() != kProtocolVersion) {
        return absl::FailedPreconditionError(absl::StrCat("protocol_version: the learner speaks ",
                                                          kProtocolVersion, ", the worker ",
                                                          request.protocol_version()));
      }
      TPO_RETURN_IF_ERROR(CheckName(request.worker_name(), "worker_name"));
      TPO_ASSIGN_OR_RETURN(const RunInfo info, learner_->Register(request.worker_name()));
      ToProto(info, response);
      response->set_learner_incarnation(incarnation_);
      return absl::OkStatus();
    };
    return Answer<v1::RegisterRequest, v1::RegisterResponse>(
        context, &calls_, "Register", *request_bytes, response_bytes, handle);
  }

  grpc::ServerUnaryReactor* Deregister(grpc::CallbackServerContext* context,
                                       const grpc::ByteBuffer* request_bytes,
                                       grpc::ByteBuffer* response_bytes) override {
    const auto handle = [this](const v1::DeregisterRequest& request,
                               v1::DeregisterResponse* /*response*/) -> absl::Status {
      TPO_RETURN_IF_ERROR(CheckName(request.worker_id(), "worker_id"));
      return learner_->Deregister(request.worker_id());
    };
    return Answer<v1::DeregisterRequest, v1::DeregisterResponse>(
        context, &calls_, "Deregister", *request_bytes, response_bytes, handle);
  }

  grpc::ServerUnaryReactor* LeasePrompts(grpc::CallbackServerContext* context,
                                         const grpc::ByteBuffer* request_bytes,
                                         grpc::ByteBuffer* response_bytes) override {
    const auto handle = [this](const v1::LeasePromptsRequest& request,
                               v1::LeasePromptsResponse* response) -> absl::Status {
      TPO_RETURN_IF_ERROR(CheckName(request.worker_id(), "worker_id"));
      if (request.has_times()) {
        const absl::StatusOr<WorkerTimes> times = FromProto(request.times());
        if (!times.ok()) {
          return absl::InvalidArgumentError(absl::StrCat("times.", times.status().message()));
        }
        learner_->ReportTimes(request.worker_id(), *times);
      }
      TPO_ASSIGN_OR_RETURN(const LeaseResult result, learner_->LeasePrompts(request.worker_id()));
      if (roles_ != nullptr && request.verifiers_size() > 0)
        roles_->OnVerifiers(request.worker_id(), VerifiersFromProto(request));
      ToProto(result, response);
      return absl::OkStatus();
    };
    return Answer<v1::LeasePromptsRequest, v1::LeasePromptsResponse>(
        context, &calls_, "LeasePrompts", *request_bytes, response_bytes, handle);
  }

  grpc::ServerBidiReactor<grpc::ByteBuffer, grpc::ByteBuffer>* SubmitGroups(
      grpc::CallbackServerContext*) override {
    return new SubmitStream(learner_, &calls_);
  }

  grpc::ServerWriteReactor<grpc::ByteBuffer>* WatchWeights(
      grpc::CallbackServerContext* context, const grpc::ByteBuffer* request) override {
    return weight_streams_.Open(context, *request);
  }

  grpc::ServerUnaryReactor* GetStatus(grpc::CallbackServerContext* context,
                                      const grpc::ByteBuffer* request_bytes,
                                      grpc::ByteBuffer* response_bytes) override {
    const auto handle = [this](const v1::GetStatusRequest& request,
                               v1::GetStatusResponse* response) -> absl::Status {
      const RunStatus status = admin_->GetStatus();
      ToProto(status, response);
      if (request.with_details()) {
        RunDetails details = board_ != nullptr ? board_->Read() : RunDetails();
        if (roles_ != nullptr) details.roles = roles_->Read();
        DetailsToProto(status.workers_seen, details, response);
      }
      return absl::OkStatus();
    };
    return Answer<v1::GetStatusRequest, v1::GetStatusResponse>(
        context, &calls_, "GetStatus", *request_bytes, response_bytes, handle);
  }

 private:
  LearnerApi* const learner_;
  AdminApi* const admin_;
  const RunBoard* const board_;
  RoleBook* const roles_;
  CallBook calls_;
  const std::string incarnation_;
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
