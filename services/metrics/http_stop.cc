#include "services/metrics/http_stop.h"

#include <arpa/inet.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cstdint>
#include <thread>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/synchronization/notification.h"
#include "absl/time/time.h"

namespace tpo {
namespace {

// Connects, and lets go.
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

void StopHttpServer(const std::string& address, const std::function<void()>& stop) {
  absl::Notification stopped;
  std::thread knocker([&] {
    while (!stopped.WaitForNotificationWithTimeout(absl::Milliseconds(5))) Connect(address);
  });
  stop();
  stopped.Notify();
  knocker.join();
}

std::string WithIpAddress(const std::string& address) {
  constexpr char kLocalhost[] = "localhost:";
  return absl::StartsWith(address, kLocalhost)
             ? absl::StrCat("127.0.0.1:", address.substr(sizeof(kLocalhost) - 1))
             : address;
}

}  // namespace tpo
