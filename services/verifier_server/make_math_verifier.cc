#include <cstddef>

#include "services/verifier_server/verifier_factory.h"
#include "verifier/math/math_verifier.h"

namespace tpo {

absl::StatusOr<std::unique_ptr<VerifierApi>> MakeMathVerifier(
    const v1::MathVerifierConfig& config) {
  MathVerifier::Options options;
  options.limits.max_steps = config.max_steps();
  options.limits.max_answer_bytes = static_cast<size_t>(config.max_answer_bytes());
  options.limits.max_completion_bytes = static_cast<size_t>(config.max_completion_kib()) << 10;
  options.zero_when_undecided = config.zero_when_undecided();
  return std::make_unique<MathVerifier>(options);
}

}  // namespace tpo
