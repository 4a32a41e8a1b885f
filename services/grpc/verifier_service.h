// A verifier over gRPC: VerifierService of proto/tpo/v1/verifier.proto.
//
// A bounded number of groups is scored at a time, on threads that the service owns; a few more
// wait, and the rest is refused with RESOURCE_EXHAUSTED, which clients retry. A call whose deadline
// has passed or whose caller has gone while it waited is not begun. Verdicts are made safe
// (SanitizeVerdicts) before they leave.
#ifndef TPO_SERVICES_GRPC_VERIFIER_SERVICE_H_
#define TPO_SERVICES_GRPC_VERIFIER_SERVICE_H_

#include <cstddef>
#include <memory>

#include "core/verifier_api.h"
#include "services/grpc/observer.h"
#include "services/grpc/rpc_service.h"

namespace tpo {

struct VerifierServiceOptions {
  // Groups scored at a time; 0: one per core.
  int threads = 0;
  // Groups that may wait.
  size_t queue_capacity = 256;
  // Most completions in one request.
  int max_completions = 4096;
  // May be nullptr; else outlive the service.
  RpcObserver* rpc_observer = nullptr;
  VerifierObserver* verifier_observer = nullptr;
};

// `verifier` outlives the service. A Verify call of it that never returns holds up the server's
// shutdown.
std::unique_ptr<RpcService> MakeVerifierService(VerifierApi* verifier,
                                                const VerifierServiceOptions& options);

}  // namespace tpo

#endif  // TPO_SERVICES_GRPC_VERIFIER_SERVICE_H_
