#include "services/relay/relay_command.h"

#include <iostream>
#include <memory>
#include <string>
#include <utility>
#include <variant>

#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "absl/synchronization/notification.h"
#include "core/status_macros.h"
#include "services/cli/exit_status.h"
#include "services/cli/host_name.h"
#include "services/cli/log_to_stderr.h"
#include "services/engine/drain_on_signal.h"
#include "services/engine/tls_options.h"
#include "services/grpc/certificates.h"
#include "services/grpc/channel.h"
#include "services/grpc/relay_service.h"
#include "services/grpc/server.h"
#include "services/grpc/weight_watcher.h"
#include "services/metrics/certificate_metrics.h"
#include "services/metrics/metrics_registry.h"
#include "services/metrics/metrics_server.h"
#include "services/metrics/relay_metrics.h"
#include "services/metrics/service_metrics.h"
#include "services/metrics/trace_metrics.h"
#include "services/metrics/worker_metrics.h"
#include "services/tracing/otlp_exporter.h"

namespace tpo {
namespace {

// For workers to be told that the run is over, or to end their streams.
constexpr absl::Duration kShutdownGrace = absl::Seconds(5);
// Between two questions whether there is another run.
constexpr absl::Duration kNextRunPause = absl::Seconds(1);

// Hands on what comes, until the end of the run or a signal.
absl::Status HandOn(WeightWatcher* watcher, RelayService* service, GrpcServer* server,
                    const absl::Notification& told_to_end, bool keep_serving) {
  PublishedWeights held;
  while (true) {
    absl::StatusOr<PublishedWeights> weights = watcher->WaitForOthers(held);
    if (weights.ok()) {
      TPO_RETURN_IF_ERROR(service->Publish(*weights));
      server->ReportServing(service->name(), true);
      held = *std::move(weights);
      continue;
    }
    if (told_to_end.HasBeenNotified()) return absl::OkStatus();
    if (!absl::IsOutOfRange(weights.status())) return weights.status();
    service->EndRun();
    if (!keep_serving) return absl::OkStatus();
    if (told_to_end.WaitForNotificationWithTimeout(kNextRunPause)) return absl::OkStatus();
    watcher->Resume();
  }
}

}  // namespace

absl::Status RunRelay(const RelayCommand& command) {
  LogToStandardError("tpo-relay");
  DrainOnSignal drain_on_signal;
  MetricsRegistry metrics("tpo-relay");
  PrometheusRpcObserver rpc_metrics(&metrics);
  PrometheusWeightObserver weight_metrics(&metrics, "tpo_relay_weight_version");
  TPO_ASSIGN_OR_RETURN(const std::unique_ptr<OtlpExporter> traces,
                       StartTraces(command.traces.endpoint, command.traces.ca,
                                   command.insecure || command.traces.insecure, "tpo-relay"));
  if (traces != nullptr) metrics.Add(MakeTraceMetrics([&traces] { return traces->counts(); }));
  TPO_ASSIGN_OR_RETURN(auto channel, MakeWeightsChannel({.address = command.learner,
                                                         .allow_remote_plaintext = command.insecure,
                                                         .tls = ToTlsOptions(command.client_tls)}));
  const std::unique_ptr<RelayService> service =
      RelayService::Make({.observer = &rpc_metrics, .spans = traces.get()});
  metrics.Add(MakeRelayMetrics([&service] { return service->subscribers(); }));
  metrics.Add(MakeCertificateMetrics(
      {{"own", command.client_tls.certificate}, {"authority", command.client_tls.ca}},
      CertificateExpiry));
  std::unique_ptr<MetricsServer> metrics_server;
  if (!command.metrics_listen.empty()) {
    TPO_ASSIGN_OR_RETURN(metrics_server, MetricsServer::Start(command.metrics_listen, metrics));
  }
  TPO_ASSIGN_OR_RETURN(
      const std::unique_ptr<GrpcServer> server,
      GrpcServer::Start({.listen = command.listen,
                         .tls = ToTlsOptions(command.server_tls, PeerRole::kRelay),
                         .allow_remote_plaintext = command.insecure,
                         .max_connection_age = absl::Seconds(command.max_connection_age_seconds),
                         .observer = &rpc_metrics,
                         .serving_at_start = false,
                         .services = {service.get()}}));
  WeightWatcher watcher(
      std::move(channel),
      {.subscriber = WeightSubscriber::kRelay,
       .name = command.name.empty() ? HostName("relay") : command.name,
       .observer = &weight_metrics,
       .tracing = {.sink = traces.get(), .sample_ratio = command.traces.sample_ratio}});
  absl::Notification told_to_end;
  drain_on_signal.SetDrain([&] {
    told_to_end.Notify();
    watcher.Close();
  });
  absl::Status status =
      HandOn(&watcher, service.get(), server.get(), told_to_end, command.keep_serving);
  drain_on_signal.SetDrain({});
  server->Shutdown(kShutdownGrace);
  // A gRPC server that doesn't know a call says so without a word.
  if (absl::IsUnimplemented(status)) {
    return absl::UnimplementedError(absl::StrCat(
        "--learner: ", command.learner, " serves no weights; is it a learner or a relay? (",
        absl::StripSuffix(status.message(), ": "), ")"));
  }
  return status;
}

int RunRelayProgram(int argc, const char* const* argv) {
  const auto parsed = ParseCommandLine(argc, argv);
  if (const auto* exit = std::get_if<CommandLineExit>(&parsed)) return PrintExit(*exit);
  const auto* command = std::get_if<RelayCommand>(&std::get<Command>(parsed));
  if (command == nullptr) {
    std::cerr << "tpo-relay: only for `tpo relay`; run `tpo`\n";
    return kExitRefused;
  }
  const absl::Status status = RunRelay(*command);
  if (!status.ok()) std::cerr << "tpo relay: " << std::string(status.message()) << "\n";
  return ExitStatusOf(status);
}

}  // namespace tpo
