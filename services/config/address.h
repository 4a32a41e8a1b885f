// HOST:PORT, as the config and the command line take it.
#ifndef TPO_SERVICES_CONFIG_ADDRESS_H_
#define TPO_SERVICES_CONFIG_ADDRESS_H_

#include <string>

#include "absl/status/status.h"

namespace tpo {

enum class PortZero { kRefused, kAllowed };

// INVALID_ARGUMENT says what is wrong with `address`. A host is a name, an IPv4 address, or an IPv6
// address in brackets; a port is 1 to 65535, or 0 where the caller lets the system pick one.
absl::Status CheckAddress(const std::string& address, PortZero port_zero);

// Whether the host is localhost or a loopback IP. REQUIRES: CheckAddress accepted it.
bool IsLoopback(const std::string& address);

}  // namespace tpo

#endif  // TPO_SERVICES_CONFIG_ADDRESS_H_
