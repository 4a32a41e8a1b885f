// A verifier over gRPC: VerifierService of proto/tpo/v1/verifier.proto.
//
// A bounded number of groups is scored at a time, on threads that the service owns; a few more
// wait, and the rest is refused with RESOURCE_EXHAUSTED, which clients retry. A call whose deadline
// has passed or whose caller has gone while it waited is not begun. The verifier gets the call's
// deadline, less what the answer needs to travel, and can ask whether the caller has gone. Verdicts
// are made safe (SanitizeVerdicts) before they leave; an exception is INTERNAL.
//
// The verifier is asked once, when the service is made, to describe itself. Health is reported for
// "tpo.v1.VerifierService" and, for each pattern of tasks that it describes, for
// "tpo.v1.VerifierService/PATTERN".
#ifndef TPO_SERVICES_GRPC_VERIFIER_SERVICE_H_
#define TPO_SERVICES_GRPC_VERIFIER_SERVICE_H_

#include <cstddef>
#include <memory>
#include <string>

#include "core/trace.h"
#include "core/verifier_api.h"
#include "services/grpc/observer.h"
#include "services/grpc/rpc_service.h"

namespace tpo {

struct VerifierServiceOptions {
  // Groups scored at a time, each on a thread; 0: one per core.
  int threads = 0;
  // Groups that may wait.
  size_t queue_capacity = 256;
  // Most completions in one request, where the verifier's own limit isn't lower.
  int max_completions = 4096;
  // May be nullptr; else outlive the service.
  RpcObserver* rpc_observer = nullptr;
  VerifierObserver* verifier_observer = nullptr;
  // Where spans "judge" go, of calls whose header "traceparent" says that they are sampled. May be
  // nullptr; else outlives the service.
  SpanSink* spans = nullptr;
};

// The name by which the health of the verifier of these tasks is reported.
std::string VerifierHealthName(const std::string& task_pattern);

// `verifier` outlives the service. When the server shuts down and calls in progress exceed its
// grace, the verifier is closed; a Verify call that doesn't return even then holds up the shutdown.
std::unique_ptr<RpcService> MakeVerifierService(VerifierApi* verifier,
                                                const VerifierServiceOptions& options);

}  // namespace tpo

#endif  // TPO_SERVICES_GRPC_VERIFIER_SERVICE_H_
