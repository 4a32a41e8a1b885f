#include "services/config/address.h"

#include <arpa/inet.h>

#include <cstdint>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"

namespace tpo {
namespace {

absl::Status Refused(const std::string& address, const std::string& why) {
  return absl::InvalidArgumentError(absl::StrCat("\"", address, "\" is not HOST:PORT: ", why));
}

std::string HostOf(const std::string& address) {
  std::string host = address.substr(0, address.rfind(':'));
  if (host.size() >= 2 && host.front() == '[' && host.back() == ']')
    host = host.substr(1, host.size() - 2);
  return host;
}

bool IsIpv6(const std::string& host) {
  in6_addr ignored;
  return inet_pton(AF_INET6, host.c_str(), &ignored) == 1;
}

bool IsHostName(const std::string& host) {
  for (const char c : host) {
    if (!absl::ascii_isalnum(static_cast<unsigned char>(c)) && c != '-' && c != '.' && c != '_')
      return false;
  }
  return true;
}

}  // namespace

absl::Status CheckAddress(const std::string& address, PortZero port_zero) {
  if (absl::StrContains(address, "://")) {
    return Refused(address,
                   "it has no scheme. A reward server over HTTP is asked by tpo-verifier "
                   "(docs/bridges.md)");
  }
  const size_t colon = address.rfind(':');
  if (colon == std::string::npos) return Refused(address, "there is no colon");
  const std::string written_host = address.substr(0, colon);
  if (written_host.empty()) return Refused(address, "the host is missing");
  const bool bracketed = written_host.front() == '[' && written_host.back() == ']';
  if (bracketed && !IsIpv6(HostOf(address)))
    return Refused(address, "no IPv6 address stands in the brackets");
  if (!bracketed && absl::StrContains(written_host, ":")) {
    return Refused(address, "an IPv6 address needs brackets, as in [::1]:50051");
  }
  if (!bracketed && !IsHostName(written_host))
    return Refused(address, "the host has odd characters");

  const std::string port_text = address.substr(colon + 1);
  int32_t port = -1;
  for (const char c : port_text) {
    if (!absl::ascii_isdigit(static_cast<unsigned char>(c)))
      return Refused(address, "the port is not a number");
  }
  if (!absl::SimpleAtoi(port_text, &port) || port > 65535)
    return Refused(address, "the port must be 1 to 65535");
  if (port == 0 && port_zero == PortZero::kRefused)
    return Refused(address, "the port must be 1 to 65535");
  return absl::OkStatus();
}

bool IsLoopback(const std::string& address) {
  const std::string host = HostOf(address);
  if (host == "localhost") return true;
  if (in_addr ipv4; inet_pton(AF_INET, host.c_str(), &ipv4) == 1)
    return (ntohl(ipv4.s_addr) >> 24) == 127;
  if (in6_addr ipv6; inet_pton(AF_INET6, host.c_str(), &ipv6) == 1)
    return IN6_IS_ADDR_LOOPBACK(&ipv6);
  return false;
}

}  // namespace tpo
