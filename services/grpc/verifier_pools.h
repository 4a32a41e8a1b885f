// From what a run's config says about its external verifiers to one object that asks them.
#ifndef TPO_SERVICES_GRPC_VERIFIER_POOLS_H_
#define TPO_SERVICES_GRPC_VERIFIER_POOLS_H_

#include <memory>

#include "absl/status/statusor.h"
#include "core/learner_api.h"
#include "core/trace.h"
#include "core/verifier_api.h"
#include "services/grpc/tls.h"
#include "verifier/routing/pool_statistics.h"

namespace tpo {

// Each verifier as a pool of its replicas, all of them combined. A verifier that is the only one,
// and scores with weight 1, gets every prompt and its verdicts stay as they are. Verifiers whose
// tasks the run doesn't say are asked for them, so they must be reachable now (UNAVAILABLE,
// DEADLINE_EXCEEDED). INVALID_ARGUMENT: an address or a file for TLS that can't be used
// (`allow_remote_plaintext`: --insecure), or verifiers that don't go together
// (CombinedVerifier::Make). `monitor`, if any, gets the counts of the pools. `own`: the files that
// stand for those that a verifier with TLS doesn't name. `tracing`: its sink outlives the result.
// REQUIRES: the run has verifiers.
absl::StatusOr<std::unique_ptr<VerifierApi>> MakeVerifierPools(const RunInfo& run,
                                                               bool allow_remote_plaintext,
                                                               PoolMonitor* monitor,
                                                               const TlsOptions& own = {},
                                                               const Tracing& tracing = {});

}  // namespace tpo

#endif  // TPO_SERVICES_GRPC_VERIFIER_POOLS_H_
