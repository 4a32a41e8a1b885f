// A gRPC server for the services of one process: standard health and reflection included. Handles
// no signals (services/grpc/signals.h does).
#ifndef TPO_SERVICES_GRPC_SERVER_H_
#define TPO_SERVICES_GRPC_SERVER_H_

#include <cstddef>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "services/grpc/message_limits.h"
#include "services/grpc/observer.h"
#include "services/grpc/rpc_service.h"
#include "services/grpc/tls.h"

namespace grpc {
class Channel;
}  // namespace grpc

namespace tpo {

// Thread-safe.
class GrpcServer {
 public:
  struct Options {
    // HOST:PORT; port 0 picks a free one. Empty: no port, only InProcessChannel.
    std::string listen;
    // Encrypted when given, else plaintext. InProcessChannel is neither.
    std::optional<TlsOptions> tls = std::nullopt;
    // Whether to serve plaintext on an address that isn't loopback.
    bool allow_remote_plaintext = false;
    // Largest request; a larger one is RESOURCE_EXHAUSTED before it is read.
    int max_request_bytes = kMaxMessageBytes;
    // What all connections together may hold of messages that are arriving. Beyond it gRPC closes
    // connections that nobody uses, then ends calls with RESOURCE_EXHAUSTED. 0: at least 1 GiB, and
    // room for kMessagesAtATime of the largest requests.
    size_t memory_bytes = 0;
    static constexpr size_t kMessagesAtATime = 16;
    // Connections are ended after about this time, so that clients look up again which replicas
    // there are, and so that nobody goes on for ever with a certificate that has expired since.
    // Calls aren't touched: they end on the old connection, new ones go to a new one.
    absl::Duration max_connection_age = absl::Minutes(5);
    // Told of calls that are refused before they reach a service. Not owned; may be nullptr, else
    // outlives the server.
    RpcObserver* observer = nullptr;
    // Whether services are SERVING from the start; else once ReportServing says so.
    bool serving_at_start = true;
    // Whether to print the line "listening on HOST:PORT" to stdout once calls are served.
    bool announce = true;
    // Not owned; each outlives the server.
    std::vector<RpcService*> services;
  };

  // INVALID_ARGUMENT: the address is malformed, or remote and plaintext without being allowed, or a
  // file for TLS is at fault. FAILED_PRECONDITION: the address can't be listened on; the message
  // names it and says why.
  static absl::StatusOr<std::unique_ptr<GrpcServer>> Start(const Options& options);

  // Shutdown without grace.
  ~GrpcServer();

  GrpcServer(const GrpcServer&) = delete;
  GrpcServer& operator=(const GrpcServer&) = delete;

  // HOST:PORT with the real port; empty without one.
  const std::string& address() const;

  // A channel that stays within the process and passes by the network, its limits and its retries.
  // It must not be used after the server is gone.
  std::shared_ptr<grpc::Channel> InProcessChannel();

  // Reports the service or part of one (RpcService::name, part_names) as SERVING or not; at first
  // all are as options.serving_at_start says. NOT_SERVING asks clients to send nothing; calls are
  // still served.
  void ReportServing(const std::string& name, bool serving);

  // Reports all services as NOT_SERVING from now on, so that nobody sends more; calls are still
  // served.
  void ReportNotServing();

  // ReportNotServing, closes the services, and lets their calls in progress end; after `grace` they
  // are cancelled and the services told to give up. Returns when all have ended: a handler that
  // never returns holds it up.
  // Idempotent.
  void Shutdown(absl::Duration grace);

 private:
  struct Impl;
  explicit GrpcServer(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace tpo

#endif  // TPO_SERVICES_GRPC_SERVER_H_
