// What the learner and the verifier exchange (proto/tpo/v1/learner.proto, verifier.proto).
#include <memory>
#include <string>
#include <utility>
#include <variant>

#include "absl/strings/str_cat.h"
#include "core/status_macros.h"
#include "services/grpc/convert.h"
#include "services/grpc/convert_checks.h"
#include "tpo/v1/learner.pb.h"
#include "tpo/v1/verifier.pb.h"

namespace tpo {
namespace {

static_assert(static_cast<int>(SubmitOutcome::kAccepted) == v1::SUBMIT_OUTCOME_ACCEPTED);
static_assert(static_cast<int>(SubmitOutcome::kDuplicate) == v1::SUBMIT_OUTCOME_DUPLICATE);
static_assert(static_cast<int>(SubmitOutcome::kLeaseExpired) == v1::SUBMIT_OUTCOME_LEASE_EXPIRED);
static_assert(static_cast<int>(SubmitOutcome::kStale) == v1::SUBMIT_OUTCOME_STALE);
static_assert(static_cast<int>(SubmitOutcome::kUnverified) == v1::SUBMIT_OUTCOME_UNVERIFIED);
static_assert(static_cast<int>(SubmitOutcome::kInvalid) == v1::SUBMIT_OUTCOME_INVALID);
static_assert(static_cast<int>(TensorType::kFloat32) == v1::TENSOR_TYPE_FLOAT32);
static_assert(static_cast<int>(TensorType::kFloat64) == v1::TENSOR_TYPE_FLOAT64);
static_assert(static_cast<int>(TensorType::kBfloat16) == v1::TENSOR_TYPE_BFLOAT16);
static_assert(static_cast<int>(TensorType::kFloat16) == v1::TENSOR_TYPE_FLOAT16);
static_assert(static_cast<int>(TensorType::kInt64) == v1::TENSOR_TYPE_INT64);

}  // namespace

absl::StatusOr<TransformerSpec> FromProto(const v1::TransformerSpec& proto) {
  TPO_RETURN_IF_ERROR(CheckDimension(proto.vocab_size(), "vocab_size"));
  TPO_RETURN_IF_ERROR(CheckDimension(proto.max_positions(), "max_positions"));
  TPO_RETURN_IF_ERROR(CheckDimension(proto.d_model(), "d_model"));
  TPO_RETURN_IF_ERROR(CheckDimension(proto.layers(), "layers"));
  TPO_RETURN_IF_ERROR(CheckDimension(proto.heads(), "heads"));
  TPO_RETURN_IF_ERROR(CheckDimension(proto.feed_forward(), "feed_forward"));
  return TransformerSpec{.vocab_size = proto.vocab_size(),
                         .max_positions = proto.max_positions(),
                         .d_model = proto.d_model(),
                         .layers = proto.layers(),
                         .heads = proto.heads(),
                         .feed_forward = proto.feed_forward()};
}

absl::StatusOr<SamplingSpec> FromProto(const v1::SamplingSpec& proto) {
  TPO_RETURN_IF_ERROR(CheckDimension(proto.completions_per_prompt(), "completions_per_prompt"));
  TPO_RETURN_IF_ERROR(CheckDimension(proto.candidates_per_token(), "candidates_per_token"));
  TPO_RETURN_IF_ERROR(CheckDimension(proto.max_tokens(), "max_tokens"));
  TPO_RETURN_IF_ERROR(CheckFinite(proto.temperature(), "temperature"));
  if (proto.temperature() < 0) return absl::InvalidArgumentError("temperature: negative");
  return SamplingSpec{.completions_per_prompt = proto.completions_per_prompt(),
                      .candidates_per_token = proto.candidates_per_token(),
                      .temperature = proto.temperature(),
                      .max_tokens = proto.max_tokens(),
                      .swap_in_flight = proto.swap_in_flight(),
                      .stop_texts = {proto.stop_texts().begin(), proto.stop_texts().end()},
                      .recompute_cache = proto.recompute_cache(),
                      .cache_bytes = proto.cache_bytes()};
}

namespace {

absl::StatusOr<LanguageModelInfo> FromProto(const v1::LanguageModelSpec& proto) {
  LanguageModelInfo info;
  if (proto.config_json().empty()) return absl::InvalidArgumentError("config_json: empty");
  info.config_json = proto.config_json();
  info.tokenizer_json = proto.tokenizer_json();
  info.end_tokens.assign(proto.end_tokens().begin(), proto.end_tokens().end());
  info.bfloat16 = proto.bfloat16();
  if (proto.has_lora()) {
    const v1::LowRankAdapterSpec& lora = proto.lora();
    TPO_RETURN_IF_ERROR(CheckDimension(lora.rank(), "lora.rank"));
    TPO_RETURN_IF_ERROR(CheckFinite(lora.alpha(), "lora.alpha"));
    info.lora = LowRankAdapterSpec{.rank = lora.rank(),
                                   .alpha = lora.alpha(),
                                   .targets = {lora.targets().begin(), lora.targets().end()}};
  }
  TPO_RETURN_IF_ERROR(CheckDimension(proto.vocab_size(), "vocab_size"));
  info.vocab_size = proto.vocab_size();
  info.path = proto.path();
  info.checksum = proto.checksum();
  info.composed = proto.composed();
  return info;
}

void ToProto(const LanguageModelInfo& info, v1::LanguageModelSpec* proto) {
  proto->set_config_json(info.config_json);
  proto->set_tokenizer_json(info.tokenizer_json);
  proto->mutable_end_tokens()->Add(info.end_tokens.begin(), info.end_tokens.end());
  proto->set_bfloat16(info.bfloat16);
  if (info.lora.has_value()) {
    v1::LowRankAdapterSpec* lora = proto->mutable_lora();
    lora->set_rank(info.lora->rank);
    lora->set_alpha(info.lora->alpha);
    for (const std::string& target : info.lora->targets) lora->add_targets(target);
  }
  proto->set_vocab_size(info.vocab_size);
  proto->set_path(info.path);
  proto->set_checksum(info.checksum);
  proto->set_composed(info.composed);
}

}  // namespace

absl::StatusOr<Lease> FromProto(const v1::Lease& proto) {
  Lease lease;
  lease.id = proto.id();
  if (proto.prompts().empty()) return absl::InvalidArgumentError("prompts: empty");
  TPO_ASSIGN_OR_RETURN(lease.prompts, AllFromProto<Prompt>(proto.prompts(), "prompts"));
  TPO_RETURN_IF_ERROR(CheckNotNegative(proto.min_weight_version(), "min_weight_version"));
  lease.min_weight_version = proto.min_weight_version();
  TPO_ASSIGN_OR_RETURN(lease.time_to_live, PositiveFromProto(proto.time_to_live(), "time_to_live"));
  return lease;
}

absl::StatusOr<TensorSpec> FromProto(const v1::TensorSpec& proto) {
  TPO_RETURN_IF_ERROR(CheckEnum(proto.type(), v1::TensorType_MAX, "type"));
  return TensorSpec{.name = proto.name(),
                    .type = static_cast<TensorType>(proto.type()),
                    .shape = {proto.shape().begin(), proto.shape().end()},
                    .offset_bytes = proto.offset_bytes(),
                    .size_bytes = proto.size_bytes(),
                    .crc32c = proto.crc32c()};
}

void ToProto(const RunInfo& info, v1::RegisterResponse* proto) {
  proto->set_worker_id(info.worker_id);
  proto->set_run_id(info.run_id);
  proto->set_seed(info.seed);
  if (info.language_model != nullptr) {
    ToProto(*info.language_model, proto->mutable_language_model());
  } else {
    v1::TransformerSpec* transformer = proto->mutable_transformer();
    transformer->set_vocab_size(info.transformer.vocab_size);
    transformer->set_max_positions(info.transformer.max_positions);
    transformer->set_d_model(info.transformer.d_model);
    transformer->set_layers(info.transformer.layers);
    transformer->set_heads(info.transformer.heads);
    transformer->set_feed_forward(info.transformer.feed_forward);
  }
  v1::SamplingSpec* sampling = proto->mutable_sampling();
  sampling->set_completions_per_prompt(info.sampling.completions_per_prompt);
  sampling->set_candidates_per_token(info.sampling.candidates_per_token);
  sampling->set_temperature(info.sampling.temperature);
  sampling->set_max_tokens(info.sampling.max_tokens);
  sampling->set_swap_in_flight(info.sampling.swap_in_flight);
  for (const std::string& text : info.sampling.stop_texts) sampling->add_stop_texts(text);
  sampling->set_recompute_cache(info.sampling.recompute_cache);
  sampling->set_cache_bytes(info.sampling.cache_bytes);
  proto->set_want_token_rewards(info.want_token_rewards);
  for (const VerifierSpec& verifier : info.verifiers) ToProto(verifier, proto->add_verifiers());
  ToProto(info.verification, proto->mutable_verification());
  proto->set_own_verifier(info.own_verifier);
}

absl::StatusOr<RunInfo> FromProto(const v1::RegisterResponse& proto) {
  RunInfo info;
  TPO_RETURN_IF_ERROR(CheckName(proto.worker_id(), "worker_id"));
  TPO_RETURN_IF_ERROR(CheckKey(proto.run_id(), "run_id"));
  TPO_RETURN_IF_ERROR(CheckListed(proto.verifiers_size(), "verifiers"));
  info.worker_id = proto.worker_id();
  info.run_id = proto.run_id();
  info.seed = proto.seed();
  if (proto.has_language_model()) {
    absl::StatusOr<LanguageModelInfo> model = FromProto(proto.language_model());
    if (!model.ok()) return InField("language_model", model.status());
    info.language_model = std::make_shared<const LanguageModelInfo>(*std::move(model));
  } else {
    absl::StatusOr<TransformerSpec> transformer = FromProto(proto.transformer());
    if (!transformer.ok()) return InField("transformer", transformer.status());
    info.transformer = *transformer;
  }
  absl::StatusOr<SamplingSpec> sampling = FromProto(proto.sampling());
  if (!sampling.ok()) return InField("sampling", sampling.status());
  info.sampling = *sampling;
  info.want_token_rewards = proto.want_token_rewards();
  TPO_ASSIGN_OR_RETURN(info.verifiers, AllFromProto<VerifierSpec>(proto.verifiers(), "verifiers"));
  absl::StatusOr<VerificationSpec> verification = FromProto(proto.verification());
  if (!verification.ok()) return InField("verification", verification.status());
  info.verification = *verification;
  info.own_verifier = proto.own_verifier();
  return info;
}

void ToProto(const LeaseResult& result, v1::LeasePromptsResponse* proto) {
  if (const NoLease* none = std::get_if<NoLease>(&result)) {
    proto->set_no_lease(none->finished   ? v1::NO_LEASE_REASON_FINISHED
                        : none->draining ? v1::NO_LEASE_REASON_DRAINING
                                         : v1::NO_LEASE_REASON_ALL_LEASED);
    ToProto(none->retry_after, proto->mutable_retry_after());
    return;
  }
  const Lease& lease = std::get<Lease>(result);
  v1::Lease* proto_lease = proto->mutable_lease();
  proto_lease->set_id(lease.id);
  proto_lease->mutable_prompts()->Reserve(static_cast<int>(lease.prompts.size()));
  for (const Prompt& prompt : lease.prompts) ToProto(prompt, proto_lease->add_prompts());
  proto_lease->set_min_weight_version(lease.min_weight_version);
  ToProto(lease.time_to_live, proto_lease->mutable_time_to_live());
}

absl::StatusOr<LeaseResult> FromProto(const v1::LeasePromptsResponse& proto) {
  if (proto.has_lease()) {
    absl::StatusOr<Lease> lease = FromProto(proto.lease());
    if (!lease.ok()) return InField("lease", lease.status());
    return LeaseResult(*std::move(lease));
  }
  TPO_RETURN_IF_ERROR(CheckEnum(proto.no_lease(), v1::NoLeaseReason_MAX, "no_lease"));
  NoLease none;
  none.finished = proto.no_lease() == v1::NO_LEASE_REASON_FINISHED;
  none.draining = proto.no_lease() == v1::NO_LEASE_REASON_DRAINING;
  absl::StatusOr<absl::Duration> retry_after = FromProto(proto.retry_after());
  if (!retry_after.ok() || *retry_after < absl::ZeroDuration()) {
    return absl::InvalidArgumentError("retry_after: not a valid duration");
  }
  none.retry_after = *retry_after;
  return LeaseResult(none);
}

void ToProto(const SubmitResult& result, v1::SubmitResult* proto) {
  proto->set_lease_id(result.lease_id);
  proto->set_prompt_id(result.prompt_id);
  proto->set_outcome(static_cast<v1::SubmitOutcome>(result.outcome));
  proto->set_error(result.error);
}

absl::StatusOr<SubmitResult> FromProto(const v1::SubmitResult& proto) {
  TPO_RETURN_IF_ERROR(CheckEnum(proto.outcome(), v1::SubmitOutcome_MAX, "outcome"));
  return SubmitResult{.lease_id = proto.lease_id(),
                      .prompt_id = proto.prompt_id(),
                      .outcome = static_cast<SubmitOutcome>(proto.outcome()),
                      .error = proto.error()};
}

void ToProto(const RunStatus& status, v1::GetStatusResponse* proto) {
  proto->set_run_id(status.run_id);
  proto->set_step(status.step);
  proto->set_total_steps(status.total_steps);
  proto->set_weight_version(status.weight_version);
  proto->set_reward_mean(status.reward_mean);
  proto->set_error(status.error);
  v1::Ledger* ledger = proto->mutable_ledger();
  ledger->set_leased(status.ledger.leased);
  ledger->set_trained(status.ledger.trained);
  ledger->set_dropped_stale(status.ledger.dropped_stale);
  ledger->set_dropped_unverified(status.ledger.dropped_unverified);
  ledger->set_expired(status.ledger.expired);
  ledger->set_in_flight(status.ledger.in_flight);
  proto->set_workers(status.workers);
  proto->set_draining(status.draining);
  proto->set_version(status.version);
  proto->set_groups_leased(status.groups_leased);
  proto->set_groups_ready(status.groups_ready);
  proto->set_groups_leasable(status.groups_leasable);
  if (status.oldest_lease_age > absl::ZeroDuration())
    ToProto(status.oldest_lease_age, proto->mutable_oldest_lease_age());
}

absl::StatusOr<RunStatus> FromProto(const v1::GetStatusResponse& proto) {
  RunStatus status;
  status.run_id = proto.run_id();
  status.step = proto.step();
  status.total_steps = proto.total_steps();
  status.weight_version = proto.weight_version();
  status.reward_mean = proto.reward_mean();
  status.error = proto.error();
  status.ledger = {.leased = proto.ledger().leased(),
                   .trained = proto.ledger().trained(),
                   .dropped_stale = proto.ledger().dropped_stale(),
                   .dropped_unverified = proto.ledger().dropped_unverified(),
                   .expired = proto.ledger().expired(),
                   .in_flight = proto.ledger().in_flight()};
  status.workers = proto.workers();
  status.draining = proto.draining();
  status.version = proto.version();
  status.groups_leased = proto.groups_leased();
  status.groups_ready = proto.groups_ready();
  status.groups_leasable = proto.groups_leasable();
  if (proto.has_oldest_lease_age()) {
    TPO_ASSIGN_OR_RETURN(status.oldest_lease_age, FromProto(proto.oldest_lease_age()));
  }
  for (const v1::WorkerStatus& worker : proto.workers_seen()) {
    absl::StatusOr<absl::Duration> idle = FromProto(worker.idle());
    if (!idle.ok()) return InField("workers_seen", idle.status());
    status.workers_seen.push_back({.name = worker.name(),
                                   .idle = *idle,
                                   .groups_accepted = worker.groups_accepted(),
                                   .groups_refused = worker.groups_refused(),
                                   .weight_version = worker.weight_version()});
  }
  return status;
}

void ToProto(const VerifyRequest& request, v1::VerifyRequest* proto) {
  ToProto(request.prompt, proto->mutable_prompt());
  proto->mutable_completions()->Reserve(static_cast<int>(request.completions.size()));
  for (const Completion& completion : request.completions)
    ToProto(completion, proto->add_completions());
  proto->set_want_token_rewards(request.want_token_rewards);
  proto->set_weight_version(request.weight_version);
  proto->set_idempotency_key(request.idempotency_key);
}

absl::StatusOr<VerifyRequest> FromProto(const v1::VerifyRequest& proto) {
  VerifyRequest request;
  if (!proto.has_prompt()) return absl::InvalidArgumentError("prompt: missing");
  absl::StatusOr<Prompt> prompt = FromProto(proto.prompt());
  if (!prompt.ok()) return InField("prompt", prompt.status());
  request.prompt = *std::move(prompt);
  TPO_RETURN_IF_ERROR(CheckKey(request.prompt.task, "prompt.task"));
  if (proto.completions().empty())
    return absl::InvalidArgumentError("completions: empty; send at least one");
  TPO_ASSIGN_OR_RETURN(request.completions,
                       AllFromProto<Completion>(proto.completions(), "completions"));
  request.want_token_rewards = proto.want_token_rewards();
  TPO_RETURN_IF_ERROR(CheckNotNegative(proto.weight_version(), "weight_version"));
  request.weight_version = proto.weight_version();
  TPO_RETURN_IF_ERROR(CheckKey(proto.idempotency_key(), "idempotency_key"));
  request.idempotency_key = proto.idempotency_key();
  return request;
}

void ToProto(const VerifierDescription& description, v1::DescribeResponse* proto) {
  proto->set_verifier(description.verifier);
  proto->set_verifier_version(description.version);
  for (const std::string& task : description.tasks) proto->add_tasks(task);
  proto->set_token_rewards(description.token_rewards);
  proto->set_max_completions(description.max_completions);
  proto->set_max_request_bytes(description.max_request_bytes);
  if (description.typical_latency > absl::ZeroDuration())
    ToProto(description.typical_latency, proto->mutable_typical_latency());
}

absl::StatusOr<VerifierDescription> FromProto(const v1::DescribeResponse& proto) {
  TPO_RETURN_IF_ERROR(CheckKey(proto.verifier(), "verifier"));
  TPO_RETURN_IF_ERROR(CheckKey(proto.verifier_version(), "verifier_version"));
  TPO_RETURN_IF_ERROR(CheckKeys(proto.tasks(), "tasks"));
  // For people: a duration that is none doesn't make the rest worthless.
  const absl::Duration latency = FromProto(proto.typical_latency()).value_or(absl::ZeroDuration());
  return VerifierDescription{.verifier = proto.verifier(),
                             .version = proto.verifier_version(),
                             .tasks = {proto.tasks().begin(), proto.tasks().end()},
                             .token_rewards = proto.token_rewards(),
                             .max_completions = proto.max_completions(),
                             .max_request_bytes = proto.max_request_bytes(),
                             .typical_latency = latency};
}

void ToProto(const WeightSnapshot& snapshot, v1::WeightManifest* proto) {
  proto->set_weight_version(snapshot.version);
  for (const TensorSpec& tensor : snapshot.weights.tensors()) {
    v1::TensorSpec* spec = proto->add_tensors();
    spec->set_name(tensor.name);
    spec->set_type(static_cast<v1::TensorType>(tensor.type));
    spec->mutable_shape()->Add(tensor.shape.begin(), tensor.shape.end());
    spec->set_offset_bytes(tensor.offset_bytes);
    spec->set_size_bytes(tensor.size_bytes);
    spec->set_crc32c(tensor.crc32c);
  }
  proto->set_size_bytes(snapshot.weights.bytes().size());
  proto->set_crc32c(snapshot.crc32c);
}

absl::StatusOr<WeightManifest> FromProto(const v1::WeightManifest& proto) {
  WeightManifest manifest;
  TPO_RETURN_IF_ERROR(CheckNotNegative(proto.weight_version(), "weight_version"));
  manifest.version = proto.weight_version();
  manifest.size_bytes = proto.size_bytes();
  manifest.crc32c = proto.crc32c();
  TPO_ASSIGN_OR_RETURN(manifest.tensors, AllFromProto<TensorSpec>(proto.tensors(), "tensors"));
  TPO_RETURN_IF_ERROR(ValidateManifest(manifest.tensors, manifest.size_bytes));
  return manifest;
}

void ToProto(const WorkerTimes& times, v1::WorkerTimes* proto) {
  ToProto(times.waiting_for_lease, proto->mutable_waiting_for_lease());
  ToProto(times.waiting_for_weights, proto->mutable_waiting_for_weights());
  ToProto(times.sampling, proto->mutable_sampling());
  ToProto(times.waiting_for_verdicts, proto->mutable_waiting_for_verdicts());
  ToProto(times.submitting, proto->mutable_submitting());
}

absl::StatusOr<WorkerTimes> FromProto(const v1::WorkerTimes& proto) {
  WorkerTimes times;
  const auto take = [](const google::protobuf::Duration& from, const char* field,
                       absl::Duration& to) -> absl::Status {
    const absl::StatusOr<absl::Duration> duration = FromProto(from);
    if (!duration.ok() || *duration < absl::ZeroDuration()) {
      return absl::InvalidArgumentError(absl::StrCat(field, ": not a duration of at least 0"));
    }
    to = *duration;
    return absl::OkStatus();
  };
  TPO_RETURN_IF_ERROR(
      take(proto.waiting_for_lease(), "waiting_for_lease", times.waiting_for_lease));
  TPO_RETURN_IF_ERROR(
      take(proto.waiting_for_weights(), "waiting_for_weights", times.waiting_for_weights));
  TPO_RETURN_IF_ERROR(take(proto.sampling(), "sampling", times.sampling));
  TPO_RETURN_IF_ERROR(
      take(proto.waiting_for_verdicts(), "waiting_for_verdicts", times.waiting_for_verdicts));
  TPO_RETURN_IF_ERROR(take(proto.submitting(), "submitting", times.submitting));
  return times;
}

}  // namespace tpo
