// The learner over gRPC: LearnerService and AdminService of proto/tpo/v1/learner.proto. Translates
// calls; decides nothing.
//
// Calls run on gRPC's own threads and never block there: the LearnerApi must not either.
// AdminApi::Checkpoint, which may take long, runs on a thread that the admin service owns.
#ifndef TPO_SERVICES_GRPC_LEARNER_SERVICE_H_
#define TPO_SERVICES_GRPC_LEARNER_SERVICE_H_

#include <cstdint>
#include <memory>

#include "core/admin_api.h"
#include "core/learner_api.h"
#include "core/weight_store.h"
#include "services/grpc/observer.h"
#include "services/grpc/rpc_service.h"

namespace tpo {

// Of this protocol. A worker that speaks another one is refused with FAILED_PRECONDITION.
inline constexpr uint32_t kProtocolVersion = 1;

// Of one SubmitGroups message.
inline constexpr int kMaxGroupsPerMessage = 256;

struct LearnerServiceOptions {
  // Of WatchWeights, the bytes of one message.
  uint64_t weight_frame_bytes = 1 << 20;
  // May be nullptr; else outlives the service.
  RpcObserver* observer = nullptr;
};

// `learner`, `weights` and `admin` (for GetStatus) outlive the service. WatchWeights streams end
// with OK when the store is closed, and with UNAVAILABLE when the server shuts down before.
std::unique_ptr<RpcService> MakeLearnerService(LearnerApi* learner, WeightStore* weights,
                                               AdminApi* admin,
                                               const LearnerServiceOptions& options);

// `admin` outlives the service.
std::unique_ptr<RpcService> MakeAdminService(AdminApi* admin, RpcObserver* observer);

}  // namespace tpo

#endif  // TPO_SERVICES_GRPC_LEARNER_SERVICE_H_
