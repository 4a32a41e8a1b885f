#include "services/engine/verifiers.h"

#include "core/status_macros.h"
#include "services/grpc/verifier_pools.h"
#include "verifier/registry.h"

namespace tpo {

absl::StatusOr<std::unique_ptr<VerifierApi>> MakeVerifier(const RunInfo& run,
                                                          bool allow_remote_plaintext,
                                                          PoolMonitor* monitor,
                                                          const TlsOptions& own) {
  if (!run.verifiers.empty()) return MakeVerifierPools(run, allow_remote_plaintext, monitor, own);
  TPO_ASSIGN_OR_RETURN(std::unique_ptr<VerifierApi> built_in, VerifierRegistry::BuiltIn());
  return built_in;
}

}  // namespace tpo
