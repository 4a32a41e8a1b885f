// From the flags for TLS to what servers and channels take. Thread-safe: pure functions.
#ifndef TPO_SERVICES_ENGINE_TLS_OPTIONS_H_
#define TPO_SERVICES_ENGINE_TLS_OPTIONS_H_

#include <optional>

#include "services/cli/command_line.h"
#include "services/grpc/tls.h"

namespace tpo {

// None: plaintext.
inline std::optional<TlsOptions> ToTlsOptions(const ClientTlsFlags& flags) {
  if (!flags.given()) return std::nullopt;
  TlsOptions tls;
  tls.certificate = flags.certificate;
  tls.key = flags.key;
  tls.peer_authority = flags.ca;
  tls.server_name = flags.server_name;
  return tls;
}

// None: plaintext.
inline std::optional<TlsOptions> ToTlsOptions(const ServerTlsFlags& flags, PeerRole role) {
  if (!flags.given()) return std::nullopt;
  TlsOptions tls;
  tls.certificate = flags.certificate;
  tls.key = flags.key;
  tls.peer_authority = flags.client_ca;
  tls.own_role = role;
  return tls;
}

}  // namespace tpo

#endif  // TPO_SERVICES_ENGINE_TLS_OPTIONS_H_
