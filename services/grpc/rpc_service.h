// A gRPC service that a GrpcServer (services/grpc/server.h) serves. Made by the functions in
// learner_service.h and verifier_service.h; outlives its server.
#ifndef TPO_SERVICES_GRPC_RPC_SERVICE_H_
#define TPO_SERVICES_GRPC_RPC_SERVICE_H_

#include <string>
#include <vector>

#include "absl/time/time.h"

namespace grpc {
class Service;
}  // namespace grpc

namespace tpo {

class RpcService {
 public:
  virtual ~RpcService() = default;

  // Full name, by which health is reported, e.g. "tpo.v1.LearnerService".
  virtual std::string name() const = 0;

  // Further names by which the health of parts of the service is reported, e.g. one for each of a
  // verifier's tasks. Fixed.
  virtual std::vector<std::string> part_names() const { return {}; }

  // What the server registers.
  virtual grpc::Service* handler() = 0;

  // Called when the server begins to shut down: ends the calls that would never end by themselves.
  // Calls in progress may go on until the server's deadline. Idempotent, thread-safe.
  virtual void Close() {}

  // Waits until no call is being answered; false after `timeout`.
  virtual bool WaitUntilIdle(absl::Duration timeout) = 0;

  // Called when that took too long: tells what still answers calls to give up. Idempotent,
  // thread-safe.
  virtual void Abort() {}
};

}  // namespace tpo

#endif  // TPO_SERVICES_GRPC_RPC_SERVICE_H_
