// Calls of a verifier as they are, without conversion: the checks look at what really comes back.
// For sources of this folder; needs gRPC.
#ifndef TPO_SERVICES_VERIFIER_CHECK_CHECK_CLIENT_H_
#define TPO_SERVICES_VERIFIER_CHECK_CHECK_CLIENT_H_

#include <memory>
#include <string>
#include <vector>

#include "absl/time/time.h"
#include "grpcpp/channel.h"
#include "grpcpp/support/status.h"
#include "tpo/v1/verifier.grpc.pb.h"

namespace tpo {

struct VerifyAnswer {
  grpc::Status status;
  v1::VerifyResponse response;
  absl::Duration duration;

  bool ok() const { return status.ok(); }
  grpc::StatusCode code() const { return status.error_code(); }
};

struct DescribeAnswer {
  grpc::Status status;
  v1::DescribeResponse response;
};

// As grpc.health.v1.HealthCheckResponse counts them.
enum class Health { kUnknown = 0, kServing = 1, kNotServing = 2, kServiceUnknown = 3 };

struct HealthAnswer {
  grpc::Status status;
  Health health = Health::kUnknown;
};

// Thread-safe. Every call ends: its deadline is `timeout` unless told otherwise.
class CheckClient {
 public:
  CheckClient(std::shared_ptr<grpc::Channel> channel, absl::Duration timeout);

  absl::Duration timeout() const { return timeout_; }

  VerifyAnswer Verify(const v1::VerifyRequest& request);

  // Asks again, with growing pauses, while the verifier says that it is overloaded or unavailable,
  // for `patience` in all. The duration is that of all attempts.
  VerifyAnswer VerifyPatiently(const v1::VerifyRequest& request, absl::Duration patience);

  // All of them at once; answers in the order of the requests.
  std::vector<VerifyAnswer> VerifyAll(const std::vector<v1::VerifyRequest>& requests);

  // The same, each with a deadline of its own: as many deadlines as requests.
  std::vector<VerifyAnswer> VerifyAllWithin(const std::vector<v1::VerifyRequest>& requests,
                                            const std::vector<absl::Duration>& deadlines);

  // The same; cancels after `pause` what has not ended by then.
  std::vector<VerifyAnswer> VerifyAllAndCancel(const std::vector<v1::VerifyRequest>& requests,
                                               absl::Duration pause);

  DescribeAnswer Describe();
  HealthAnswer CheckHealth(const std::string& service);

 private:
  std::vector<VerifyAnswer> VerifyAtOnce(const std::vector<v1::VerifyRequest>& requests,
                                         const std::vector<absl::Duration>& deadlines,
                                         absl::Duration cancel_after);

  const std::shared_ptr<grpc::Channel> channel_;
  const std::unique_ptr<v1::VerifierService::Stub> stub_;
  const absl::Duration timeout_;
};

}  // namespace tpo

#endif  // TPO_SERVICES_VERIFIER_CHECK_CHECK_CLIENT_H_
