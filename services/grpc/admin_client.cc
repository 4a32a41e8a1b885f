#include "services/grpc/admin_client.h"

#include "absl/time/clock.h"
#include "core/status_macros.h"
#include "grpcpp/channel.h"
#include "grpcpp/client_context.h"
#include "services/grpc/call_spans.h"
#include "services/grpc/convert.h"
#include "services/grpc/status.h"
#include "tpo/v1/learner.grpc.pb.h"

namespace tpo {

namespace {

void Prepare(absl::Duration deadline, const std::optional<SpanContext>& caller,
             grpc::ClientContext* context) {
  context->set_deadline(absl::ToChronoTime(absl::Now() + deadline));
  if (caller.has_value()) SendTraceContext(*caller, context);
}

absl::StatusOr<v1::GetStatusResponse> CallGetStatus(const std::shared_ptr<grpc::Channel>& channel,
                                                    absl::Duration deadline,
                                                    const std::optional<SpanContext>& caller,
                                                    bool with_details) {
  grpc::ClientContext context;
  Prepare(deadline, caller, &context);
  v1::GetStatusRequest request;
  request.set_with_details(with_details);
  v1::GetStatusResponse response;
  const grpc::Status status =
      v1::LearnerService::NewStub(channel)->GetStatus(&context, request, &response);
  TPO_RETURN_IF_ERROR(FromGrpcStatus(status, "GetStatus"));
  return response;
}

}  // namespace

absl::StatusOr<RunStatus> GetRunStatus(const std::shared_ptr<grpc::Channel>& channel,
                                       absl::Duration deadline,
                                       const std::optional<SpanContext>& caller) {
  TPO_ASSIGN_OR_RETURN(const v1::GetStatusResponse response,
                       CallGetStatus(channel, deadline, caller, /*with_details=*/false));
  return FromProto(response);
}

absl::StatusOr<DetailedRunStatus> GetDetailedRunStatus(
    const std::shared_ptr<grpc::Channel>& channel, absl::Duration deadline,
    const std::optional<SpanContext>& caller) {
  TPO_ASSIGN_OR_RETURN(const v1::GetStatusResponse response,
                       CallGetStatus(channel, deadline, caller, /*with_details=*/true));
  DetailedRunStatus detailed;
  TPO_ASSIGN_OR_RETURN(detailed.status, FromProto(response));
  TPO_ASSIGN_OR_RETURN(detailed.details, DetailsFromProto(response));
  return detailed;
}

absl::StatusOr<CheckpointInfo> RequestCheckpoint(const std::shared_ptr<grpc::Channel>& channel,
                                                 absl::Duration deadline,
                                                 const std::optional<SpanContext>& caller) {
  grpc::ClientContext context;
  Prepare(deadline, caller, &context);
  v1::CheckpointResponse response;
  const grpc::Status status =
      v1::AdminService::NewStub(channel)->Checkpoint(&context, v1::CheckpointRequest(), &response);
  TPO_RETURN_IF_ERROR(FromGrpcStatus(status, "Checkpoint"));
  return CheckpointInfo{.path = response.path(), .step = response.step()};
}

absl::Status RequestDrain(const std::shared_ptr<grpc::Channel>& channel, absl::Duration deadline,
                          const std::optional<SpanContext>& caller) {
  grpc::ClientContext context;
  Prepare(deadline, caller, &context);
  v1::DrainResponse response;
  return FromGrpcStatus(
      v1::AdminService::NewStub(channel)->Drain(&context, v1::DrainRequest(), &response), "Drain");
}

}  // namespace tpo
