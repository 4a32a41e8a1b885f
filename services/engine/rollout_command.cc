// `tpo rollout`: a rollout worker as a process of its own.
#include <algorithm>
#include <cstdio>
#include <memory>
#include <string>

#include "core/status_macros.h"
#include "rollout/worker.h"
#include "services/cli/exit_status.h"
#include "services/cli/host_name.h"
#include "services/engine/drain_on_signal.h"
#include "services/engine/engine.h"
#include "services/engine/tls_options.h"
#include "services/engine/verifiers.h"
#include "services/grpc/certificates.h"
#include "services/grpc/channel.h"
#include "services/grpc/grpc_learner_client.h"
#include "services/metrics/certificate_metrics.h"
#include "services/metrics/metrics_registry.h"
#include "services/metrics/metrics_server.h"
#include "services/metrics/trace_metrics.h"
#include "services/metrics/verification_metrics.h"
#include "services/metrics/worker_metrics.h"
#include "services/tracing/group_traces.h"
#include "services/tracing/otlp_exporter.h"
#include "spdlog/spdlog.h"

namespace tpo {
namespace {

// The learner's name, where one is given, isn't the relay's.
std::optional<TlsOptions> RelayTls(std::optional<TlsOptions> tls) {
  if (tls.has_value()) tls->server_name.clear();
  return tls;
}

}  // namespace

absl::Status RunRollout(const RolloutCommand& command) {
  DrainOnSignal drain_on_signal;
  const std::optional<TlsOptions> tls = ToTlsOptions(command.tls);
  TPO_ASSIGN_OR_RETURN(auto channel, MakeLearnerChannel({command.learner, command.insecure, tls}));
  MetricsRegistry metrics("tpo-rollout");
  PrometheusWeightObserver weight_metrics(&metrics);
  TPO_ASSIGN_OR_RETURN(const std::unique_ptr<OtlpExporter> traces,
                       StartTraces(command.traces.endpoint, command.traces.ca,
                                   command.insecure || command.traces.insecure, "tpo-rollout"));
  const Tracing tracing = {.sink = traces.get(), .sample_ratio = command.traces.sample_ratio};
  PoolMonitor verification;
  GrpcLearnerClientOptions client_options;
  client_options.verifiers = [&verification] { return VerifierStatuses(verification.Read()); };
  client_options.tracing = tracing;
  client_options.weight_observer = &weight_metrics;
  client_options.call_deadline =
      std::min(client_options.call_deadline, absl::Seconds(command.give_up_after_seconds));
  if (!command.weights.empty()) {
    TPO_ASSIGN_OR_RETURN(client_options.weights_channel,
                         MakeWeightsChannel({command.weights, command.insecure, RelayTls(tls)}));
  }
  GrpcLearnerClient client(std::move(channel), client_options);
  WorkerTraces learner(&client, tracing);
  RolloutWorker::Options options;
  options.name = command.name.empty() ? HostName("worker") : command.name;
  options.parallel_leases = command.parallel_leases;
  options.give_up_after = absl::Seconds(command.give_up_after_seconds);
  options.stop_grace = absl::Seconds(command.drain_seconds);
  options.on_warning = [](const std::string& warning) { spdlog::warn("{}", warning); };
  options.on_note = [](const std::string& note) { spdlog::info("{}", note); };
  bool taken_in = false;
  RolloutWorker worker(options, &learner, [&](const RunInfo& run) {
    // Asked for once, as soon as the learner has taken the worker in. Whether its verifiers may be
    // reached is a matter of the command's flags, too.
    auto verifier =
        MakeVerifier(run, command.insecure, &verification, tls.value_or(TlsOptions()), tracing);
    taken_in = verifier.ok();
    return verifier;
  });
  metrics.Add(MakeCertificateMetrics(
      {{"own", command.tls.certificate}, {"authority", command.tls.ca}}, CertificateExpiry));
  WorkerMetrics worker_metrics(&metrics);
  worker_metrics.Attach([&worker] { return worker.statistics(); });
  if (traces != nullptr) metrics.Add(MakeTraceMetrics([&traces] { return traces->counts(); }));
  metrics.Add(MakeVerificationMetrics(&verification));
  std::unique_ptr<MetricsServer> metrics_server;
  if (!command.metrics_listen.empty()) {
    TPO_ASSIGN_OR_RETURN(metrics_server, MetricsServer::Start(command.metrics_listen, metrics));
  }
  drain_on_signal.SetDrain([&worker] { worker.Stop(); });
  if (!command.quiet) {
    std::printf("asking the learner at %s for prompts; gives up when it doesn't answer for %d s\n",
                command.learner.c_str(), static_cast<int>(command.give_up_after_seconds));
    std::fflush(stdout);
  }
  absl::Status status = worker.Run();
  drain_on_signal.SetDrain({});
  if (!command.quiet) {
    const WorkerStatistics statistics = worker.statistics();
    std::printf("answered %llu leases: %llu groups, %llu tokens\n",
                static_cast<unsigned long long>(statistics.leases),
                static_cast<unsigned long long>(statistics.groups),
                static_cast<unsigned long long>(statistics.tokens));
  }
  if (absl::IsUnavailable(status) || absl::IsDeadlineExceeded(status)) {
    return absl::Status(
        status.code(),
        absl::StrCat("the learner at ", command.learner, " didn't answer for ",
                     command.give_up_after_seconds, " s (--give_up_after): ", status.message()));
  }
  // What ends a worker that was taken in isn't this command's input.
  if (taken_in && ExitStatusOf(status) == kExitRefused)
    return absl::InternalError(status.message());
  return status;
}

}  // namespace tpo
