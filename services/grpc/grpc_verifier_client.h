// A verifier over one channel: for `tpo train`, whose verifier is in its own process, and for
// tests. The external verifiers of a run are asked by verifier_pools.h, with replicas, retries and
// hedges.
//
// Whatever becomes of the verifier, a group gets its verdicts in bounded time: an answer that lies
// (SanitizeVerdicts) or that doesn't come turns into verdicts that aren't scores, with the reason.
// A verifier that is overloaded (RESOURCE_EXHAUSTED) is asked again, more and more slowly, until
// the deadline.
#ifndef TPO_SERVICES_GRPC_GRPC_VERIFIER_CLIENT_H_
#define TPO_SERVICES_GRPC_GRPC_VERIFIER_CLIENT_H_

#include <cstddef>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "absl/types/span.h"
#include "core/verifier_api.h"

namespace grpc {
class Channel;
}  // namespace grpc

namespace tpo {

struct GrpcVerifierClientOptions {
  // Of one group, from the moment on when it is first sent: all attempts and waiting for a
  // connection included.
  absl::Duration deadline = absl::Seconds(30);
  // Of VerifyAll: groups that are asked for at the same time.
  int max_in_flight = 64;
  // For reasons and errors, e.g. the address.
  std::string name = "verifier";
};

// Thread-safe.
class GrpcVerifierClient : public VerifierApi {
 public:
  using Options = GrpcVerifierClientOptions;

  explicit GrpcVerifierClient(std::shared_ptr<grpc::Channel> channel,
                              const Options& options = Options());
  // REQUIRES: no call is in progress.
  ~GrpcVerifierClient() override;

  // INVALID_ARGUMENT: the verifier refused the request. CANCELLED: closed. All else becomes
  // verdicts: kTimedOut when the deadline passed, kFailed otherwise.
  absl::StatusOr<std::vector<Verdict>> Verify(const VerifyRequest& request) override;

  // The same for several groups, many of them at the same time.
  std::vector<absl::StatusOr<std::vector<Verdict>>> VerifyAll(
      const std::vector<VerifyRequest>& requests) override;

  absl::StatusOr<VerifierDescription> Describe() override;

  // Ends all calls in progress, and those to come, with CANCELLED. Idempotent.
  void Close() override;

 private:
  using Result = absl::StatusOr<std::vector<Verdict>>;

  std::vector<Result> VerifyEach(absl::Span<const VerifyRequest> requests);
  // Asks for the requests `which`, all of them once; returns those for which the verifier was
  // overloaded. `deadlines`: one per request; infinite for one that wasn't sent before.
  std::vector<size_t> VerifyOnce(absl::Span<const VerifyRequest> requests,
                                 const std::vector<size_t>& which,
                                 std::vector<absl::Time>& deadlines, std::vector<Result>& results);

  struct Impl;
  const std::unique_ptr<Impl> impl_;
};

}  // namespace tpo

#endif  // TPO_SERVICES_GRPC_GRPC_VERIFIER_CLIENT_H_
