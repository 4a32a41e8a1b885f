#include "services/engine/verifiers.h"

#include <utility>

#include "core/status_macros.h"
#include "services/grpc/verifier_pools.h"
#include "services/tracing/verifier_traces.h"
#include "services/verifier_server/verifier_factory.h"
#include "tpo/v1/config.pb.h"
#include "verifier/registry.h"

namespace tpo {
namespace {

VerifierHealth HealthOf(CircuitBreaker::State breaker) {
  switch (breaker) {
    case CircuitBreaker::State::kClosed:
      return VerifierHealth::kHealthy;
    case CircuitBreaker::State::kHalfOpen:
      return VerifierHealth::kOnProbation;
    case CircuitBreaker::State::kOpen:
      break;
  }
  return VerifierHealth::kLeftAlone;
}

}  // namespace

absl::StatusOr<std::unique_ptr<VerifierApi>> MakeVerifier(const RunInfo& run,
                                                          bool allow_remote_plaintext,
                                                          PoolMonitor* monitor,
                                                          const TlsOptions& own,
                                                          const Tracing& tracing) {
  if (!run.verifiers.empty())
    return MakeVerifierPools(run, allow_remote_plaintext, monitor, own, tracing);
  if (!run.own_verifier.empty()) {
    v1::VerifierServiceConfig section;
    v1::ServedVerifierConfig* const verifier = section.add_verifiers();
    if (!verifier->ParseFromString(run.own_verifier)) {
      return absl::InvalidArgumentError(
          "task.dataset.verifier, as the learner sent it, isn't understood: it is of another "
          "version");
    }
    verifier->clear_tasks();
    verifier->add_tasks("*");
    TPO_ASSIGN_OR_RETURN(std::unique_ptr<VerifierApi> chosen, MakeVerifiers(section));
    return TraceVerifier(std::move(chosen), tracing);
  }
  TPO_ASSIGN_OR_RETURN(std::unique_ptr<VerifierApi> built_in, VerifierRegistry::BuiltIn());
  return TraceVerifier(std::move(built_in), tracing);
}

std::vector<VerifierStatus> VerifierStatuses(const std::vector<PoolCounts>& pools) {
  std::vector<VerifierStatus> statuses;
  for (const PoolCounts& pool : pools) {
    for (const ReplicaCounts& replica : pool.replicas) {
      VerifierStatus status;
      status.verifier = pool.verifier;
      status.backend = replica.name;
      status.health = HealthOf(replica.breaker);
      for (const auto& [code, count] : replica.attempts)
        (code == absl::StatusCode::kOk ? status.answered : status.failed) += count;
      statuses.push_back(std::move(status));
    }
  }
  return statuses;
}

}  // namespace tpo
