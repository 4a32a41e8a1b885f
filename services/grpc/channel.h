// Channels to the services of this project.
#ifndef TPO_SERVICES_GRPC_CHANNEL_H_
#define TPO_SERVICES_GRPC_CHANNEL_H_

#include <cstdint>
#include <memory>
#include <optional>
#include <string>

#include "absl/status/statusor.h"
#include "services/grpc/tls.h"

namespace grpc {
class Channel;
}  // namespace grpc

namespace tpo {

// Largest message that any service or client here takes: a group of 64 completions of 128 Ki tokens
// fits.
inline constexpr int kMaxMessageBytes = 128 << 20;

struct ChannelOptions {
  std::string address;  // HOST:PORT
  // Whether to send plaintext to an address that isn't loopback.
  bool allow_remote_plaintext = false;
  // Encrypted when given, else plaintext.
  std::optional<TlsOptions> tls = std::nullopt;
  // Of MakeVerifierChannel: whether the channel itself repeats calls.
  bool retries = true;
};

// INVALID_ARGUMENT: the address is malformed, or remote and plaintext without being allowed, or a
// file for TLS is at fault. Connects when it is first used, and again after every loss, with
// growing pauses of at most 5 s. A dead peer is noticed within 30 s while a call is open.
absl::StatusOr<std::shared_ptr<grpc::Channel>> MakeLearnerChannel(const ChannelOptions& options);

// The same; besides, calls wait while the verifier's health isn't SERVING, and, unless told not to,
// calls that ended with UNAVAILABLE or RESOURCE_EXHAUSTED are tried up to four times: Verify and
// Describe may come again.
absl::StatusOr<std::shared_ptr<grpc::Channel>> MakeVerifierChannel(const ChannelOptions& options);

}  // namespace tpo

#endif  // TPO_SERVICES_GRPC_CHANNEL_H_
