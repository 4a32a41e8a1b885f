#include "services/metrics/metrics_server.h"

#include <cstdio>
#include <exception>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "core/status_macros.h"
#include "prometheus/exposer.h"
#include "prometheus/registry.h"
#include "services/config/address.h"
#include "services/grpc/listen_check.h"
#include "services/metrics/http_stop.h"

namespace tpo {
namespace {

// Scrapers come one at a time; a second thread answers while one is slow.
constexpr size_t kThreads = 2;

}  // namespace

absl::StatusOr<std::unique_ptr<MetricsServer>> MetricsServer::Start(const std::string& listen,
                                                                    const MetricsRegistry& registry,
                                                                    bool announce) {
  TPO_RETURN_IF_ERROR(CheckAddress(listen, PortZero::kAllowed));
  TPO_RETURN_IF_ERROR(CheckCanListen(listen));
  std::unique_ptr<prometheus::Exposer> exposer;
  std::vector<int> ports;
  try {
    exposer = std::make_unique<prometheus::Exposer>(WithIpAddress(listen), kThreads);
    ports = exposer->GetListeningPorts();
  } catch (const std::exception& error) {
    return ListenError(listen, error.what());
  }
  if (ports.empty()) return ListenError(listen, "the server didn't start");
  for (const auto& collectable : registry.collectables_) exposer->RegisterCollectable(collectable);
  const std::string address = absl::StrCat(listen.substr(0, listen.rfind(':') + 1), ports.front());
  if (announce) {
    std::printf("metrics on %s\n", address.c_str());
    std::fflush(stdout);
  }
  return std::unique_ptr<MetricsServer>(new MetricsServer(std::move(exposer), address));
}

MetricsServer::MetricsServer(std::unique_ptr<prometheus::Exposer> exposer, std::string address)
    : exposer_(std::move(exposer)), address_(std::move(address)) {}

MetricsServer::~MetricsServer() {
  StopHttpServer(address_, [this] { exposer_.reset(); });
}

}  // namespace tpo
