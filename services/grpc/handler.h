// What the handlers of all services share. Include in their sources only: this header needs gRPC.
#ifndef TPO_SERVICES_GRPC_HANDLER_H_
#define TPO_SERVICES_GRPC_HANDLER_H_

#include "absl/status/status.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "grpcpp/server_context.h"
#include "grpcpp/support/server_callback.h"
#include "services/grpc/active_calls.h"
#include "services/grpc/observer.h"
#include "services/grpc/status.h"

namespace tpo {

// What a service keeps about its calls.
struct CallBook {
  RpcObserver* observer = nullptr;  // may be nullptr
  ActiveCalls active;
};

// One call, from its arrival to its answer. A copy is the same call.
class CallRecord {
 public:
  // `method` is the name for the observer.
  CallRecord(CallBook* book, const char* method)
      : book_(book), method_(method), start_(absl::Now()) {
    book_->active.Begin();
  }

  // REQUIRES: called once, just before the call is finished.
  grpc::Status End(const absl::Status& status) const {
    if (book_->observer != nullptr)
      book_->observer->OnRpc(method_, status.code(), absl::Now() - start_);
    book_->active.End();
    return ToGrpcStatus(status);
  }

 private:
  CallBook* const book_;
  const char* const method_;
  const absl::Time start_;
};

// Answers a unary call with what `handle`, which must not block, returns: an absl::Status.
template <typename Handle>
grpc::ServerUnaryReactor* Answer(grpc::CallbackServerContext* context, CallBook* book,
                                 const char* method, const Handle& handle) {
  const CallRecord record(book, method);
  grpc::ServerUnaryReactor* reactor = context->DefaultReactor();
  reactor->Finish(record.End(handle()));
  return reactor;
}

}  // namespace tpo

#endif  // TPO_SERVICES_GRPC_HANDLER_H_
