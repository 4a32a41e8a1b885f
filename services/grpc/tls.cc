#include "services/grpc/tls.h"

#include <algorithm>
#include <functional>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "core/status_macros.h"
#include "grpcpp/security/credentials.h"
#include "grpcpp/security/server_credentials.h"
#include "grpcpp/security/tls_certificate_provider.h"
#include "grpcpp/security/tls_certificate_verifier.h"
#include "grpcpp/security/tls_credentials_options.h"
#include "services/grpc/access_processor.h"
#include "services/grpc/certificates.h"

namespace tpo {
namespace {

using grpc::experimental::FileWatcherCertificateProvider;

absl::Status CheckOwnCertificate(const TlsOptions& options) {
  if (options.certificate.empty() != options.key.empty()) {
    return absl::InvalidArgumentError(
        options.certificate.empty()
            ? absl::StrCat(options.key, ": a key without its certificate; give both")
            : absl::StrCat(options.certificate, ": a certificate without its key; give both"));
  }
  if (options.certificate.empty()) return absl::OkStatus();
  TPO_ASSIGN_OR_RETURN(const std::string certificate, ReadPem(options.certificate, "CERTIFICATE"));
  TPO_ASSIGN_OR_RETURN(const std::string key, ReadPem(options.key, "PRIVATE KEY"));
  TPO_RETURN_IF_ERROR(CheckKeyBelongs(certificate, options.certificate, key, options.key));
  TPO_ASSIGN_OR_RETURN(const std::vector<CertificateFacts> facts,
                       ParseCertificates(certificate, options.certificate));
  const CertificateFacts& own = facts.front();
  if (own.not_after < absl::Now()) {
    return absl::InvalidArgumentError(
        absl::StrCat(options.certificate, ": has expired, at ",
                     absl::FormatTime(own.not_after, absl::UTCTimeZone())));
  }
  if (!options.own_role.has_value()) return absl::OkStatus();
  const std::vector<PeerRole> roles = RolesOfUris(own.uris);
  if (std::find(roles.begin(), roles.end(), *options.own_role) != roles.end())
    return absl::OkStatus();
  return absl::InvalidArgumentError(absl::StrCat(
      options.certificate, ": names no URI spiffe://TRUST-DOMAIN/tpo/", RoleName(*options.own_role),
      ", so that nobody would believe its holder to be a ", RoleName(*options.own_role)));
}

absl::Status CheckFiles(const TlsOptions& options) {
  TPO_RETURN_IF_ERROR(CheckOwnCertificate(options));
  if (options.peer_authority.empty()) return absl::OkStatus();
  TPO_ASSIGN_OR_RETURN(const std::string authorities,
                       ReadPem(options.peer_authority, "CERTIFICATE"));
  return ParseCertificates(authorities, options.peer_authority).status();
}

// nullptr: there is nothing to watch.
std::shared_ptr<FileWatcherCertificateProvider> WatcherOf(const TlsOptions& tls) {
  if (tls.certificate.empty() && tls.peer_authority.empty()) return nullptr;
  return std::make_shared<FileWatcherCertificateProvider>(
      tls.key, tls.certificate, tls.peer_authority,
      static_cast<unsigned>(std::max(tls.reload_seconds, 1)));
}

void WatchWhatIsGiven(const TlsOptions& tls, grpc::experimental::TlsCredentialsOptions* options) {
  if (!tls.certificate.empty()) options->watch_identity_key_cert_pairs();
  if (!tls.peer_authority.empty()) options->watch_root_certs();
}

// What a client checks once the server's certificate is known to be signed by an authority: the
// host's name, as gRPC does by default, and the role.
class ServerCheck : public grpc::experimental::ExternalCertificateVerifier {
 public:
  explicit ServerCheck(ServerRole role) : role_(role) {}

  bool Verify(grpc::experimental::TlsCustomVerificationCheckRequest* request,
              std::function<void(grpc::Status)> /*callback*/, grpc::Status* status) override {
    // The check of names is synchronous.
    host_name_.Verify(request, nullptr, status);
    if (!status->ok()) return true;
    std::vector<std::string> uris;
    for (const grpc::string_ref& uri : request->uri_names())
      uris.emplace_back(uri.data(), uri.size());
    *status = CheckRole(RolesOfUris(uris));
    return true;
  }

  void Cancel(grpc::experimental::TlsCustomVerificationCheckRequest* /*request*/) override {}

 private:
  grpc::Status CheckRole(const std::vector<PeerRole>& roles) const {
    const auto has = [&roles](PeerRole role) {
      return std::find(roles.begin(), roles.end(), role) != roles.end();
    };
    if (role_ == ServerRole::kAny) return grpc::Status::OK;
    if (role_ == ServerRole::kWeightsSource && has(PeerRole::kRelay)) return grpc::Status::OK;
    const PeerRole wanted =
        role_ == ServerRole::kVerifier ? PeerRole::kVerifier : PeerRole::kLearner;
    if (has(wanted)) return grpc::Status::OK;
    if (role_ == ServerRole::kVerifier && roles.empty()) return grpc::Status::OK;
    return {grpc::StatusCode::UNAUTHENTICATED,
            absl::StrCat("the server's certificate isn't one of a ", RoleName(wanted),
                         role_ == ServerRole::kWeightsSource ? " or a relay" : "")};
  }

  const ServerRole role_;
  grpc::experimental::HostNameCertificateVerifier host_name_;
};

}  // namespace

absl::StatusOr<std::shared_ptr<grpc::ServerCredentials>> MakeServerCredentials(
    const TlsOptions& options, RpcObserver* observer) {
  if (options.certificate.empty() && options.key.empty()) {
    return absl::InvalidArgumentError("a server with TLS needs a certificate and its key");
  }
  TPO_RETURN_IF_ERROR(CheckFiles(options));
  grpc::experimental::TlsServerCredentialsOptions tls(WatcherOf(options));
  WatchWhatIsGiven(options, &tls);
  const bool mutual = !options.peer_authority.empty();
  tls.set_cert_request_type(mutual ? GRPC_SSL_REQUEST_AND_REQUIRE_CLIENT_CERTIFICATE_AND_VERIFY
                                   : GRPC_SSL_DONT_REQUEST_CLIENT_CERTIFICATE);
  // A client has no host's name to check.
  tls.set_certificate_verifier(std::make_shared<grpc::experimental::NoOpCertificateVerifier>());
  std::shared_ptr<grpc::ServerCredentials> credentials =
      grpc::experimental::TlsServerCredentials(tls);
  if (mutual) credentials->SetAuthMetadataProcessor(std::make_shared<AccessProcessor>(observer));
  return credentials;
}

absl::StatusOr<std::shared_ptr<grpc::ChannelCredentials>> MakeChannelCredentials(
    const TlsOptions& options, ServerRole server_role) {
  TPO_RETURN_IF_ERROR(CheckFiles(options));
  grpc::experimental::TlsChannelCredentialsOptions tls;
  if (const auto watcher = WatcherOf(options)) tls.set_certificate_provider(watcher);
  WatchWhatIsGiven(options, &tls);
  tls.set_certificate_verifier(
      grpc::experimental::ExternalCertificateVerifier::Create<ServerCheck>(server_role));
  return grpc::experimental::TlsCredentials(tls);
}

}  // namespace tpo
