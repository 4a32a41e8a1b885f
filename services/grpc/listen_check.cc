#include "services/grpc/listen_check.h"

#include <netdb.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "absl/strings/str_cat.h"

namespace tpo {
namespace {

// The reason why one resolved address can't be bound; empty when it can.
std::string BindFault(const addrinfo& target) {
  const int fd = socket(target.ai_family, target.ai_socktype | SOCK_CLOEXEC, target.ai_protocol);
  if (fd < 0) return std::strerror(errno);
  const int one = 1;
  setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
  const bool bound = bind(fd, target.ai_addr, target.ai_addrlen) == 0 && listen(fd, 1) == 0;
  const std::string fault = bound ? "" : std::strerror(errno);
  close(fd);
  return fault;
}

std::string ListenFault(const std::string& address) {
  const size_t colon = address.rfind(':');
  std::string host = address.substr(0, colon);
  if (host.size() >= 2 && host.front() == '[') host = host.substr(1, host.size() - 2);
  addrinfo hints = {};
  hints.ai_socktype = SOCK_STREAM;
  hints.ai_flags = AI_PASSIVE;
  addrinfo* targets = nullptr;
  if (const int error =
          getaddrinfo(host.c_str(), address.substr(colon + 1).c_str(), &hints, &targets);
      error != 0) {
    return gai_strerror(error);
  }
  std::string fault;
  for (const addrinfo* target = targets; target != nullptr && fault.empty();
       target = target->ai_next) {
    fault = BindFault(*target);
  }
  freeaddrinfo(targets);
  return fault;
}

}  // namespace

absl::Status CheckCanListen(const std::string& address) {
  const std::string fault = ListenFault(address);
  return fault.empty() ? absl::OkStatus() : ListenError(address, fault);
}

absl::Status ListenError(const std::string& address, const std::string& fault) {
  return absl::FailedPreconditionError(absl::StrCat("can't listen on ", address, ": ", fault));
}

}  // namespace tpo
