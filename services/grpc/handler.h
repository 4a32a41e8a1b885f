// What the handlers of all services share. Include in their sources only: this header needs gRPC.
#ifndef TPO_SERVICES_GRPC_HANDLER_H_
#define TPO_SERVICES_GRPC_HANDLER_H_

#include "absl/status/status.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "grpcpp/server_context.h"
#include "grpcpp/support/server_callback.h"
#include "services/grpc/observer.h"
#include "services/grpc/status.h"

namespace tpo {

// One call, from its arrival to its answer. Reports to the observer, which may be nullptr.
class CallRecord {
 public:
  CallRecord(RpcObserver* observer, const char* method)
      : observer_(observer), method_(method), start_(absl::Now()) {}

  // REQUIRES: called once.
  grpc::Status End(const absl::Status& status) {
    if (observer_ != nullptr) observer_->OnRpc(method_, status.code(), absl::Now() - start_);
    return ToGrpcStatus(status);
  }

 private:
  RpcObserver* const observer_;
  const char* const method_;
  const absl::Time start_;
};

// Answers a unary call with what `handle`, which must not block, returns: an absl::Status.
template <typename Handle>
grpc::ServerUnaryReactor* Answer(grpc::CallbackServerContext* context, RpcObserver* observer, const char* method,
                                 const Handle& handle) {
  CallRecord record(observer, method);
  grpc::ServerUnaryReactor* reactor = context->DefaultReactor();
  reactor->Finish(record.End(handle()));
  return reactor;
}

}  // namespace tpo

#endif  // TPO_SERVICES_GRPC_HANDLER_H_
