// The verifier that a rollout worker uses.
#ifndef TPO_SERVICES_ENGINE_VERIFIERS_H_
#define TPO_SERVICES_ENGINE_VERIFIERS_H_

#include <memory>

#include "absl/status/statusor.h"
#include "core/learner_api.h"
#include "core/verifier_api.h"

namespace tpo {

// The external verifiers that the run's config names, or the built-in ones when it names none.
// Several external ones share the tasks as they describe them, so each must be reachable now.
// INVALID_ARGUMENT: an address that can't be used
// (`allow_remote_plaintext`: --insecure); ALREADY_EXISTS: two verifiers for the same task.
absl::StatusOr<std::unique_ptr<VerifierApi>> MakeVerifier(const RunInfo& run,
                                                          bool allow_remote_plaintext);

}  // namespace tpo

#endif  // TPO_SERVICES_ENGINE_VERIFIERS_H_
