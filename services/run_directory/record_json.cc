#include "services/run_directory/record_json.h"

#include <string>

#include "absl/time/clock.h"

namespace tpo {
namespace {

using Json = nlohmann::ordered_json;

const char* VerdictName(VerdictKind kind) {
  switch (kind) {
    case VerdictKind::kScored:
      return "scored";
    case VerdictKind::kAbstained:
      return "abstained";
    case VerdictKind::kTimedOut:
      return "timed_out";
    case VerdictKind::kFailed:
      return "failed";
    case VerdictKind::kUnspecified:
      break;
  }
  return "unspecified";
}

Json VerdictToJson(const Verdict& verdict) {
  Json json = {{"kind", VerdictName(verdict.kind)}};
  if (verdict.kind == VerdictKind::kScored) json["score"] = verdict.score;
  if (!verdict.components.empty()) json["components"] = verdict.components;
  if (!verdict.reason.empty()) json["reason"] = verdict.reason;
  if (verdict.cost != 0.0) json["cost"] = verdict.cost;
  if (!verdict.explanation.empty()) json["explanation"] = verdict.explanation;
  if (!verdict.token_rewards.empty()) json["token_rewards"] = verdict.token_rewards;
  return json;
}

Json PromptToJson(const Prompt& prompt) {
  return {{"id", prompt.id},
          {"task", prompt.task},
          {"text", prompt.text},
          {"tokens", prompt.tokens},
          {"reference_answer", prompt.reference_answer},
          {"reference_tokens", prompt.reference_tokens},
          {"metadata", prompt.metadata}};
}

Json CompletionToJson(const InspectedCompletion& completion) {
  return {{"text", completion.text},
          {"tokens", completion.tokens},
          {"verdict", VerdictToJson(completion.verdict)},
          {"standardized_score", OrNull(completion.standardized_score)},
          {"anchor_probability", OrNull(completion.anchor_probability)},
          {"target_probability", OrNull(completion.target_probability)},
          {"policy_probability", OrNull(completion.policy_probability)}};
}

}  // namespace

Json LedgerToJson(const Ledger& ledger) {
  return {{"leased", ledger.leased},
          {"trained", ledger.trained},
          {"dropped_stale", ledger.dropped_stale},
          {"dropped_unverified", ledger.dropped_unverified},
          {"expired", ledger.expired},
          {"in_flight", ledger.in_flight}};
}

Json StepRecordToJson(const StepRecord& record, const ResourceUsage& usage) {
  return {
      {"step", record.step},
      {"weight_version", record.weight_version},
      {"loss", record.loss},
      {"loss_last_epoch", record.loss_last_epoch},
      {"reward_mean", record.reward_mean},
      {"reward_std", record.reward_std},
      {"error", record.has_error ? Json(record.error) : Json(nullptr)},
      {"grad_norm", record.grad_norm},
      {"learning_rate_factor", record.learning_rate_factor},
      {"reference_kl", record.has_reference_kl ? Json(record.reference_kl) : Json(nullptr)},
      {"skipped", record.skipped.empty() ? Json(nullptr) : Json(record.skipped)},
      {"tokens_total", record.tokens_total},
      {"groups_total", record.groups_total},
      {"staleness_mean", record.staleness_mean},
      {"staleness_max", record.staleness_max},
      {"zero_variance_fraction", record.zero_variance_fraction},
      {"all_fail_fraction", record.all_fail_fraction},
      {"target_entropy", OrNull(record.target_entropy)},
      {"anchor_entropy", OrNull(record.anchor_entropy)},
      {"target_kl", OrNull(record.target_kl)},
      {"target_distance", OrNull(record.target_distance)},
      {"clip_fraction", record.clip_fraction},
      {"effective_sample_size",
       record.has_effective_sample_size ? Json(record.effective_sample_size) : Json(nullptr)},
      {"gated_fraction", record.gated_fraction},
      {"importance_clip_fraction", record.importance_clip_fraction},
      {"logprob_mismatch", record.logprob_mismatch},
      {"policy_entropy", OrNull(record.policy_entropy)},
      {"target_policy_kl", OrNull(record.target_policy_kl)},
      {"completion_tokens_mean", record.completion_tokens_mean},
      {"token_entropy", record.token_entropy},
      {"truncated_fraction",
       record.has_truncated_fraction ? Json(record.truncated_fraction) : Json(nullptr)},
      {"forward_nodes", record.forward_nodes},
      {"forward_tokens", record.forward_tokens},
      // From here on: what the machine and its clock decide.
      {"ledger", LedgerToJson(record.ledger)},
      {"step_seconds", record.step_seconds},
      {"rollout_seconds", record.rollout_seconds},
      {"train_seconds", record.train_seconds},
      {"checkpoint_stall_seconds", record.checkpoint_stall_seconds},
      {"publish_seconds", record.publish_seconds},
      {"learner_idle_ratio", record.learner_idle_ratio},
      {"rollout_idle_ratio", record.rollout_idle_ratio},
      {"rollout_verdict_wait_ratio", record.rollout_verdict_wait_ratio},
      {"wall_seconds", usage.wall_seconds},
      {"cpu_seconds", usage.cpu_seconds},
      {"peak_memory_bytes", usage.peak_memory_bytes},
      {"unix_seconds", absl::ToDoubleSeconds(absl::Now() - absl::UnixEpoch())},
  };
}

Json InspectedGroupToJson(const InspectedGroup& group) {
  Json completions = Json::array();
  for (const InspectedCompletion& completion : group.completions) {
    completions.push_back(CompletionToJson(completion));
  }
  return {
      {"step", group.step}, {"prompt", PromptToJson(group.prompt)}, {"completions", completions}};
}

}  // namespace tpo
