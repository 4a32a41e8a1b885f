#include "services/verifier_check/check_channel.h"

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "core/status_macros.h"
#include "grpcpp/create_channel.h"
#include "grpcpp/security/credentials.h"
#include "grpcpp/support/channel_arguments.h"
#include "services/grpc/message_limits.h"
#include "services/grpc/tls.h"

namespace tpo {
namespace {

absl::StatusOr<std::shared_ptr<grpc::ChannelCredentials>> MakeCredentials(
    const CheckChannelOptions& options) {
  if (options.tls_ca.empty()) return grpc::InsecureChannelCredentials();
  return MakeChannelCredentials({.certificate = options.tls_certificate,
                                 .key = options.tls_key,
                                 .peer_authority = options.tls_ca,
                                 .server_name = ""},
                                ServerRole::kVerifier);
}

}  // namespace

absl::StatusOr<std::shared_ptr<grpc::Channel>> ConnectForChecks(const CheckChannelOptions& options,
                                                                absl::Duration timeout) {
  TPO_ASSIGN_OR_RETURN(const std::shared_ptr<grpc::ChannelCredentials> credentials,
                       MakeCredentials(options));
  grpc::ChannelArguments arguments;
  // As a worker; but it sends larger ones, to see what becomes of them.
  arguments.SetMaxReceiveMessageSize(kMaxMessageBytes);
  arguments.SetMaxSendMessageSize(-1);
  arguments.SetInt(GRPC_ARG_ENABLE_RETRIES, 0);
  arguments.SetInt(GRPC_ARG_INITIAL_RECONNECT_BACKOFF_MS, 100);
  arguments.SetInt(GRPC_ARG_MIN_RECONNECT_BACKOFF_MS, 1'000);
  arguments.SetInt(GRPC_ARG_MAX_RECONNECT_BACKOFF_MS, 1'000);
  arguments.SetInt(GRPC_ARG_USE_LOCAL_SUBCHANNEL_POOL, 1);
  // An HTTP proxy from the environment is for the outside world, not for these services.
  arguments.SetInt(GRPC_ARG_ENABLE_HTTP_PROXY, 0);
  std::shared_ptr<grpc::Channel> channel =
      grpc::CreateCustomChannel(options.address, credentials, arguments);
  if (!channel->WaitForConnected(absl::ToChronoTime(absl::Now() + timeout))) {
    return absl::UnavailableError(absl::StrCat(
        "nobody who speaks gRPC ", options.tls_ca.empty() ? "in plaintext" : "over TLS",
        " answers at ", options.address, " (tried for ", absl::FormatDuration(timeout),
        "); is the server running, are host and port right, is TLS the same on both sides?"));
  }
  return channel;
}

}  // namespace tpo
