#include "services/verifier_server/verifier_server.h"

#include <iostream>
#include <memory>
#include <utility>

#include "absl/status/status.h"
#include "core/status_macros.h"
#include "services/cli/exit_status.h"
#include "services/config/config.h"
#include "services/verifier_sdk/server_options.h"
#include "services/verifier_sdk/verifier_sdk.h"
#include "services/verifier_server/verifier_factory.h"

namespace tpo {
namespace {

absl::StatusOr<v1::VerifierServiceConfig> Section(const std::string& config) {
  return config.empty() ? ParseVerifierService("verifier_service: {}", "")
                        : LoadVerifierService(config);
}

absl::Status Serve(const VerifierCommand& command) {
  VerifierServerOptions options = ServerOptions(command);
  options.program = TpoVerifierProgram().name;
  TPO_ASSIGN_OR_RETURN(const v1::VerifierServiceConfig section, Section(command.config));
  if (options.max_concurrent_groups == 0)
    options.max_concurrent_groups = section.max_concurrent_groups();
  if (options.max_concurrent_groups == 0)
    options.max_concurrent_groups = DefaultConcurrentGroups(section);
  options.max_waiting_groups = section.max_waiting_groups();
  return ServeVerifier(options, [&section]() -> absl::StatusOr<std::unique_ptr<VerifierApi>> {
    return MakeVerifiers(section);
  });
}

}  // namespace

int RunVerifierServer(const VerifierCommand& command) {
  const absl::Status status = Serve(command);
  if (!status.ok()) std::cerr << "tpo-verifier: " << status.message() << "\n";
  return ExitStatusOf(status);
}

}  // namespace tpo
