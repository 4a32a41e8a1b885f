// What is in a certificate file, so that a wrong one is refused where it is given and not in the
// middle of a handshake. Thread-safe: functions that read files.
#ifndef TPO_SERVICES_GRPC_CERTIFICATES_H_
#define TPO_SERVICES_GRPC_CERTIFICATES_H_

#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"

namespace tpo {

struct CertificateFacts {
  std::string subject;  // e.g. "CN=learner"
  absl::Time not_before;
  absl::Time not_after;
  std::vector<std::string> uris;  // among the subject's alternative names
};

// A file in PEM is at most this large.
inline constexpr size_t kMaxPemFileBytes = 1 << 20;

// The file's text. INVALID_ARGUMENT names the file: it can't be read, is too large, or holds no
// block whose label ends in `label`, e.g. "CERTIFICATE" or "PRIVATE KEY".
absl::StatusOr<std::string> ReadPem(const std::string& path, const std::string& label);

// All certificates in a text in PEM, in their order. INVALID_ARGUMENT: there is none, or one is
// damaged; `name` stands in the message.
absl::StatusOr<std::vector<CertificateFacts>> ParseCertificates(const std::string& pem,
                                                                const std::string& name);

// When the first of the certificates in the file `path` to expire expires. INVALID_ARGUMENT: as
// ReadPem and ParseCertificates.
absl::StatusOr<absl::Time> CertificateExpiry(const std::string& path);

// Whether `key` is that of the first certificate in `certificate`; both in PEM. INVALID_ARGUMENT:
// it isn't, or one of them is damaged; the names stand in the message.
absl::Status CheckKeyBelongs(const std::string& certificate, const std::string& certificate_name,
                             const std::string& key, const std::string& key_name);

}  // namespace tpo

#endif  // TPO_SERVICES_GRPC_CERTIFICATES_H_
