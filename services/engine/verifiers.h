// The verifier that a rollout worker uses.
#ifndef TPO_SERVICES_ENGINE_VERIFIERS_H_
#define TPO_SERVICES_ENGINE_VERIFIERS_H_

#include <memory>
#include <vector>

#include "absl/status/statusor.h"
#include "core/learner_api.h"
#include "core/role_book.h"
#include "core/trace.h"
#include "core/verifier_api.h"
#include "services/grpc/tls.h"
#include "verifier/routing/pool_statistics.h"

namespace tpo {

// The external verifiers that the run's config names (services/grpc/verifier_pools.h says how, and
// which errors there are), or the one that it says workers run themselves, or the built-in ones.
absl::StatusOr<std::unique_ptr<VerifierApi>> MakeVerifier(const RunInfo& run,
                                                          bool allow_remote_plaintext,
                                                          PoolMonitor* monitor = nullptr,
                                                          const TlsOptions& own = {},
                                                          const Tracing& tracing = {});

// How the replicas of all pools are.
std::vector<VerifierStatus> VerifierStatuses(const std::vector<PoolCounts>& pools);

}  // namespace tpo

#endif  // TPO_SERVICES_ENGINE_VERIFIERS_H_
