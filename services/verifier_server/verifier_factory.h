// The verifiers that a config names, for tpo-verifier and for runs that judge in their own process.
#ifndef TPO_SERVICES_VERIFIER_SERVER_VERIFIER_FACTORY_H_
#define TPO_SERVICES_VERIFIER_SERVER_VERIFIER_FACTORY_H_

#include <memory>

#include "absl/status/statusor.h"
#include "core/verifier_api.h"
#include "tpo/v1/config.pb.h"
#include "verifier/registry.h"

namespace tpo {

// One verifier of each kind, from its section.
absl::StatusOr<std::unique_ptr<VerifierApi>> MakeMathVerifier(const v1::MathVerifierConfig& config);
absl::StatusOr<std::unique_ptr<VerifierApi>> MakeCodeVerifier(const v1::CodeVerifierConfig& config);
absl::StatusOr<std::unique_ptr<VerifierApi>> MakeHttpVerifier(const v1::HttpVerifierConfig& config);

// A verifier of any kind, with its answer_tag. Errors name the field at fault, from the kind on.
// REQUIRES: `config` is resolved (services/config/config.h).
absl::StatusOr<std::unique_ptr<VerifierApi>> MakeVerifier(const v1::ServedVerifierConfig& config);

// All that the section names, each with its tasks; the built-in ones when it names none. Errors
// name the entry: INVALID_ARGUMENT, ALREADY_EXISTS for a task that two of them take, and those of
// the verifiers. REQUIRES: `section` is resolved (services/config/config.h).
absl::StatusOr<std::unique_ptr<VerifierRegistry>> MakeVerifiers(
    const v1::VerifierServiceConfig& section);

// Groups to judge at the same time where neither flag nor config says it: one per core, enough to
// keep the connections of HTTP verifiers busy, and as many more as wait for programs to run.
int DefaultConcurrentGroups(const v1::VerifierServiceConfig& section);

}  // namespace tpo

#endif  // TPO_SERVICES_VERIFIER_SERVER_VERIFIER_FACTORY_H_
