// The W3C trace context of calls. For sources of services and clients; needs gRPC.
#ifndef TPO_SERVICES_GRPC_CALL_SPANS_H_
#define TPO_SERVICES_GRPC_CALL_SPANS_H_

#include <optional>
#include <string>
#include <utility>

#include "absl/status/status.h"
#include "absl/time/clock.h"
#include "core/trace.h"
#include "grpcpp/client_context.h"
#include "grpcpp/server_context.h"

namespace tpo {

inline constexpr char kTraceParentKey[] = "traceparent";
inline constexpr char kTraceStateKey[] = "tracestate";

// Names the span that makes the call. REQUIRES: the call has not begun.
inline void SendTraceContext(const SpanContext& span, grpc::ClientContext* context) {
  context->AddMetadata(kTraceParentKey, ToTraceParent(span));
}

// A value of the call's metadata; empty: there is none.
inline std::string MetadataOf(const grpc::CallbackServerContext& context, const char* key) {
  const auto found = context.client_metadata().find(key);
  if (found == context.client_metadata().end()) return "";
  return {found->second.data(), found->second.size()};
}

// Who makes the call, if it says so in a valid header.
inline std::optional<SpanContext> TraceOf(const grpc::CallbackServerContext& context) {
  return ParseTraceParent(MetadataOf(context, kTraceParentKey));
}

// Ends a span of a call that ended with `status`. A cancelled call is no fault: somebody had
// enough.
inline void EndCallSpan(const absl::Status& status, Span* span) {
  span->end = absl::Now();
  if (absl::IsCancelled(status)) {
    span->texts.emplace_back("tpo.outcome", "cancelled");
  } else if (!status.ok()) {
    span->error = status.ToString();
  }
}

// A call that belongs to no group, as its client records it: in a trace of its own, which the
// server is told. For one thread at a time.
class ClientSpan {
 public:
  // REQUIRES: the call has not begun. `tracing`'s sink outlives the object.
  ClientSpan(const Tracing& tracing, const char* method, grpc::ClientContext* context)
      : sink_(tracing.sink), span_(BeginCallSpan(tracing, method)) {
    if (span_.has_value()) SendTraceContext(ContextOf(*span_), context);
  }

  // The call has ended so. Returns the status.
  absl::Status End(absl::Status status) {
    if (!span_.has_value()) return status;
    EndCallSpan(status, &*span_);
    sink_->Add(*std::exchange(span_, std::nullopt));
    return status;
  }

 private:
  SpanSink* const sink_;
  std::optional<Span> span_;
};

}  // namespace tpo

#endif  // TPO_SERVICES_GRPC_CALL_SPANS_H_
