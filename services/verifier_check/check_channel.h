// A channel that hides nothing from the checks: no retries, no waiting for health, no limit on
// messages of its own.
#ifndef TPO_SERVICES_VERIFIER_CHECK_CHECK_CHANNEL_H_
#define TPO_SERVICES_VERIFIER_CHECK_CHECK_CHANNEL_H_

#include <memory>
#include <string>

#include "absl/status/statusor.h"
#include "absl/time/time.h"

namespace grpc {
class Channel;
}  // namespace grpc

namespace tpo {

struct CheckChannelOptions {
  std::string address;  // HOST:PORT
  // Files in PEM. A CA makes it TLS; certificate and key are for servers that ask for them.
  std::string tls_ca;
  std::string tls_certificate;
  std::string tls_key;
};

// Connects. INVALID_ARGUMENT: a file can't be read or isn't PEM. UNAVAILABLE: nobody who speaks
// gRPC answers there within `timeout`.
absl::StatusOr<std::shared_ptr<grpc::Channel>> ConnectForChecks(const CheckChannelOptions& options,
                                                                absl::Duration timeout);

}  // namespace tpo

#endif  // TPO_SERVICES_VERIFIER_CHECK_CHECK_CHANNEL_H_
