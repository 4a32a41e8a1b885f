#include <iostream>
#include <memory>
#include <string>
#include <utility>
#include <variant>

#include "absl/synchronization/notification.h"
#include "core/status_macros.h"
#include "services/cli/exit_status.h"
#include "services/cli/log_to_stderr.h"
#include "services/cli/verifier_command_line.h"
#include "services/grpc/signals.h"
#include "services/verifier_sdk/server_options.h"
#include "services/verifier_sdk/verifier_sdk.h"

namespace tpo {
namespace {

// A factory that gives away what is there. It can be called once.
VerifierFactory GiveAway(std::unique_ptr<VerifierApi>* verifier) {
  return
      [verifier]() -> absl::StatusOr<std::unique_ptr<VerifierApi>> { return std::move(*verifier); };
}

std::string BaseName(const std::string& path) { return path.substr(path.rfind('/') + 1); }

}  // namespace

absl::Status ServeVerifier(const VerifierServerOptions& options, const VerifierFactory& factory) {
  LogToStandardError(options.program);
  absl::Notification told_to_end;
  const SignalWaiter signals([&told_to_end](int) { told_to_end.Notify(); });
  TPO_ASSIGN_OR_RETURN(std::unique_ptr<VerifierApi> verifier, factory());
  TPO_ASSIGN_OR_RETURN(const std::unique_ptr<VerifierServer> server,
                       VerifierServer::Start(options, std::move(verifier)));
  told_to_end.WaitForNotification();
  server->Drain();
  return absl::OkStatus();
}

absl::Status ServeVerifier(const VerifierServerOptions& options,
                           std::unique_ptr<VerifierApi> verifier) {
  return ServeVerifier(options, GiveAway(&verifier));
}

int RunVerifier(int argc, const char* const* argv, const VerifierFactory& factory) {
  VerifierProgram program;
  program.name = argc > 0 ? BaseName(argv[0]) : "verifier";
  const auto parsed = ParseVerifierCommandLine(argc, argv, program);
  if (const auto* exit = std::get_if<VerifierExit>(&parsed)) {
    (exit->status == kExitDone ? std::cout : std::cerr) << exit->text << std::flush;
    return exit->status;
  }
  VerifierServerOptions options = ServerOptions(std::get<VerifierCommand>(parsed));
  options.program = program.name;
  const absl::Status status = ServeVerifier(options, factory);
  if (!status.ok()) std::cerr << program.name << ": " << status.message() << "\n";
  return ExitStatusOf(status);
}

int RunVerifier(int argc, const char* const* argv, std::unique_ptr<VerifierApi> verifier) {
  return RunVerifier(argc, argv, GiveAway(&verifier));
}

}  // namespace tpo
