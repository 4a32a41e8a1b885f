// The learner over gRPC: LearnerService and AdminService of proto/tpo/v1/learner.proto. Translates
// calls; decides nothing.
//
// Calls run on gRPC's own threads and never block there: the LearnerApi must not either.
// AdminApi::Checkpoint, which may take long, runs on a thread that the admin service owns.
#ifndef TPO_SERVICES_GRPC_LEARNER_SERVICE_H_
#define TPO_SERVICES_GRPC_LEARNER_SERVICE_H_

#include <cstdint>
#include <functional>
#include <memory>
#include <string>

#include "core/admin_api.h"
#include "core/learner_api.h"
#include "core/role_book.h"
#include "core/run_board.h"
#include "core/trace.h"
#include "core/weight_store.h"
#include "services/grpc/observer.h"
#include "services/grpc/rpc_service.h"

namespace tpo {

// Of this protocol. A worker that speaks another one is refused with FAILED_PRECONDITION.
inline constexpr uint32_t kProtocolVersion = 1;

// Of one SubmitGroups message.
inline constexpr int kMaxGroupsPerMessage = 256;

// What happens to a worker's weight stream: it begins; it ends because the worker or the network
// between ended it; it ends because the learner did.
enum class WorkerStream { kOpened, kLost, kClosed };

struct LearnerServiceOptions {
  // Of WatchWeights, the bytes of one message.
  uint64_t weight_frame_bytes = 1 << 20;
  // Where GetStatus finds details. May be nullptr; else outlives the service.
  const RunBoard* board = nullptr;
  // Told what is heard of relays and verifiers, and asked for the details of GetStatus. May be
  // nullptr; else outlives the service.
  RoleBook* roles = nullptr;
  // May be nullptr; else outlives the service.
  RpcObserver* observer = nullptr;
  // Where spans go of calls whose header "traceparent" says that they are sampled, but for
  // SubmitGroups, whose groups have spans of their own (services/tracing/group_traces.h). May be
  // nullptr; else outlives the service.
  SpanSink* spans = nullptr;
  // Told of each stream that was taken up, at its begin and its end, from gRPC's threads; must not
  // block. May be empty.
  std::function<void(const std::string& worker_id, WorkerStream)> on_worker_stream = {};
};

// `learner`, `weights` and `admin` (for GetStatus) outlive the service. WatchWeights streams end
// with OK when the store is closed, and with UNAVAILABLE when the server shuts down before.
std::unique_ptr<RpcService> MakeLearnerService(LearnerApi* learner, WeightStore* weights,
                                               AdminApi* admin,
                                               const LearnerServiceOptions& options);

// `admin` outlives the service. `before_drain`, which may be empty, is called before each Drain is
// passed on, from gRPC's threads; must not block. `spans` is as above.
std::unique_ptr<RpcService> MakeAdminService(AdminApi* admin, RpcObserver* observer,
                                             std::function<void()> before_drain = {},
                                             SpanSink* spans = nullptr);

}  // namespace tpo

#endif  // TPO_SERVICES_GRPC_LEARNER_SERVICE_H_
