// What GetStatus tells besides the status (core/run_board.h).
#include <string>

#include "core/run_board.h"
#include "core/status_macros.h"
#include "services/grpc/convert.h"
#include "services/grpc/convert_checks.h"
#include "services/grpc/utf8.h"
#include "tpo/v1/learner.pb.h"

namespace tpo {
namespace {

void ToProto(const WorkerStatus& worker, v1::WorkerStatus* proto) {
  proto->set_name(ValidUtf8(worker.name));
  tpo::ToProto(worker.idle, proto->mutable_idle());
  proto->set_groups_accepted(worker.groups_accepted);
  proto->set_groups_refused(worker.groups_refused);
  proto->set_weight_version(worker.weight_version);
}

void ToProto(const StepFigures& step, v1::StepFigures* proto) {
  proto->set_step(step.step);
  proto->set_reward_mean(step.reward_mean);
  if (step.error.has_value()) proto->set_error(*step.error);
  proto->set_loss(step.loss);
  proto->set_step_seconds(step.step_seconds);
  proto->set_rollout_seconds(step.rollout_seconds);
  if (step.target_entropy.has_value()) proto->set_target_entropy(*step.target_entropy);
  if (step.anchor_entropy.has_value()) proto->set_anchor_entropy(*step.anchor_entropy);
  proto->set_staleness_max(step.staleness_max);
  proto->set_zero_variance_fraction(step.zero_variance_fraction);
  proto->set_tokens_total(step.tokens_total);
  proto->set_unscored_fraction(step.unscored_fraction);
}

StepFigures ToFigures(const v1::StepFigures& proto) {
  StepFigures step;
  step.step = proto.step();
  step.reward_mean = proto.reward_mean();
  if (proto.has_error()) step.error = proto.error();
  step.loss = proto.loss();
  step.step_seconds = proto.step_seconds();
  step.rollout_seconds = proto.rollout_seconds();
  if (proto.has_target_entropy()) step.target_entropy = proto.target_entropy();
  if (proto.has_anchor_entropy()) step.anchor_entropy = proto.anchor_entropy();
  step.staleness_max = proto.staleness_max();
  step.zero_variance_fraction = proto.zero_variance_fraction();
  step.tokens_total = proto.tokens_total();
  step.unscored_fraction = proto.unscored_fraction();
  return step;
}

void ToProto(const GroupFigures& group, v1::GroupFigures* proto) {
  proto->set_step(group.step);
  proto->set_prompt_id(group.prompt_id);
  proto->set_task(ValidUtf8(group.task));
  proto->set_prompt(ValidUtf8(group.prompt));
  for (const CompletionFigures& completion : group.completions) {
    v1::CompletionFigures* figures = proto->add_completions();
    figures->set_text(ValidUtf8(completion.text));
    figures->set_verdict(static_cast<v1::VerdictKind>(completion.verdict));
    figures->set_score(completion.score);
    if (completion.anchor_probability.has_value())
      figures->set_anchor_probability(*completion.anchor_probability);
    if (completion.target_probability.has_value())
      figures->set_target_probability(*completion.target_probability);
    if (completion.policy_probability.has_value())
      figures->set_policy_probability(*completion.policy_probability);
  }
}

// An unknown kind is for people to see as such.
VerdictKind ToKind(v1::VerdictKind kind) {
  return v1::VerdictKind_IsValid(kind) ? static_cast<VerdictKind>(kind) : VerdictKind::kUnspecified;
}

GroupFigures ToFigures(const v1::GroupFigures& proto) {
  GroupFigures group;
  group.step = proto.step();
  group.prompt_id = proto.prompt_id();
  group.task = proto.task();
  group.prompt = proto.prompt();
  for (const v1::CompletionFigures& completion : proto.completions()) {
    CompletionFigures& figures = group.completions.emplace_back();
    figures.text = completion.text();
    figures.verdict = ToKind(completion.verdict());
    figures.score = completion.score();
    if (completion.has_anchor_probability())
      figures.anchor_probability = completion.anchor_probability();
    if (completion.has_target_probability())
      figures.target_probability = completion.target_probability();
    if (completion.has_policy_probability())
      figures.policy_probability = completion.policy_probability();
  }
  return group;
}

bool CanBeShown(const v1::VerifierStatus& proto) {
  return CheckName(proto.verifier(), "verifier").ok() &&
         (proto.backend().empty() || CheckName(proto.backend(), "backend").ok());
}

VerifierStatus ToStatus(const v1::VerifierStatus& proto) {
  return {.verifier = proto.verifier(),
          .backend = proto.backend(),
          .health = v1::VerifierHealth_IsValid(proto.health())
                        ? static_cast<VerifierHealth>(proto.health())
                        : VerifierHealth::kUnspecified,
          .answered = proto.answered(),
          .failed = proto.failed()};
}

void ToProto(const RelayStatus& status, v1::RelayStatus* proto) {
  proto->set_name(ValidUtf8(status.name));
  proto->set_connected(status.connected);
  tpo::ToProto(status.since, proto->mutable_since());
  proto->set_weight_version(status.weight_version);
}

}  // namespace

void ToProto(const VerifierStatus& status, v1::VerifierStatus* proto) {
  proto->set_verifier(ValidUtf8(status.verifier));
  proto->set_backend(ValidUtf8(status.backend));
  proto->set_health(static_cast<v1::VerifierHealth>(status.health));
  proto->set_answered(status.answered);
  proto->set_failed(status.failed);
}

std::vector<VerifierStatus> VerifiersFromProto(const v1::LeasePromptsRequest& proto) {
  std::vector<VerifierStatus> verifiers;
  for (const v1::VerifierStatus& one : proto.verifiers()) {
    if (verifiers.size() < RoleBook::kMostVerifiers && CanBeShown(one))
      verifiers.push_back(ToStatus(one));
  }
  return verifiers;
}

void DetailsToProto(const std::vector<WorkerStatus>& workers_seen, const RunDetails& details,
                    v1::GetStatusResponse* proto) {
  for (const WorkerStatus& worker : workers_seen) ToProto(worker, proto->add_workers_seen());
  for (const StepFigures& step : details.steps) ToProto(step, proto->add_steps());
  for (const GroupFigures& group : details.groups) ToProto(group, proto->add_groups());
  for (const RelayStatus& relay : details.roles.relays) ToProto(relay, proto->add_relays());
  for (const VerifierStatus& one : details.roles.verifiers) ToProto(one, proto->add_verifiers());
  if (!details.checkpoint_step.has_value()) return;
  proto->set_checkpoint_step(*details.checkpoint_step);
  ToProto(details.checkpoint_age, proto->mutable_checkpoint_age());
}

absl::StatusOr<RunDetails> DetailsFromProto(const v1::GetStatusResponse& proto) {
  RunDetails details;
  for (const v1::StepFigures& step : proto.steps()) details.steps.push_back(ToFigures(step));
  for (const v1::GroupFigures& group : proto.groups()) details.groups.push_back(ToFigures(group));
  for (const v1::RelayStatus& relay : proto.relays()) {
    absl::StatusOr<absl::Duration> since = FromProto(relay.since());
    if (!since.ok()) return InField("relays", since.status());
    details.roles.relays.push_back({.name = relay.name(),
                                    .connected = relay.connected(),
                                    .since = *since,
                                    .weight_version = relay.weight_version()});
  }
  for (const v1::VerifierStatus& one : proto.verifiers())
    details.roles.verifiers.push_back(ToStatus(one));
  if (proto.has_checkpoint_step()) {
    details.checkpoint_step = proto.checkpoint_step();
    absl::StatusOr<absl::Duration> age = FromProto(proto.checkpoint_age());
    if (!age.ok()) return InField("checkpoint_age", age.status());
    details.checkpoint_age = *age;
  }
  return details;
}

}  // namespace tpo
