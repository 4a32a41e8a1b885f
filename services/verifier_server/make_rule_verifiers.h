// Verifiers of verifier/rules and verifier/reasoning_gym from their sections of the config. Errors
// name the section's field. REQUIRES: sections are resolved (services/config/config.h).
#ifndef TPO_SERVICES_VERIFIER_SERVER_MAKE_RULE_VERIFIERS_H_
#define TPO_SERVICES_VERIFIER_SERVER_MAKE_RULE_VERIFIERS_H_

#include <memory>

#include "absl/status/statusor.h"
#include "core/verifier_api.h"
#include "tpo/v1/config.pb.h"

namespace tpo {

absl::StatusOr<std::unique_ptr<VerifierApi>> MakeRegexVerifier(
    const v1::RegexVerifierConfig& config);
absl::StatusOr<std::unique_ptr<VerifierApi>> MakeNumericVerifier(
    const v1::NumericVerifierConfig& config);
absl::StatusOr<std::unique_ptr<VerifierApi>> MakeGsm8kVerifier(
    const v1::Gsm8kVerifierConfig& config);
absl::StatusOr<std::unique_ptr<VerifierApi>> MakeFormatVerifier(
    const v1::FormatVerifierConfig& config);
absl::StatusOr<std::unique_ptr<VerifierApi>> MakeLengthVerifier(
    const v1::LengthVerifierConfig& config);
absl::StatusOr<std::unique_ptr<VerifierApi>> MakeJsonSchemaVerifier(
    const v1::JsonSchemaVerifierConfig& config);
absl::StatusOr<std::unique_ptr<VerifierApi>> MakeGraphColoringVerifier(
    const v1::GraphColoringVerifierConfig& config);
absl::StatusOr<std::unique_ptr<VerifierApi>> MakeKnightsKnavesVerifier(
    const v1::KnightsKnavesVerifierConfig& config);

}  // namespace tpo

#endif  // TPO_SERVICES_VERIFIER_SERVER_MAKE_RULE_VERIFIERS_H_
