#include "services/engine/verifiers.h"

#include <algorithm>
#include <string>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
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

// As if tpo-verifier had it as its only one; the built-in ones where the run names none.
absl::StatusOr<v1::VerifierServiceConfig> SectionOf(const std::string& own_verifier) {
  v1::VerifierServiceConfig section;
  if (own_verifier.empty()) return section;
  absl::StatusOr<v1::ServedVerifierConfig> verifier = ParseServedVerifier(own_verifier);
  if (!verifier.ok()) {
    return absl::InvalidArgumentError(
        absl::StrCat("the learner's verifier can't be used here (is the learner of another "
                     "version?): ",
                     std::string(verifier.status().message())));
  }
  verifier->clear_tasks();
  verifier->add_tasks("*");
  *section.add_verifiers() = *std::move(verifier);
  return section;
}

}  // namespace

absl::StatusOr<std::unique_ptr<VerifierApi>> MakeVerifier(const RunInfo& run,
                                                          bool allow_remote_plaintext,
                                                          PoolMonitor* monitor,
                                                          const TlsOptions& own,
                                                          const Tracing& tracing) {
  if (!run.verifiers.empty())
    return MakeVerifierPools(run, allow_remote_plaintext, monitor, own, tracing);
  TPO_ASSIGN_OR_RETURN(const v1::VerifierServiceConfig section, SectionOf(run.own_verifier));
  absl::StatusOr<std::unique_ptr<VerifierApi>> own_verifier = MakeVerifiers(section);
  if (!own_verifier.ok()) {
    // Where the run's config has it.
    return absl::Status(
        own_verifier.status().code(),
        absl::StrReplaceAll(own_verifier.status().message(),
                            {{"verifier_service.verifiers[0]: ", "task.dataset.verifier."}}));
  }
  return TraceVerifier(MakePatientVerifier(*std::move(own_verifier)), tracing);
}

absl::StatusOr<VerifierServiceOptions> OwnVerifierServiceOptions(const RunSpec& spec) {
  TPO_ASSIGN_OR_RETURN(const v1::VerifierServiceConfig section, SectionOf(spec.own_verifier));
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
