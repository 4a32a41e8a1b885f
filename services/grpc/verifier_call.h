// What the clients of VerifierService share: one call with everything that has to live as long as
// it does. For clients' sources; needs gRPC.
#ifndef TPO_SERVICES_GRPC_VERIFIER_CALL_H_
#define TPO_SERVICES_GRPC_VERIFIER_CALL_H_

#include <vector>

#include "absl/time/time.h"
#include "core/verifier_api.h"
#include "services/grpc/calls.h"
#include "services/grpc/convert.h"
#include "tpo/v1/verifier.grpc.pb.h"

namespace tpo {

struct VerifierCall {
  VerifierCall(Calls* calls, absl::Duration deadline, bool wait_for_ready) : call(calls, deadline) {
    call.context()->set_wait_for_ready(wait_for_ready);
  }

  Call call;
  v1::VerifyRequest request;
  v1::VerifyResponse response;
};

// The verdicts as they were sent, lies included: for SanitizeVerdicts.
inline std::vector<Verdict> UncheckedVerdicts(const v1::VerifyResponse& response) {
  std::vector<Verdict> verdicts;
  verdicts.reserve(static_cast<size_t>(response.verdicts_size()));
  for (const v1::Verdict& verdict : response.verdicts())
    verdicts.push_back(UncheckedFromProto(verdict));
  return verdicts;
}

}  // namespace tpo

#endif  // TPO_SERVICES_GRPC_VERIFIER_CALL_H_
