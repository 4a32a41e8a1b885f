// TLS for servers and channels, from files in PEM. Files are read when the server or the channel is
// made; both ends take TLS 1.2 and later.
#ifndef TPO_SERVICES_GRPC_TLS_H_
#define TPO_SERVICES_GRPC_TLS_H_

#include <memory>
#include <string>

#include "absl/status/statusor.h"

namespace grpc {
class ChannelCredentials;
class ServerCredentials;
}  // namespace grpc

namespace tpo {

// Paths of files; an empty one isn't given.
struct TlsOptions {
  // One's own certificate, followed by those between it and its authority, and its private key:
  // both or neither. A server needs them; a client shows them to a server that asks for one.
  std::string certificate;
  std::string key;
  // Certificates of the authorities that sign the peer's. A server that has them refuses clients
  // without a certificate of theirs (mutual TLS), one without asks for none. A client that has none
  // takes the authorities that the system trusts.
  std::string peer_authority;
  // Clients only: the name that the server's certificate must hold instead of the host's.
  std::string server_name;
};

// INVALID_ARGUMENT: a file can't be read or holds no such PEM block, or one of certificate and key
// is missing; the message names the file. That certificate and key belong together shows when the
// server starts.
absl::StatusOr<std::shared_ptr<grpc::ServerCredentials>> MakeServerCredentials(
    const TlsOptions& options);
absl::StatusOr<std::shared_ptr<grpc::ChannelCredentials>> MakeChannelCredentials(
    const TlsOptions& options);

}  // namespace tpo

#endif  // TPO_SERVICES_GRPC_TLS_H_
