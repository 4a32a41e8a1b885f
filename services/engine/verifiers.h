// The verifier that a rollout worker, or an evaluation, uses.
#ifndef TPO_SERVICES_ENGINE_VERIFIERS_H_
#define TPO_SERVICES_ENGINE_VERIFIERS_H_

#include <memory>
#include <vector>

#include "absl/status/statusor.h"
#include "core/learner_api.h"
#include "core/role_book.h"
#include "core/run_spec.h"
#include "core/trace.h"
#include "core/verifier_api.h"
#include "services/grpc/grpc_verifier_client.h"
#include "services/grpc/tls.h"
#include "services/grpc/verifier_service.h"
#include "verifier/routing/pool_statistics.h"

namespace tpo {

// The external verifiers that the run's config names (services/grpc/verifier_pools.h says how, and
// which errors there are), or the one that it says workers run themselves, or the built-in ones.
// INVALID_ARGUMENT, here and below: the one for workers is none that this version can make.
absl::StatusOr<std::unique_ptr<VerifierApi>> MakeVerifier(const RunInfo& run,
                                                          bool allow_remote_plaintext,
                                                          PoolMonitor* monitor = nullptr,
                                                          const TlsOptions& own = {},
                                                          const Tracing& tracing = {});

// Of the service, in the process of `tpo train`, around the verifier that its workers would run
// themselves elsewhere: as many groups at a time as tpo-verifier would judge with it.
absl::StatusOr<VerifierServiceOptions> OwnVerifierServiceOptions(const RunSpec& spec);

// Of its clients, the workers: the deadline is the one that external verifiers have by default, so
// that a slow verifier costs verdicts, not leases.
absl::StatusOr<GrpcVerifierClientOptions> OwnVerifierClientOptions(const RunSpec& spec);

// How the replicas of all pools are.
std::vector<VerifierStatus> VerifierStatuses(const std::vector<PoolCounts>& pools);

}  // namespace tpo

#endif  // TPO_SERVICES_ENGINE_VERIFIERS_H_
