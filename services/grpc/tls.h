// TLS for servers and channels, from files in PEM, which are read again every few seconds: a
// certificate that is replaced in its file is used by the connections that begin from then on, and
// those that exist aren't touched. Both ends take TLS 1.2 and later. docs/security.md says how to
// replace files without a gap.
#ifndef TPO_SERVICES_GRPC_TLS_H_
#define TPO_SERVICES_GRPC_TLS_H_

#include <memory>
#include <optional>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "services/grpc/access.h"
#include "services/grpc/observer.h"

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
  // without a certificate of theirs (mutual TLS), and calls that the client's role doesn't allow
  // (services/grpc/access.h); one without asks for no certificate and allows everything. A client
  // that has none takes the authorities that the system trusts.
  std::string peer_authority;
  // Clients only: the name that the server's certificate must hold instead of the host's.
  std::string server_name;
  // The files are looked at that often.
  int reload_seconds = 5;
  // The role that one's own certificate must name, if any; for a clear word at the start instead of
  // refused calls later.
  std::optional<PeerRole> own_role = std::nullopt;
};

// What a client asks of the server's certificate, besides the name and the authority.
enum class ServerRole {
  kLearner,        // it names the role
  kVerifier,       // it names the role, or none at all: verifiers may be anybody's
  kWeightsSource,  // it names the role learner or relay
  kAny,            // nothing
};

// INVALID_ARGUMENT: a file can't be read or holds no such PEM block, one of certificate and key is
// missing or they don't belong together, or one's own certificate has expired or lacks `own_role`;
// the message names the file. `observer`, which may be nullptr, is told of refused calls; it
// outlives the server.
absl::StatusOr<std::shared_ptr<grpc::ServerCredentials>> MakeServerCredentials(
    const TlsOptions& options, RpcObserver* observer = nullptr);
absl::StatusOr<std::shared_ptr<grpc::ChannelCredentials>> MakeChannelCredentials(
    const TlsOptions& options, ServerRole server_role);

}  // namespace tpo

#endif  // TPO_SERVICES_GRPC_TLS_H_
