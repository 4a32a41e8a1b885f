#include "services/grpc/server.h"

#include <algorithm>
#include <cstdio>
#include <utility>

#include "absl/strings/str_cat.h"
#include "core/clock.h"
#include "core/status_macros.h"
#include "grpcpp/ext/proto_server_reflection_plugin.h"
#include "grpcpp/grpcpp.h"
#include "grpcpp/health_check_service_interface.h"
#include "grpcpp/resource_quota.h"
#include "services/config/address.h"
#include "services/grpc/channel.h"
#include "services/grpc/listen_check.h"

namespace tpo {
namespace {

// Plugins are global and last for the process; linking them by registration at start-up would cost
// every `--help`.
void RegisterPlugins() {
  static const bool registered = [] {
    grpc::EnableDefaultHealthCheckService(true);
    grpc::reflection::InitProtoReflectionServerBuilderPlugin();
    return true;
  }();
  (void)registered;
}

absl::Status CheckListenAddress(const GrpcServer::Options& options) {
  TPO_RETURN_IF_ERROR(CheckAddress(options.listen, PortZero::kAllowed));
  if (!options.tls.has_value() && !IsLoopback(options.listen) && !options.allow_remote_plaintext) {
    return absl::InvalidArgumentError(absl::StrCat(
        "\"", options.listen,
        "\" isn't a loopback address, and the service would be plaintext; "
        "use TLS (docs/security.md), or pass --insecure where the network is trusted"));
  }
  return CheckCanListen(options.listen);
}

absl::StatusOr<std::shared_ptr<grpc::ServerCredentials>> Credentials(
    const GrpcServer::Options& options) {
  if (options.tls.has_value()) return MakeServerCredentials(*options.tls, options.observer);
  return grpc::InsecureServerCredentials();
}

// What a connection whose age is over still gets for its calls: a little more than the longest
// deadline that a config may give a call (verifiers[].deadline_seconds).
constexpr absl::Duration kMaxCallTime = absl::Hours(25);

size_t MemoryBytes(const GrpcServer::Options& options) {
  constexpr size_t kLeast = size_t{1} << 30;
  if (options.memory_bytes > 0) return options.memory_bytes;
  const auto largest = static_cast<size_t>(options.max_request_bytes);
  return std::max(kLeast, GrpcServer::Options::kMessagesAtATime * largest);
}

void SetLimits(const GrpcServer::Options& options, grpc::ServerBuilder* builder) {
  grpc::ResourceQuota memory("tpo-server");
  builder->SetResourceQuota(memory.Resize(MemoryBytes(options)));
  builder->SetMaxReceiveMessageSize(options.max_request_bytes);
  builder->SetMaxSendMessageSize(kMaxMessageBytes);
  // Without this a second server on the same port would silently get every other connection.
  builder->AddChannelArgument(GRPC_ARG_ALLOW_REUSEPORT, 0);
  // Clients ping every 20 s (channel.cc).
  builder->AddChannelArgument(GRPC_ARG_HTTP2_MIN_RECV_PING_INTERVAL_WITHOUT_DATA_MS, 10'000);
  builder->AddChannelArgument(GRPC_ARG_KEEPALIVE_PERMIT_WITHOUT_CALLS, 1);
  builder->AddChannelArgument(GRPC_ARG_KEEPALIVE_TIME_MS, 30'000);
  builder->AddChannelArgument(GRPC_ARG_KEEPALIVE_TIMEOUT_MS, 10'000);
  builder->AddChannelArgument(GRPC_ARG_HTTP2_MAX_PINGS_WITHOUT_DATA, 0);
  builder->AddChannelArgument(GRPC_ARG_MAX_CONCURRENT_STREAMS, 1'000);
  builder->AddChannelArgument(
      GRPC_ARG_MAX_CONNECTION_AGE_MS,
      static_cast<int>(absl::ToInt64Milliseconds(options.max_connection_age)));
  builder->AddChannelArgument(GRPC_ARG_MAX_CONNECTION_AGE_GRACE_MS,
                              static_cast<int>(absl::ToInt64Milliseconds(kMaxCallTime)));
  // Only reflection is served by threads of this kind.
  builder->SetSyncServerOption(grpc::ServerBuilder::NUM_CQS, 1);
  builder->SetSyncServerOption(grpc::ServerBuilder::MIN_POLLERS, 1);
  builder->SetSyncServerOption(grpc::ServerBuilder::MAX_POLLERS, 2);
}

// For answers to leave.
constexpr absl::Duration kFlush = absl::Milliseconds(200);

std::string WithPort(const std::string& address, int port) {
  return absl::StrCat(address.substr(0, address.rfind(':') + 1), port);
}

}  // namespace

struct GrpcServer::Impl {
  std::vector<RpcService*> services;
  std::string address;
  std::unique_ptr<grpc::Server> server;
};

absl::StatusOr<std::unique_ptr<GrpcServer>> GrpcServer::Start(const Options& options) {
  if (!options.listen.empty()) TPO_RETURN_IF_ERROR(CheckListenAddress(options));
  TPO_ASSIGN_OR_RETURN(const std::shared_ptr<grpc::ServerCredentials> credentials,
                       Credentials(options));
  RegisterPlugins();
  grpc::ServerBuilder builder;
  SetLimits(options, &builder);
  int port = 0;
  if (!options.listen.empty()) builder.AddListeningPort(options.listen, credentials, &port);
  for (RpcService* service : options.services) builder.RegisterService(service->handler());

  auto impl = std::make_unique<Impl>();
  impl->services = options.services;
  impl->server = builder.BuildAndStart();
  if (impl->server == nullptr || (!options.listen.empty() && port == 0)) {
    return ListenError(
        options.listen,
        options.tls.has_value()
            ? absl::StrCat("the server didn't start; do the key ", options.tls->key,
                           " and the certificate ", options.tls->certificate, " belong together?")
            : "the server didn't start");
  }
  if (grpc::HealthCheckServiceInterface* health = impl->server->GetHealthCheckService()) {
    for (RpcService* service : options.services) {
      health->SetServingStatus(service->name(), options.serving_at_start);
      for (const std::string& part : service->part_names())
        health->SetServingStatus(part, options.serving_at_start);
    }
  }
  if (!options.listen.empty()) impl->address = WithPort(options.listen, port);
  if (options.announce && !impl->address.empty()) {
    std::printf("listening on %s\n", impl->address.c_str());
    std::fflush(stdout);
  }
  return std::unique_ptr<GrpcServer>(new GrpcServer(std::move(impl)));
}

GrpcServer::GrpcServer(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}

GrpcServer::~GrpcServer() { Shutdown(absl::ZeroDuration()); }

const std::string& GrpcServer::address() const { return impl_->address; }

std::shared_ptr<grpc::Channel> GrpcServer::InProcessChannel() {
  grpc::ChannelArguments arguments;
  arguments.SetMaxReceiveMessageSize(kMaxMessageBytes);
  arguments.SetMaxSendMessageSize(kMaxMessageBytes);
  return impl_->server->InProcessChannel(arguments);
}

void GrpcServer::ReportServing(const std::string& name, bool serving) {
  if (grpc::HealthCheckServiceInterface* health = impl_->server->GetHealthCheckService())
    health->SetServingStatus(name, serving);
}

void GrpcServer::ReportNotServing() {
  if (grpc::HealthCheckServiceInterface* health = impl_->server->GetHealthCheckService())
    health->Shutdown();
}

void GrpcServer::Shutdown(absl::Duration grace) {
  ReportNotServing();
  for (RpcService* service : impl_->services) service->Close();
  const Clock& clock = Clock::Monotonic();
  const absl::Duration deadline = clock.Now() + grace;
  for (RpcService* service : impl_->services) {
    if (!service->WaitUntilIdle(deadline - clock.Now())) service->Abort();
  }
  // What is left now: answers on their way, which get a moment, calls that took too long, and
  // streams that clients keep open for ever, such as those that watch the health.
  const absl::Duration left = std::min(deadline - clock.Now(), kFlush);
  impl_->server->Shutdown(absl::ToChronoTime(absl::Now() + left));
}

}  // namespace tpo
