#include "services/verifier_sdk/server_options.h"

namespace tpo {

VerifierServerOptions ServerOptions(const VerifierCommand& command) {
  VerifierServerOptions options;
  options.listen = command.listen;
  options.metrics_listen = command.metrics_listen;
  options.trace_endpoint = command.traces.endpoint;
  options.trace_ca = command.traces.ca;
  options.trace_insecure = command.traces.insecure;
  if (!command.tls_certificate.empty()) {
    TlsOptions& tls = options.tls.emplace();
    tls.certificate = command.tls_certificate;
    tls.key = command.tls_key;
    tls.peer_authority = command.tls_client_ca;
  }
  options.allow_remote_plaintext = command.insecure;
  options.max_connection_age = absl::Seconds(command.max_connection_age_seconds);
  options.max_concurrent_groups = command.max_concurrent_groups;
  return options;
}

}  // namespace tpo
