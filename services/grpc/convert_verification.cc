// Which verifiers a worker asks, and how (proto/tpo/v1/learner.proto).
#include <string>

#include "core/status_macros.h"
#include "services/grpc/convert.h"
#include "services/grpc/convert_checks.h"
#include "tpo/v1/learner.pb.h"

namespace tpo {
namespace {

absl::Status CheckFraction(double value, const char* field) {
  if (value >= 0.0 && value <= 1.0) return absl::OkStatus();
  return absl::InvalidArgumentError(absl::StrCat(field, ": ", value, " isn't from 0 to 1"));
}

absl::StatusOr<absl::Duration> NotNegativeFromProto(const google::protobuf::Duration& proto,
                                                    const char* field) {
  absl::StatusOr<absl::Duration> duration = FromProto(proto);
  if (!duration.ok() || *duration < absl::ZeroDuration()) {
    return absl::InvalidArgumentError(absl::StrCat(field, ": not a duration of at least 0"));
  }
  return duration;
}

}  // namespace

absl::StatusOr<VerifierSpec> FromProto(const v1::VerifierSpec& proto) {
  VerifierSpec spec;
  if (proto.address().empty()) return absl::InvalidArgumentError("address: empty");
  spec.address = proto.address();
  TPO_ASSIGN_OR_RETURN(spec.deadline, PositiveFromProto(proto.deadline(), "deadline"));
  TPO_RETURN_IF_ERROR(CheckKeys(proto.further_addresses(), "further_addresses"));
  TPO_RETURN_IF_ERROR(CheckKeys(proto.tasks(), "tasks"));
  TPO_RETURN_IF_ERROR(CheckKey(proto.name(), "name"));
  spec.further_addresses.assign(proto.further_addresses().begin(), proto.further_addresses().end());
  spec.name = proto.name();
  spec.tasks.assign(proto.tasks().begin(), proto.tasks().end());
  // An unknown role would change the score unnoticed.
  if (proto.role() < 0 || proto.role() > v1::VerifierSpecRole_MAX)
    return absl::InvalidArgumentError("role: unknown");
  spec.role =
      proto.role() == v1::VERIFIER_SPEC_ROLE_GATE ? VerifierRole::kGate : VerifierRole::kScore;
  TPO_RETURN_IF_ERROR(CheckFinite(proto.weight(), "weight"));
  if (proto.has_weight()) spec.weight = proto.weight();
  if (proto.has_tls()) {
    spec.tls = VerifierTlsFiles{
        .ca = proto.tls().ca(), .certificate = proto.tls().certificate(), .key = proto.tls().key()};
  }
  return spec;
}

absl::StatusOr<VerificationSpec> FromProto(const v1::VerificationSpec& proto) {
  VerificationSpec spec;
  if (proto.combination() < 0 || proto.combination() > v1::ScoreCombinationKind_MAX)
    return absl::InvalidArgumentError("combination: unknown");
  spec.combination = proto.combination() == v1::SCORE_COMBINATION_KIND_PRODUCT
                         ? ScoreCombination::kProduct
                         : ScoreCombination::kWeightedSum;
  TPO_RETURN_IF_ERROR(CheckNotNegative(proto.max_attempts(), "max_attempts"));
  spec.max_attempts = proto.max_attempts();
  TPO_ASSIGN_OR_RETURN(spec.attempt_time,
                       NotNegativeFromProto(proto.attempt_time(), "attempt_time"));
  TPO_RETURN_IF_ERROR(CheckNotNegative(proto.max_in_flight(), "max_in_flight"));
  spec.max_in_flight = proto.max_in_flight();
  TPO_ASSIGN_OR_RETURN(spec.first_pause, NotNegativeFromProto(proto.first_pause(), "first_pause"));
  TPO_ASSIGN_OR_RETURN(spec.longest_pause,
                       NotNegativeFromProto(proto.longest_pause(), "longest_pause"));
  TPO_RETURN_IF_ERROR(CheckFraction(proto.hedge_quantile(), "hedge_quantile"));
  spec.hedge_quantile = proto.hedge_quantile();
  TPO_RETURN_IF_ERROR(CheckFraction(proto.max_hedge_fraction(), "max_hedge_fraction"));
  spec.max_hedge_fraction = proto.max_hedge_fraction();
  TPO_RETURN_IF_ERROR(CheckNotNegative(proto.breaker_failures(), "breaker_failures"));
  spec.breaker_failures = proto.breaker_failures();
  TPO_RETURN_IF_ERROR(CheckFraction(proto.breaker_failure_ratio(), "breaker_failure_ratio"));
  spec.breaker_failure_ratio = proto.breaker_failure_ratio();
  TPO_ASSIGN_OR_RETURN(spec.breaker_open_time,
                       NotNegativeFromProto(proto.breaker_open_time(), "breaker_open_time"));
  return spec;
}

void ToProto(const VerifierSpec& spec, v1::VerifierSpec* proto) {
  proto->set_address(spec.address);
  ToProto(spec.deadline, proto->mutable_deadline());
  proto->mutable_further_addresses()->Assign(spec.further_addresses.begin(),
                                             spec.further_addresses.end());
  proto->set_name(spec.name);
  proto->mutable_tasks()->Assign(spec.tasks.begin(), spec.tasks.end());
  proto->set_role(spec.role == VerifierRole::kGate ? v1::VERIFIER_SPEC_ROLE_GATE
                                                   : v1::VERIFIER_SPEC_ROLE_SCORE);
  proto->set_weight(spec.weight);
  if (!spec.tls) return;
  proto->mutable_tls()->set_ca(spec.tls->ca);
  proto->mutable_tls()->set_certificate(spec.tls->certificate);
  proto->mutable_tls()->set_key(spec.tls->key);
}

void ToProto(const VerificationSpec& spec, v1::VerificationSpec* proto) {
  proto->set_combination(spec.combination == ScoreCombination::kProduct
                             ? v1::SCORE_COMBINATION_KIND_PRODUCT
                             : v1::SCORE_COMBINATION_KIND_WEIGHTED_SUM);
  proto->set_max_attempts(spec.max_attempts);
  ToProto(spec.attempt_time, proto->mutable_attempt_time());
  proto->set_max_in_flight(spec.max_in_flight);
  ToProto(spec.first_pause, proto->mutable_first_pause());
  ToProto(spec.longest_pause, proto->mutable_longest_pause());
  proto->set_hedge_quantile(spec.hedge_quantile);
  proto->set_max_hedge_fraction(spec.max_hedge_fraction);
  proto->set_breaker_failures(spec.breaker_failures);
  proto->set_breaker_failure_ratio(spec.breaker_failure_ratio);
  ToProto(spec.breaker_open_time, proto->mutable_breaker_open_time());
}

}  // namespace tpo
