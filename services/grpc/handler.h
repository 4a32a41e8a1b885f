// What the handlers of all services share. Include in their sources only: this header needs gRPC.
#ifndef TPO_SERVICES_GRPC_HANDLER_H_
#define TPO_SERVICES_GRPC_HANDLER_H_

#include <optional>
#include <utility>

#include "absl/status/status.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "grpcpp/server_context.h"
#include "grpcpp/support/byte_buffer.h"
#include "grpcpp/support/server_callback.h"
#include "services/grpc/active_calls.h"
#include "services/grpc/call_spans.h"
#include "services/grpc/message_limits.h"
#include "services/grpc/observer.h"
#include "services/grpc/parse_message.h"
#include "services/grpc/status.h"

namespace tpo {

// What a service keeps about its calls.
struct CallBook {
  RpcObserver* observer = nullptr;  // may be nullptr
  ActiveCalls active;
  // Where spans of calls go whose callers say that they are traced; may be nullptr.
  SpanSink* spans = nullptr;
};

// One call, from its arrival to its answer. A copy is the same call.
class CallRecord {
 public:
  // `method` is the name for the observer. The call's span is recorded if `context` is given.
  CallRecord(CallBook* book, const char* method,
             const grpc::CallbackServerContext* context = nullptr)
      : book_(book), method_(method), start_(absl::Now()) {
    book_->active.Begin();
    if (context != nullptr && book_->spans != nullptr) caller_ = TraceOf(*context);
  }

  // REQUIRES: called once, just before the call is finished.
  grpc::Status End(const absl::Status& status) const {
    if (book_->observer != nullptr)
      book_->observer->OnRpc(method_, status.code(), absl::Now() - start_);
    if (caller_.has_value() && caller_->sampled) AddSpan(status);
    book_->active.End();
    return ToGrpcStatus(status);
  }

 private:
  void AddSpan(const absl::Status& status) const {
    Span span = ServedCallSpan(*caller_, method_, start_);
    EndCallSpan(status, &span);
    book_->spans->Add(std::move(span));
  }

  CallBook* const book_;
  const char* const method_;
  const absl::Time start_;
  std::optional<SpanContext> caller_;
};

// Answers a unary call whose request is small with what handle(request, response), which must not
// block, returns: an absl::Status.
template <typename Request, typename Response, typename Handle>
grpc::ServerUnaryReactor* Answer(grpc::CallbackServerContext* context, CallBook* book,
                                 const char* method, const grpc::ByteBuffer& request_bytes,
                                 grpc::ByteBuffer* response_bytes, const Handle& handle) {
  const CallRecord record(book, method, context);
  grpc::ServerUnaryReactor* reactor = context->DefaultReactor();
  Request request;
  Response response;
  absl::Status status = ParseMessage(request_bytes, kMaxSmallRequestBytes, &request);
  if (status.ok()) status = handle(static_cast<const Request&>(request), &response);
  if (status.ok()) *response_bytes = SerializeMessage(response);
  reactor->Finish(record.End(status));
  return reactor;
}

}  // namespace tpo

#endif  // TPO_SERVICES_GRPC_HANDLER_H_
