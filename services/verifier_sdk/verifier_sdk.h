// A verifier as a service: what any program needs to serve one to rollout workers over
// proto/tpo/v1/verifier.proto. Link tpo::verifier_sdk, from this tree or, after
// find_package(tpo), from an installed one.
//
//   int main(int argc, char** argv) {
//     return tpo::RunVerifier(argc, argv, tpo::MakeCompletionVerifier(…));  // a function
//     return tpo::RunVerifier(argc, argv, std::make_unique<MyVerifier>());  // or a VerifierApi
//   }
//
// brings flags, the gRPC service with deadlines and cancellation, health (of the server, of the
// service, of each task pattern), reflection, Prometheus metrics, TLS, a bounded number of groups
// at a time with a bounded queue, and an orderly end on SIGTERM. tpo-verifier is made of the same
// parts.
//
// The verifier (core/verifier_api.h, verifier/function_verifier.h) is called on many threads at a
// time. What it returns is made safe before it leaves, see SanitizeVerdicts.
#ifndef TPO_SERVICES_VERIFIER_SDK_VERIFIER_SDK_H_
#define TPO_SERVICES_VERIFIER_SDK_VERIFIER_SDK_H_

#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "core/verifier_api.h"
#include "services/grpc/tls.h"
#include "verifier/function_verifier.h"

namespace tpo {

struct VerifierServerOptions {
  // HOST:PORT; port 0 picks a free one.
  std::string listen = "127.0.0.1:0";
  // Where Prometheus finds /metrics, in plaintext; empty: nowhere.
  std::string metrics_listen;
  // HOST:PORT of an OpenTelemetry collector for traces of calls whose header "traceparent" says
  // that they are sampled; empty: none.
  std::string trace_endpoint;
  // PEM file with the authorities of the collector's certificate; empty: plaintext.
  std::string trace_ca;
  // Whether to send plaintext to a collector that isn't on loopback; so does
  // allow_remote_plaintext.
  bool trace_insecure = false;
  // Encrypted when given, else plaintext.
  std::optional<TlsOptions> tls = std::nullopt;
  // Whether to serve plaintext on an address that isn't loopback.
  bool allow_remote_plaintext = false;
  // Clients are asked to connect anew after about this time; their calls aren't touched.
  absl::Duration max_connection_age = absl::Minutes(5);
  // Groups judged at a time, each on a thread of its own; 0: one per core. More than cores for a
  // verifier that mostly waits for others.
  int max_concurrent_groups = 0;
  // Groups that wait for their turn; one more is refused with RESOURCE_EXHAUSTED, and its worker
  // asks again.
  int max_waiting_groups = 256;
  // Most completions in a group, where the verifier's own limit isn't lower.
  int max_completions = 4096;
  // For calls in progress when the server is drained; less than what a supervisor grants before it
  // kills.
  absl::Duration grace = absl::Seconds(10);
  // For metrics.
  std::string program = "verifier";
  // Whether to print the lines "metrics on HOST:PORT" and "listening on HOST:PORT" to stdout.
  bool announce = true;
};

// A server in a process that has more to do. Handles no signals. Thread-safe.
class VerifierServer {
 public:
  // INVALID_ARGUMENT: an address is malformed, or remote and plaintext without being allowed, a
  // number is out of range, a file for TLS is at fault, or the verifier names no task.
  // FAILED_PRECONDITION: an address can't be listened on. Further errors are those of the
  // verifier's Describe.
  static absl::StatusOr<std::unique_ptr<VerifierServer>> Start(
      const VerifierServerOptions& options, std::unique_ptr<VerifierApi> verifier);

  // Drains.
  ~VerifierServer();

  VerifierServer(const VerifierServer&) = delete;
  VerifierServer& operator=(const VerifierServer&) = delete;

  // HOST:PORT with the real port; that of the metrics is empty without them.
  const std::string& address() const;
  const std::string& metrics_address() const;

  // Reports the health of one of the patterns that the verifier described, e.g. when what judges
  // these tasks is out of order. All are healthy at first.
  void ReportHealth(const std::string& task_pattern, bool healthy);

  // Reports NOT_SERVING and lets calls in progress end; after `grace` they are cancelled and the
  // verifier is closed. Returns when all have ended. Idempotent.
  void Drain();

 private:
  struct Impl;
  explicit VerifierServer(std::unique_ptr<Impl> impl);
  const std::unique_ptr<Impl> impl_;
};

using VerifierFactory = std::function<absl::StatusOr<std::unique_ptr<VerifierApi>>()>;

// Serves until SIGTERM or SIGINT, then drains; a second signal ends the process at once. Errors are
// those of VerifierServer::Start and of the factory. REQUIRES: there is no other thread yet; a
// verifier that has threads is made by a factory, which is called when signals are in hand.
absl::Status ServeVerifier(const VerifierServerOptions& options, const VerifierFactory& factory);
absl::Status ServeVerifier(const VerifierServerOptions& options,
                           std::unique_ptr<VerifierApi> verifier);

// The main of a program: flags (see --help) and ServeVerifier. Returns the exit status: 0 after a
// signal, 2 when the input was refused, 1 for any other failure; says why on stderr.
int RunVerifier(int argc, const char* const* argv, const VerifierFactory& factory);
int RunVerifier(int argc, const char* const* argv, std::unique_ptr<VerifierApi> verifier);

}  // namespace tpo

#endif  // TPO_SERVICES_VERIFIER_SDK_VERIFIER_SDK_H_
