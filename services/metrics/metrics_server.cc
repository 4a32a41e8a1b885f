#include "services/metrics/metrics_server.h"

#include <arpa/inet.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cstdint>
#include <cstdio>
#include <exception>
#include <thread>
#include <utility>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/synchronization/notification.h"
#include "absl/time/time.h"
#include "core/status_macros.h"
#include "prometheus/exposer.h"
#include "prometheus/registry.h"
#include "services/config/address.h"
#include "services/grpc/listen_check.h"

namespace tpo {
namespace {

// Scrapers come one at a time; a second thread answers while one is slow.
constexpr size_t kThreads = 2;

// The HTTP server takes IP addresses only.
std::string WithIpAddress(const std::string& address) {
  constexpr char kLocalhost[] = "localhost:";
  return absl::StartsWith(address, kLocalhost)
             ? absl::StrCat("127.0.0.1:", address.substr(sizeof(kLocalhost) - 1))
             : address;
}

// Connects to this machine at the port of `address`, and lets go.
void Connect(const std::string& address) {
  sockaddr_in target = {};
  target.sin_family = AF_INET;
  target.sin_port = htons(static_cast<uint16_t>(std::stoi(address.substr(address.rfind(':') + 1))));
  target.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  const int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
  if (fd < 0) return;
  (void)connect(fd, reinterpret_cast<const sockaddr*>(&target), sizeof(target));
  close(fd);
}

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

// The HTTP server's accepting thread looks whether it is to stop only when somebody connects, or
// every two seconds. So this connects until it has stopped.
MetricsServer::~MetricsServer() {
  absl::Notification stopped;
  std::thread knocker([&] {
    while (!stopped.WaitForNotificationWithTimeout(absl::Milliseconds(5))) Connect(address_);
  });
  exposer_.reset();
  stopped.Notify();
  knocker.join();
}

}  // namespace tpo
