#include "services/engine/verifiers.h"

#include <algorithm>
#include <optional>
#include <string>
#include <utility>

#include "absl/strings/str_cat.h"
#include "core/status_macros.h"
#include "services/config/config.h"
#include "services/engine/patient_verifier.h"
#include "services/grpc/verifier_pools.h"
#include "services/tracing/verifier_traces.h"
#include "services/verifier_server/verifier_factory.h"
#include "tpo/v1/config.pb.h"

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

// Nothing where the run names none.
absl::StatusOr<std::optional<v1::ServedVerifierConfig>> OwnVerifier(const std::string& bytes) {
  if (bytes.empty()) return std::nullopt;
  absl::StatusOr<v1::ServedVerifierConfig> verifier = ParseServedVerifier(bytes);
  if (!verifier.ok()) {
    return absl::InvalidArgumentError(
        absl::StrCat("the learner's verifier can't be used here (is the learner of another "
                     "version?): ",
                     verifier.status().message()));
  }
  return *std::move(verifier);
}

// For all tasks; the built-in ones where the run names none.
absl::StatusOr<std::unique_ptr<VerifierRegistry>> MakeOwnVerifier(const std::string& bytes) {
  TPO_ASSIGN_OR_RETURN(const std::optional<v1::ServedVerifierConfig> config, OwnVerifier(bytes));
  if (!config.has_value()) return VerifierRegistry::BuiltIn();
  absl::StatusOr<std::unique_ptr<VerifierApi>> verifier = MakeVerifier(*config);
  if (!verifier.ok()) {
    return absl::Status(verifier.status().code(),
                        absl::StrCat("task.dataset.verifier.", verifier.status().message()));
  }
  auto registry = std::make_unique<VerifierRegistry>();
  TPO_RETURN_IF_ERROR(registry->Add(*std::move(verifier), {"*"}));
  return registry;
}

}  // namespace

absl::StatusOr<std::unique_ptr<VerifierApi>> MakeVerifier(const RunInfo& run,
                                                          bool allow_remote_plaintext,
                                                          PoolMonitor* monitor,
                                                          const TlsOptions& own,
                                                          const Tracing& tracing) {
  if (!run.verifiers.empty())
    return MakeVerifierPools(run, allow_remote_plaintext, monitor, own, tracing);
  TPO_ASSIGN_OR_RETURN(std::unique_ptr<VerifierApi> own_verifier,
                       MakeOwnVerifier(run.own_verifier));
  return TraceVerifier(MakePatientVerifier(std::move(own_verifier)), tracing);
}

absl::StatusOr<VerifierServiceOptions> OwnVerifierServiceOptions(const RunSpec& spec) {
  TPO_ASSIGN_OR_RETURN(std::optional<v1::ServedVerifierConfig> verifier,
                       OwnVerifier(spec.own_verifier));
  v1::VerifierServiceConfig section;  // as if tpo-verifier had it as its only one
  if (verifier.has_value()) *section.add_verifiers() = *std::move(verifier);
  VerifierServiceOptions options;
  options.threads = DefaultConcurrentGroups(section);
  options.max_completions =
      std::max(options.max_completions, spec.rollout.sampling.completions_per_prompt);
  return options;
}

absl::StatusOr<GrpcVerifierClientOptions> OwnVerifierClientOptions(const RunSpec& spec) {
  TPO_ASSIGN_OR_RETURN(const VerifierServiceOptions service, OwnVerifierServiceOptions(spec));
  GrpcVerifierClientOptions options;
  options.deadline = kVerificationInLeases * spec.learner.lease_time_to_live;
  options.max_in_flight = std::max(options.max_in_flight, service.threads);
  return options;
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
