// Prompts, completions, verdicts and groups (proto/tpo/v1/types.proto).
#include <cmath>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "core/status_macros.h"
#include "google/protobuf/duration.pb.h"
#include "services/grpc/convert.h"
#include "services/grpc/convert_checks.h"
#include "services/grpc/utf8.h"
#include "tpo/v1/types.pb.h"

namespace tpo {
namespace {

static_assert(static_cast<int>(FinishReason::kStop) == v1::FINISH_REASON_STOP);
static_assert(static_cast<int>(FinishReason::kLength) == v1::FINISH_REASON_LENGTH);
static_assert(static_cast<int>(VerdictKind::kScored) == v1::VERDICT_KIND_SCORED);
static_assert(static_cast<int>(VerdictKind::kAbstained) == v1::VERDICT_KIND_ABSTAINED);
static_assert(static_cast<int>(VerdictKind::kTimedOut) == v1::VERDICT_KIND_TIMED_OUT);
static_assert(static_cast<int>(VerdictKind::kFailed) == v1::VERDICT_KIND_FAILED);

template <typename T, typename Repeated>
void Assign(const std::vector<T>& from, Repeated* to) {
  to->Reserve(static_cast<int>(from.size()));
  to->Add(from.begin(), from.end());
}

template <typename T, typename Repeated>
std::vector<T> ToVector(const Repeated& from) {
  return std::vector<T>(from.begin(), from.end());
}

template <typename Repeated>
absl::Status CheckAllFinite(const Repeated& values, const char* field) {
  for (int i = 0; i < values.size(); ++i) {
    if (!std::isfinite(values.Get(i))) {
      return absl::InvalidArgumentError(absl::StrCat(field, "[", i, "]: not a finite number"));
    }
  }
  return absl::OkStatus();
}

template <typename Repeated>
absl::Status CheckTokens(const Repeated& tokens, const char* field) {
  for (int i = 0; i < tokens.size(); ++i) {
    if (tokens.Get(i) < 0) {
      return absl::InvalidArgumentError(
          absl::StrCat(field, "[", i, "]: negative token id ", tokens.Get(i)));
    }
  }
  return absl::OkStatus();
}

absl::Status CheckVersionSpans(const v1::Completion& proto) {
  for (int i = 0; i < proto.weight_versions_size(); ++i) {
    const v1::WeightVersionSpan& span = proto.weight_versions(i);
    if (span.weight_version() < 0) {
      return absl::InvalidArgumentError(
          absl::StrCat("weight_versions[", i, "].weight_version: negative"));
    }
    const bool in_order = i == 0
                              ? span.first_token() == 0
                              : span.first_token() > proto.weight_versions(i - 1).first_token() &&
                                    span.first_token() < static_cast<uint32_t>(proto.tokens_size());
    if (!in_order) {
      return absl::InvalidArgumentError(
          absl::StrCat("weight_versions[", i, "].first_token: ", span.first_token(),
                       "; must start at 0, ascend, and lie within the tokens"));
    }
  }
  return absl::OkStatus();
}

absl::Status CheckCandidates(const v1::Completion& proto) {
  TPO_RETURN_IF_ERROR(CheckTokens(proto.candidate_tokens(), "candidate_tokens"));
  TPO_RETURN_IF_ERROR(CheckAllFinite(proto.candidate_log_probs(), "candidate_log_probs"));
  const int count = proto.candidate_tokens_size();
  if (proto.candidate_log_probs_size() != count) {
    return absl::InvalidArgumentError(
        absl::StrCat("candidate_log_probs: ", proto.candidate_log_probs_size(), " values for ",
                     count, " candidate_tokens"));
  }
  if (count != 0 && (proto.tokens_size() == 0 || count % proto.tokens_size() != 0)) {
    return absl::InvalidArgumentError(absl::StrCat(
        "candidate_tokens: ", count, " is no multiple of the ", proto.tokens_size(), " tokens"));
  }
  return absl::OkStatus();
}

absl::Status CheckCompletion(const v1::Completion& proto) {
  TPO_RETURN_IF_ERROR(CheckTokens(proto.tokens(), "tokens"));
  TPO_RETURN_IF_ERROR(CheckAllFinite(proto.behavior_log_probs(), "behavior_log_probs"));
  if (proto.behavior_log_probs_size() != 0 &&
      proto.behavior_log_probs_size() != proto.tokens_size()) {
    return absl::InvalidArgumentError(
        absl::StrCat("behavior_log_probs: ", proto.behavior_log_probs_size(), " values for ",
                     proto.tokens_size(), " tokens"));
  }
  TPO_RETURN_IF_ERROR(CheckEnum(proto.finish_reason(), v1::FinishReason_MAX, "finish_reason"));
  TPO_RETURN_IF_ERROR(CheckVersionSpans(proto));
  return CheckCandidates(proto);
}

}  // namespace

void ToProto(absl::Duration duration, google::protobuf::Duration* proto) {
  absl::Duration rest;
  proto->set_seconds(absl::IDivDuration(duration, absl::Seconds(1), &rest));
  proto->set_nanos(static_cast<int32_t>(absl::ToInt64Nanoseconds(rest)));
}

absl::StatusOr<absl::Duration> FromProto(const google::protobuf::Duration& proto) {
  constexpr int64_t kMaxSeconds = 315'576'000'000;  // of google.protobuf.Duration: 10,000 years
  const bool same_sign =
      proto.seconds() == 0 || proto.nanos() == 0 || (proto.seconds() > 0) == (proto.nanos() > 0);
  if (proto.seconds() < -kMaxSeconds || proto.seconds() > kMaxSeconds ||
      proto.nanos() <= -1'000'000'000 || proto.nanos() >= 1'000'000'000 || !same_sign) {
    return absl::InvalidArgumentError("not a valid duration");
  }
  return absl::Seconds(proto.seconds()) + absl::Nanoseconds(proto.nanos());
}

void ToProto(const Prompt& prompt, v1::Prompt* proto) {
  proto->set_id(prompt.id);
  proto->set_task(ValidUtf8(prompt.task));
  proto->set_text(ValidUtf8(prompt.text));
  Assign(prompt.tokens, proto->mutable_tokens());
  proto->set_reference_answer(ValidUtf8(prompt.reference_answer));
  Assign(prompt.reference_tokens, proto->mutable_reference_tokens());
  for (const auto& [name, value] : prompt.metadata)
    (*proto->mutable_metadata())[ValidUtf8(name)] = ValidUtf8(value);
}

absl::StatusOr<Prompt> FromProto(const v1::Prompt& proto) {
  TPO_RETURN_IF_ERROR(CheckTokens(proto.tokens(), "tokens"));
  TPO_RETURN_IF_ERROR(CheckTokens(proto.reference_tokens(), "reference_tokens"));
  Prompt prompt;
  prompt.id = proto.id();
  prompt.task = proto.task();
  prompt.text = proto.text();
  prompt.tokens = ToVector<TokenId>(proto.tokens());
  prompt.reference_answer = proto.reference_answer();
  prompt.reference_tokens = ToVector<TokenId>(proto.reference_tokens());
  prompt.metadata.insert(proto.metadata().begin(), proto.metadata().end());
  return prompt;
}

void ToProto(const Completion& completion, v1::Completion* proto) {
  Assign(completion.tokens, proto->mutable_tokens());
  Assign(completion.behavior_log_probs, proto->mutable_behavior_log_probs());
  proto->set_finish_reason(static_cast<v1::FinishReason>(completion.finish_reason));
  for (const WeightVersionSpan& span : completion.weight_versions) {
    v1::WeightVersionSpan* proto_span = proto->add_weight_versions();
    proto_span->set_weight_version(span.weight_version);
    proto_span->set_first_token(span.first_token);
  }
  proto->set_text(ValidUtf8(completion.text));
  Assign(completion.candidate_tokens, proto->mutable_candidate_tokens());
  Assign(completion.candidate_log_probs, proto->mutable_candidate_log_probs());
}

absl::StatusOr<Completion> FromProto(const v1::Completion& proto) {
  TPO_RETURN_IF_ERROR(CheckCompletion(proto));
  Completion completion;
  completion.tokens = ToVector<TokenId>(proto.tokens());
  completion.behavior_log_probs = ToVector<float>(proto.behavior_log_probs());
  completion.finish_reason = static_cast<FinishReason>(proto.finish_reason());
  completion.weight_versions.reserve(proto.weight_versions_size());
  for (const v1::WeightVersionSpan& span : proto.weight_versions()) {
    completion.weight_versions.push_back({span.weight_version(), span.first_token()});
  }
  completion.text = proto.text();
  completion.candidate_tokens = ToVector<TokenId>(proto.candidate_tokens());
  completion.candidate_log_probs = ToVector<float>(proto.candidate_log_probs());
  return completion;
}

void ToProto(const Verdict& verdict, v1::Verdict* proto) {
  proto->set_kind(static_cast<v1::VerdictKind>(verdict.kind));
  proto->set_score(verdict.score);
  for (const auto& [name, value] : verdict.components)
    (*proto->mutable_components())[ValidUtf8(name)] = value;
  proto->set_reason(ValidUtf8(verdict.reason));
  Assign(verdict.token_rewards, proto->mutable_token_rewards());
  proto->set_cost(verdict.cost);
  proto->set_explanation(ValidUtf8(verdict.explanation));
}

Verdict UncheckedFromProto(const v1::Verdict& proto) {
  Verdict verdict;
  verdict.kind = v1::VerdictKind_IsValid(proto.kind()) ? static_cast<VerdictKind>(proto.kind())
                                                       : VerdictKind::kUnspecified;
  verdict.score = proto.score();
  verdict.components.insert(proto.components().begin(), proto.components().end());
  verdict.reason = proto.reason();
  verdict.token_rewards = ToVector<float>(proto.token_rewards());
  verdict.cost = proto.cost();
  verdict.explanation = proto.explanation();
  return verdict;
}

absl::StatusOr<Verdict> FromProto(const v1::Verdict& proto) {
  TPO_RETURN_IF_ERROR(CheckEnum(proto.kind(), v1::VerdictKind_MAX, "kind"));
  TPO_RETURN_IF_ERROR(CheckFinite(proto.score(), "score"));
  TPO_RETURN_IF_ERROR(CheckFinite(proto.cost(), "cost"));
  for (const auto& [name, value] : proto.components()) {
    TPO_RETURN_IF_ERROR(CheckFinite(value, absl::StrCat("components[", name, "]")));
  }
  TPO_RETURN_IF_ERROR(CheckAllFinite(proto.token_rewards(), "token_rewards"));
  return UncheckedFromProto(proto);
}

void ToProto(const Group& group, v1::Group* proto) {
  proto->set_lease_id(group.lease_id);
  proto->set_prompt_id(group.prompt_id);
  for (const Completion& completion : group.completions)
    ToProto(completion, proto->add_completions());
  for (const Verdict& verdict : group.verdicts) ToProto(verdict, proto->add_verdicts());
}

absl::StatusOr<Group> FromProto(const v1::Group& proto) {
  Group group;
  group.lease_id = proto.lease_id();
  group.prompt_id = proto.prompt_id();
  TPO_ASSIGN_OR_RETURN(group.completions,
                       AllFromProto<Completion>(proto.completions(), "completions"));
  TPO_ASSIGN_OR_RETURN(group.verdicts, AllFromProto<Verdict>(proto.verdicts(), "verdicts"));
  return group;
}

}  // namespace tpo
