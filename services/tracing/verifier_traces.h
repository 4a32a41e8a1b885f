// Spans "verify" of a verifier that isn't asked over a VerifierPool, which traces each attempt
// itself (services/grpc/grpc_verifier_replica.h): the built-in ones.
//
// Thread-safe if the verifier is.
#ifndef TPO_SERVICES_TRACING_VERIFIER_TRACES_H_
#define TPO_SERVICES_TRACING_VERIFIER_TRACES_H_

#include <memory>

#include "core/trace.h"
#include "core/verifier_api.h"

namespace tpo {

// The verifier itself when nothing is traced. The sink outlives the result.
std::unique_ptr<VerifierApi> TraceVerifier(std::unique_ptr<VerifierApi> verifier,
                                           const Tracing& tracing);

}  // namespace tpo

#endif  // TPO_SERVICES_TRACING_VERIFIER_TRACES_H_
