#include "services/engine/verifiers.h"

#include <memory>
#include <utility>

#include "absl/strings/str_cat.h"
#include "core/status_macros.h"
#include "services/grpc/channel.h"
#include "services/grpc/grpc_verifier_client.h"
#include "verifier/registry.h"

namespace tpo {

namespace {

absl::StatusOr<std::unique_ptr<VerifierApi>> Connect(const VerifierSpec& spec,
                                                     bool allow_remote_plaintext) {
  TPO_ASSIGN_OR_RETURN(auto channel, MakeVerifierChannel({spec.address, allow_remote_plaintext}));
  GrpcVerifierClientOptions options;
  options.deadline = spec.deadline;
  options.name = spec.address;
  return std::make_unique<GrpcVerifierClient>(std::move(channel), options);
}

}  // namespace

absl::StatusOr<std::unique_ptr<VerifierApi>> MakeVerifier(const RunInfo& run,
                                                          bool allow_remote_plaintext) {
  if (run.verifiers.empty()) {
    TPO_ASSIGN_OR_RETURN(std::unique_ptr<VerifierApi> built_in, VerifierRegistry::BuiltIn());
    return built_in;
  }
  if (run.verifiers.size() == 1) return Connect(run.verifiers.front(), allow_remote_plaintext);
  auto registry = std::make_unique<VerifierRegistry>();
  for (const VerifierSpec& spec : run.verifiers) {
    TPO_ASSIGN_OR_RETURN(std::unique_ptr<VerifierApi> verifier,
                         Connect(spec, allow_remote_plaintext));
    TPO_RETURN_IF_ERROR(registry->Add(std::move(verifier)));
  }
  return registry;
}

}  // namespace tpo
