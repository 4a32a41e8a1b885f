#include "services/verifier_server/verifier_server.h"

#include <iostream>
#include <memory>

#include "absl/status/status.h"
#include "absl/synchronization/notification.h"
#include "absl/time/time.h"
#include "core/status_macros.h"
#include "services/cli/exit_status.h"
#include "services/config/config.h"
#include "services/grpc/server.h"
#include "services/grpc/signals.h"
#include "services/grpc/verifier_service.h"
#include "services/metrics/metrics_registry.h"
#include "services/metrics/metrics_server.h"
#include "services/metrics/service_metrics.h"
#include "verifier/registry.h"

namespace tpo {
namespace {

// Calls in progress get this long after a signal; less than what a supervisor grants before it
// kills.
constexpr absl::Duration kGrace = absl::Seconds(10);

absl::Status Serve(const VerifierCommand& command) {
  absl::Notification told_to_end;
  const SignalWaiter signals([&told_to_end](int) { told_to_end.Notify(); });
  // Nothing in a config concerns the built-in verifiers; it is checked so that a mistake shows
  // here, too.
  if (!command.config.empty()) TPO_RETURN_IF_ERROR(LoadConfig(command.config, {}).status());

  TPO_ASSIGN_OR_RETURN(const std::unique_ptr<VerifierRegistry> verifiers,
                       VerifierRegistry::BuiltIn());
  MetricsRegistry metrics("tpo-verifier");
  PrometheusRpcObserver rpc_observer(&metrics);
  PrometheusVerifierObserver verifier_observer(&metrics);
  std::unique_ptr<MetricsServer> metrics_server;
  if (!command.metrics_listen.empty()) {
    TPO_ASSIGN_OR_RETURN(metrics_server, MetricsServer::Start(command.metrics_listen, metrics));
  }
  VerifierServiceOptions options;
  options.rpc_observer = &rpc_observer;
  options.verifier_observer = &verifier_observer;
  const std::unique_ptr<RpcService> service = MakeVerifierService(verifiers.get(), options);
  GrpcServer::Options server_options;
  server_options.listen = command.listen;
  server_options.allow_remote_plaintext = command.insecure;
  server_options.services = {service.get()};
  TPO_ASSIGN_OR_RETURN(const std::unique_ptr<GrpcServer> server, GrpcServer::Start(server_options));
  told_to_end.WaitForNotification();
  server->Shutdown(kGrace);
  return absl::OkStatus();
}

}  // namespace

int RunVerifierServer(const VerifierCommand& command) {
  const absl::Status status = Serve(command);
  if (!status.ok()) std::cerr << "tpo-verifier: " << status.message() << "\n";
  return ExitStatusOf(status);
}

}  // namespace tpo
