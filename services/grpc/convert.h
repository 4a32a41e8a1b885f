// Core types to wire messages and back. The only code that knows both.
//
// ToProto writes a message that is empty so far; text that isn't valid UTF-8 is repaired. FromProto
// takes what somebody else has sent and checks every value by itself: enums are known and
// specified, numbers finite, ids and sizes not negative, lists that describe the same tokens
// equally long. INVALID_ARGUMENT names the field, e.g. "completions[3].behavior_log_probs[17]: not
// a finite number". Whether a group fits its run (versions, counts, vocabulary) is the learner's to
// check (learner/admission.h), and verdicts are made safe by SanitizeVerdicts.
//
// Thread-safe: pure functions.
#ifndef TPO_SERVICES_GRPC_CONVERT_H_
#define TPO_SERVICES_GRPC_CONVERT_H_

#include <cstdint>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "core/admin_api.h"
#include "core/learner_api.h"
#include "core/run_board.h"
#include "core/types.h"
#include "core/verifier_api.h"
#include "core/weight_snapshot.h"

namespace google::protobuf {
class Duration;
}  // namespace google::protobuf

namespace tpo::v1 {
class Completion;
class DescribeResponse;
class GetStatusResponse;
class Group;
class Lease;
class LeasePromptsRequest;
class LeasePromptsResponse;
class Prompt;
class RegisterResponse;
class SamplingSpec;
class SubmitResult;
class TensorSpec;
class TransformerSpec;
class Verdict;
class VerificationSpec;
class VerifierSpec;
class VerifierStatus;
class VerifyRequest;
class WeightManifest;
class WorkerTimes;
}  // namespace tpo::v1

namespace tpo {

void ToProto(absl::Duration duration, google::protobuf::Duration* proto);
void ToProto(const Prompt& prompt, v1::Prompt* proto);
void ToProto(const Completion& completion, v1::Completion* proto);
void ToProto(const Verdict& verdict, v1::Verdict* proto);
void ToProto(const Group& group, v1::Group* proto);
void ToProto(const VerifierSpec& spec, v1::VerifierSpec* proto);
void ToProto(const VerificationSpec& spec, v1::VerificationSpec* proto);
void ToProto(const RunInfo& info, v1::RegisterResponse* proto);
void ToProto(const LeaseResult& result, v1::LeasePromptsResponse* proto);
void ToProto(const SubmitResult& result, v1::SubmitResult* proto);
// Without status.workers_seen, which is a detail.
void ToProto(const RunStatus& status, v1::GetStatusResponse* proto);
void DetailsToProto(const std::vector<WorkerStatus>& workers_seen, const RunDetails& details,
                    v1::GetStatusResponse* proto);
void ToProto(const VerifyRequest& request, v1::VerifyRequest* proto);
void ToProto(const VerifierDescription& description, v1::DescribeResponse* proto);
void ToProto(const WeightSnapshot& snapshot, v1::WeightManifest* proto);
void ToProto(const WorkerTimes& times, v1::WorkerTimes* proto);
void ToProto(const VerifierStatus& status, v1::VerifierStatus* proto);

// What a WeightManifest says. Its tensors have passed ValidateManifest.
struct WeightManifest {
  WeightVersion version = 0;
  std::vector<TensorSpec> tensors;
  uint64_t size_bytes = 0;
  uint32_t crc32c = 0;

  friend bool operator==(const WeightManifest&, const WeightManifest&) = default;
};

absl::StatusOr<absl::Duration> FromProto(const google::protobuf::Duration& proto);
absl::StatusOr<Prompt> FromProto(const v1::Prompt& proto);
absl::StatusOr<Completion> FromProto(const v1::Completion& proto);
absl::StatusOr<Verdict> FromProto(const v1::Verdict& proto);
absl::StatusOr<Group> FromProto(const v1::Group& proto);
absl::StatusOr<TransformerSpec> FromProto(const v1::TransformerSpec& proto);
absl::StatusOr<SamplingSpec> FromProto(const v1::SamplingSpec& proto);
absl::StatusOr<VerifierSpec> FromProto(const v1::VerifierSpec& proto);
absl::StatusOr<VerificationSpec> FromProto(const v1::VerificationSpec& proto);
absl::StatusOr<RunInfo> FromProto(const v1::RegisterResponse& proto);
absl::StatusOr<Lease> FromProto(const v1::Lease& proto);
absl::StatusOr<LeaseResult> FromProto(const v1::LeasePromptsResponse& proto);
absl::StatusOr<SubmitResult> FromProto(const v1::SubmitResult& proto);
absl::StatusOr<RunStatus> FromProto(const v1::GetStatusResponse& proto);
// What a worker says of its verifiers; those that can't be shown are passed over.
std::vector<VerifierStatus> VerifiersFromProto(const v1::LeasePromptsRequest& proto);
absl::StatusOr<RunDetails> DetailsFromProto(const v1::GetStatusResponse& proto);
absl::StatusOr<VerifyRequest> FromProto(const v1::VerifyRequest& proto);
absl::StatusOr<VerifierDescription> FromProto(const v1::DescribeResponse& proto);
absl::StatusOr<TensorSpec> FromProto(const v1::TensorSpec& proto);
absl::StatusOr<WeightManifest> FromProto(const v1::WeightManifest& proto);
absl::StatusOr<WorkerTimes> FromProto(const v1::WorkerTimes& proto);

// The verdict as it was sent, lies included; an unknown kind becomes kUnspecified. Only for
// SanitizeVerdicts.
Verdict UncheckedFromProto(const v1::Verdict& proto);

}  // namespace tpo

#endif  // TPO_SERVICES_GRPC_CONVERT_H_
