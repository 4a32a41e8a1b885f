#include "services/grpc/tls.h"

#include <cerrno>
#include <fstream>
#include <iterator>
#include <system_error>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "core/status_macros.h"
#include "grpcpp/security/credentials.h"
#include "grpcpp/security/server_credentials.h"

namespace tpo {
namespace {

// The text of a file with a PEM block whose label ends in `label`; empty for an empty path.
absl::StatusOr<std::string> ReadPem(const std::string& path, const std::string& label) {
  if (path.empty()) return std::string();
  std::ifstream file(path, std::ios::binary);
  if (!file) {
    return absl::InvalidArgumentError(
        absl::StrCat(path, ": cannot be read: ", std::generic_category().message(errno)));
  }
  std::string text((std::istreambuf_iterator<char>(file)), std::istreambuf_iterator<char>());
  if (!absl::StrContains(text, "-----BEGIN ") || !absl::StrContains(text, label + "-----")) {
    return absl::InvalidArgumentError(
        absl::StrCat(path, ": holds no ", label, " in PEM (\"-----BEGIN … ", label, "-----\")"));
  }
  return text;
}

struct Pem {
  std::string certificate;
  std::string key;
  std::string peer_authority;
};

absl::StatusOr<Pem> ReadFiles(const TlsOptions& options) {
  if (options.certificate.empty() != options.key.empty()) {
    return absl::InvalidArgumentError(
        options.certificate.empty()
            ? absl::StrCat(options.key, ": a key without its certificate; give both")
            : absl::StrCat(options.certificate, ": a certificate without its key; give both"));
  }
  Pem pem;
  TPO_ASSIGN_OR_RETURN(pem.certificate, ReadPem(options.certificate, "CERTIFICATE"));
  TPO_ASSIGN_OR_RETURN(pem.key, ReadPem(options.key, "PRIVATE KEY"));
  TPO_ASSIGN_OR_RETURN(pem.peer_authority, ReadPem(options.peer_authority, "CERTIFICATE"));
  return pem;
}

}  // namespace

absl::StatusOr<std::shared_ptr<grpc::ServerCredentials>> MakeServerCredentials(
    const TlsOptions& options) {
  if (options.certificate.empty() && options.key.empty()) {
    return absl::InvalidArgumentError("a server with TLS needs a certificate and its key");
  }
  TPO_ASSIGN_OR_RETURN(const Pem pem, ReadFiles(options));
  grpc::SslServerCredentialsOptions ssl(
      pem.peer_authority.empty() ? GRPC_SSL_DONT_REQUEST_CLIENT_CERTIFICATE
                                 : GRPC_SSL_REQUEST_AND_REQUIRE_CLIENT_CERTIFICATE_AND_VERIFY);
  ssl.pem_root_certs = pem.peer_authority;
  ssl.pem_key_cert_pairs.push_back({.private_key = pem.key, .cert_chain = pem.certificate});
  return grpc::SslServerCredentials(ssl);
}

absl::StatusOr<std::shared_ptr<grpc::ChannelCredentials>> MakeChannelCredentials(
    const TlsOptions& options) {
  TPO_ASSIGN_OR_RETURN(const Pem pem, ReadFiles(options));
  grpc::SslCredentialsOptions ssl;
  ssl.pem_root_certs = pem.peer_authority;
  ssl.pem_private_key = pem.key;
  ssl.pem_cert_chain = pem.certificate;
  return grpc::SslCredentials(ssl);
}

}  // namespace tpo
