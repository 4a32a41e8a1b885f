#include <utility>

#include "absl/strings/str_cat.h"
#include "core/status_macros.h"
#include "services/grpc/certificates.h"
#include "services/grpc/server.h"
#include "services/grpc/verifier_service.h"
#include "services/metrics/certificate_metrics.h"
#include "services/metrics/metrics_registry.h"
#include "services/metrics/metrics_server.h"
#include "services/metrics/service_metrics.h"
#include "services/metrics/trace_metrics.h"
#include "services/tracing/otlp_exporter.h"
#include "services/verifier_sdk/verifier_sdk.h"

namespace tpo {
namespace {

absl::Status CheckNumber(const char* name, int value, int least) {
  if (value >= least) return absl::OkStatus();
  return absl::InvalidArgumentError(absl::StrCat(name, ": ", value, "; at least ", least));
}

absl::Status Check(const VerifierServerOptions& options, VerifierApi* verifier) {
  TPO_RETURN_IF_ERROR(CheckNumber("max_concurrent_groups", options.max_concurrent_groups, 0));
  TPO_RETURN_IF_ERROR(CheckNumber("max_waiting_groups", options.max_waiting_groups, 0));
  TPO_RETURN_IF_ERROR(CheckNumber("max_completions", options.max_completions, 1));
  TPO_ASSIGN_OR_RETURN(const VerifierDescription description, verifier->Describe());
  if (!description.tasks.empty()) return absl::OkStatus();
  return absl::InvalidArgumentError(absl::StrCat("the verifier '", description.verifier,
                                                 "' names no task; \"*\" stands for all"));
}

}  // namespace

// In the order of construction: what comes later uses what comes before.
struct VerifierServer::Impl {
  Impl(const VerifierServerOptions& server_options, std::unique_ptr<VerifierApi> served,
       std::unique_ptr<OtlpExporter> exporter)
      : options(server_options),
        verifier(std::move(served)),
        traces(std::move(exporter)),
        metrics(options.program),
        rpc_observer(&metrics),
        verifier_observer(&metrics),
        service(MakeVerifierService(
            verifier.get(), {.threads = options.max_concurrent_groups,
                             .queue_capacity = static_cast<size_t>(options.max_waiting_groups),
                             .max_completions = options.max_completions,
                             .rpc_observer = &rpc_observer,
                             .verifier_observer = &verifier_observer,
                             .spans = traces.get()})) {
    if (traces != nullptr) metrics.Add(MakeTraceMetrics([this] { return traces->counts(); }));
    if (!options.tls.has_value()) return;
    metrics.Add(MakeCertificateMetrics(
        {{"own", options.tls->certificate}, {"authority", options.tls->peer_authority}},
        CertificateExpiry));
  }

  absl::Status Start() {
    if (!options.metrics_listen.empty()) {
      TPO_ASSIGN_OR_RETURN(metrics_server,
                           MetricsServer::Start(options.metrics_listen, metrics, options.announce));
    }
    TPO_ASSIGN_OR_RETURN(
        server, GrpcServer::Start({.listen = options.listen,
                                   .tls = options.tls,
                                   .allow_remote_plaintext = options.allow_remote_plaintext,
                                   .max_connection_age = options.max_connection_age,
                                   .observer = &rpc_observer,
                                   .announce = options.announce,
                                   .services = {service.get()}}));
    return absl::OkStatus();
  }

  const VerifierServerOptions options;
  const std::unique_ptr<VerifierApi> verifier;
  const std::unique_ptr<OtlpExporter> traces;
  MetricsRegistry metrics;
  PrometheusRpcObserver rpc_observer;
  PrometheusVerifierObserver verifier_observer;
  const std::unique_ptr<RpcService> service;
  std::unique_ptr<MetricsServer> metrics_server;
  std::unique_ptr<GrpcServer> server;
  const std::string no_address;
};

absl::StatusOr<std::unique_ptr<VerifierServer>> VerifierServer::Start(
    const VerifierServerOptions& options, std::unique_ptr<VerifierApi> verifier) {
  TPO_RETURN_IF_ERROR(Check(options, verifier.get()));
  TPO_ASSIGN_OR_RETURN(
      std::unique_ptr<OtlpExporter> traces,
      StartTraces(options.trace_endpoint, options.trace_ca,
                  options.allow_remote_plaintext || options.trace_insecure, options.program));
  auto impl = std::make_unique<Impl>(options, std::move(verifier), std::move(traces));
  TPO_RETURN_IF_ERROR(impl->Start());
  return std::unique_ptr<VerifierServer>(new VerifierServer(std::move(impl)));
}

VerifierServer::VerifierServer(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}

VerifierServer::~VerifierServer() { Drain(); }

const std::string& VerifierServer::address() const { return impl_->server->address(); }

const std::string& VerifierServer::metrics_address() const {
  return impl_->metrics_server == nullptr ? impl_->no_address : impl_->metrics_server->address();
}

void VerifierServer::ReportHealth(const std::string& task_pattern, bool healthy) {
  impl_->server->ReportServing(VerifierHealthName(task_pattern), healthy);
}

void VerifierServer::Drain() { impl_->server->Shutdown(impl_->options.grace); }

}  // namespace tpo
