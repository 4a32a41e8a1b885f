// One replica of a verifier over a channel, for a VerifierPool, which decides what is tried again,
// when and where: calls fail at once when the replica can't be reached or isn't SERVING. A message
// that gRPC refuses for its size is INVALID_ARGUMENT: sent again it would be as large.
#ifndef TPO_SERVICES_GRPC_GRPC_VERIFIER_REPLICA_H_
#define TPO_SERVICES_GRPC_GRPC_VERIFIER_REPLICA_H_

#include <memory>
#include <string>

#include "core/trace.h"
#include "verifier/routing/verifier_replica.h"

namespace grpc {
class Channel;
}  // namespace grpc

namespace tpo {

// `channel`: of MakeVerifierChannel. `name`, usually the address, is part of every error. With
// `tracing` each attempt for a sampled group is a span "verify", which the verifier is told in the
// header "traceparent"; which group it is for, the request's idempotency key says. Without such a
// span the header names the request's trace, if it has one. A call of Describe has a trace of its
// own.
std::unique_ptr<VerifierReplica> MakeGrpcVerifierReplica(
    const std::shared_ptr<grpc::Channel>& channel, std::string name, const Tracing& tracing = {});

}  // namespace tpo

#endif  // TPO_SERVICES_GRPC_GRPC_VERIFIER_REPLICA_H_
