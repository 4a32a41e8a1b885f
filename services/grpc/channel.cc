#include "services/grpc/channel.h"

#include "absl/strings/str_cat.h"
#include "core/status_macros.h"
#include "grpcpp/create_channel.h"
#include "grpcpp/security/credentials.h"
#include "grpcpp/support/channel_arguments.h"
#include "services/config/address.h"

namespace tpo {
namespace {

// Retried: what is small and what the protocol calls idempotent. LeasePrompts isn't: an answer that
// got lost is a lease lost. SubmitGroups and Verify are repeated by the worker, which knows for how
// long that makes sense; here they would be kept in memory until their answer came. When most calls
// fail, retries stop (retryThrottling), so that they don't hold a server down.
constexpr char kLearnerServiceConfig[] = R"({
  "retryThrottling": {"maxTokens": 10, "tokenRatio": 0.1},
  "methodConfig": [{
    "name": [
      {"service": "tpo.v1.LearnerService", "method": "Register"},
      {"service": "tpo.v1.LearnerService", "method": "Deregister"},
      {"service": "tpo.v1.LearnerService", "method": "GetStatus"}
    ],
    "retryPolicy": {
      "maxAttempts": 4,
      "initialBackoff": "0.1s",
      "maxBackoff": "2s",
      "backoffMultiplier": 2,
      "retryableStatusCodes": ["UNAVAILABLE"]
    }
  }]
})";

// Health checks need a balancing policy that asks for them, which pick_first doesn't. The empty
// service name is the whole server's health, which every implementation of the health service
// reports.
constexpr char kVerifierServiceConfig[] = R"({
  "loadBalancingConfig": [{"round_robin": {}}],
  "healthCheckConfig": {"serviceName": ""},
  "retryThrottling": {"maxTokens": 10, "tokenRatio": 0.1},
  "methodConfig": [{
    "name": [{"service": "tpo.v1.VerifierService", "method": "Describe"}],
    "retryPolicy": {
      "maxAttempts": 4,
      "initialBackoff": "0.1s",
      "maxBackoff": "2s",
      "backoffMultiplier": 2,
      "retryableStatusCodes": ["UNAVAILABLE"]
    }
  }]
})";

absl::StatusOr<std::shared_ptr<grpc::ChannelCredentials>> Credentials(const ChannelOptions& options,
                                                                      ServerRole server_role) {
  if (options.tls.has_value()) return MakeChannelCredentials(*options.tls, server_role);
  if (!IsLoopback(options.address) && !options.allow_remote_plaintext) {
    return absl::InvalidArgumentError(absl::StrCat(
        "\"", options.address,
        "\" isn't a loopback address, and the connection would be plaintext; "
        "use TLS (docs/security.md), or pass --insecure where the network is trusted"));
  }
  return grpc::InsecureChannelCredentials();
}

absl::StatusOr<std::shared_ptr<grpc::Channel>> MakeChannel(const ChannelOptions& options,
                                                           ServerRole server_role,
                                                           const char* service_config) {
  TPO_RETURN_IF_ERROR(CheckAddress(options.address, PortZero::kRefused));
  TPO_ASSIGN_OR_RETURN(const std::shared_ptr<grpc::ChannelCredentials> credentials,
                       Credentials(options, server_role));
  grpc::ChannelArguments arguments;
  arguments.SetServiceConfigJSON(service_config);
  arguments.SetMaxReceiveMessageSize(kMaxMessageBytes);
  arguments.SetMaxSendMessageSize(kMaxMessageBytes);
  // Within what the server permits (server.cc), else it would end the connection.
  arguments.SetInt(GRPC_ARG_KEEPALIVE_TIME_MS, 20'000);
  arguments.SetInt(GRPC_ARG_KEEPALIVE_TIMEOUT_MS, 10'000);
  arguments.SetInt(GRPC_ARG_HTTP2_MAX_PINGS_WITHOUT_DATA, 0);
  arguments.SetInt(GRPC_ARG_INITIAL_RECONNECT_BACKOFF_MS, 100);
  // What an attempt may take, whatever its name.
  arguments.SetInt(GRPC_ARG_MIN_RECONNECT_BACKOFF_MS, 5'000);
  // Short enough for a peer that comes back to find its clients there again soon: a learner that
  // resumes a run which is over serves for some seconds only.
  arguments.SetInt(GRPC_ARG_MAX_RECONNECT_BACKOFF_MS, 1'000);
  // Otherwise channels to one address share one connection, and with it one fate, within a process.
  arguments.SetInt(GRPC_ARG_USE_LOCAL_SUBCHANNEL_POOL, 1);
  // An HTTP proxy from the environment is for the outside world, not for these services.
  arguments.SetInt(GRPC_ARG_ENABLE_HTTP_PROXY, 0);
  // pick_first, gRPC's default, drops its subchannel with the connection. When the last watcher of
  // the certificates ends just as the next begins, gRPC (1.51) may forget the new one, and the
  // channel never gets certificates again; round_robin keeps its subchannel, and so the watcher.
  if (options.tls.has_value()) arguments.SetLoadBalancingPolicyName("round_robin");
  if (options.tls.has_value() && !options.tls->server_name.empty())
    arguments.SetSslTargetNameOverride(options.tls->server_name);
  return grpc::CreateCustomChannel(options.address, credentials, arguments);
}

}  // namespace

absl::StatusOr<std::shared_ptr<grpc::Channel>> MakeLearnerChannel(const ChannelOptions& options) {
  return MakeChannel(options, ServerRole::kLearner, kLearnerServiceConfig);
}

absl::StatusOr<std::shared_ptr<grpc::Channel>> MakeVerifierChannel(const ChannelOptions& options) {
  return MakeChannel(options, ServerRole::kVerifier, kVerifierServiceConfig);
}

absl::StatusOr<std::shared_ptr<grpc::Channel>> MakeWeightsChannel(const ChannelOptions& options) {
  return MakeChannel(options, ServerRole::kWeightsSource, "{}");
}

absl::StatusOr<std::shared_ptr<grpc::Channel>> MakeOtherChannel(const ChannelOptions& options) {
  return MakeChannel(options, ServerRole::kAny, "{}");
}

}  // namespace tpo
