// What the clients of VerifierService share: one call with everything that has to live as long as
// it does. For clients' sources; needs gRPC.
#ifndef TPO_SERVICES_GRPC_VERIFIER_CALL_H_
#define TPO_SERVICES_GRPC_VERIFIER_CALL_H_

#include <functional>
#include <optional>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "absl/time/time.h"
#include "core/verifier_api.h"
#include "grpcpp/generic/generic_stub.h"
#include "grpcpp/support/byte_buffer.h"
#include "grpcpp/support/stub_options.h"
#include "services/grpc/call_spans.h"
#include "services/grpc/calls.h"
#include "services/grpc/convert.h"
#include "services/grpc/message_limits.h"
#include "services/grpc/parse_message.h"
#include "tpo/v1/verifier.grpc.pb.h"

namespace tpo {

// One call of Verify. The answer is kept as bytes until it is known to be worth parsing: a verifier
// may be anybody's.
struct VerifierCall {
  // `trace`: the span that makes the call, if it is traced.
  VerifierCall(Calls* calls, absl::Duration deadline, bool wait_for_ready,
               const VerifyRequest& request, const std::optional<SpanContext>& trace)
      : call(calls, deadline) {
    call.context()->set_wait_for_ready(wait_for_ready);
    if (trace.has_value()) SendTraceContext(*trace, call.context());
    v1::VerifyRequest message;
    ToProto(request, &message);
    request_bytes = SerializeMessage(message);
  }

  // `done` is called once, on a thread of gRPC's, or within; this and the stub live until then.
  void Start(grpc::GenericStub* stub, std::function<void(grpc::Status)> done) {
    stub->UnaryCall(call.context(), "/tpo.v1.VerifierService/Verify", grpc::StubOptions(),
                    &request_bytes, &response_bytes, std::move(done));
  }

  Call call;
  grpc::ByteBuffer request_bytes;
  grpc::ByteBuffer response_bytes;
};

// The verdicts as they were sent, lies included: for SanitizeVerdicts.
inline std::vector<Verdict> UncheckedVerdicts(const v1::VerifyResponse& response) {
  std::vector<Verdict> verdicts;
  verdicts.reserve(static_cast<size_t>(response.verdicts_size()));
  for (const v1::Verdict& verdict : response.verdicts())
    verdicts.push_back(UncheckedFromProto(verdict));
  return verdicts;
}

// The same from bytes. INTERNAL: they are no answer, or one with too many parts.
inline absl::StatusOr<std::vector<Verdict>> UncheckedVerdicts(const grpc::ByteBuffer& bytes) {
  v1::VerifyResponse response;
  const absl::Status status = ParseMessage(bytes, kMaxMessageBytes, &response);
  if (status.ok()) return UncheckedVerdicts(response);
  return absl::InternalError(absl::StrCat("the verifier's answer: ", status.message()));
}

}  // namespace tpo

#endif  // TPO_SERVICES_GRPC_VERIFIER_CALL_H_
