// The one place where status codes cross between absl and gRPC. Thread-safe: pure functions.
#ifndef TPO_SERVICES_GRPC_STATUS_H_
#define TPO_SERVICES_GRPC_STATUS_H_

#include <string>

#include "absl/status/status.h"

namespace grpc {
class Status;
}  // namespace grpc

namespace tpo {

// The message is cut to a length that surely fits into the trailing metadata of a call, and bytes
// that aren't printable ASCII are replaced.
grpc::Status ToGrpcStatus(const absl::Status& status);

// `what` says what failed and where, e.g. "LeasePrompts at 10.0.0.1:5000"; it comes before the
// message. A code that doesn't exist becomes UNKNOWN.
absl::Status FromGrpcStatus(const grpc::Status& status, const std::string& what);

}  // namespace tpo

#endif  // TPO_SERVICES_GRPC_STATUS_H_
