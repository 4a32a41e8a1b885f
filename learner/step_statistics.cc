#include "learner/step_statistics.h"

#include <algorithm>
#include <cmath>
#include <numeric>

#include "core/sequence_task.h"
#include "learner/objectives/anchoring.h"
#include "learner/objectives/group_members.h"
#include "learner/objectives/objective_math.h"
#include "learner/objectives/tpo.h"

namespace tpo {
namespace {

std::vector<double> ScoresOf(const Group& group) {
  std::vector<double> scores;
  for (const Verdict& verdict : group.verdicts) {
    if (verdict.kind == VerdictKind::kScored) scores.push_back(verdict.score);
  }
  return scores;
}

double RecordedLogProb(const Completion& completion, double length_exponent) {
  const double sum = std::accumulate(completion.behavior_log_probs.begin(),
                                     completion.behavior_log_probs.end(), 0.0);
  const double tokens = static_cast<double>(completion.behavior_log_probs.size());
  return length_exponent == 0.0 || tokens == 0.0 ? sum : sum * std::pow(tokens, -length_exponent);
}

std::vector<double> Softmax(std::vector<double> values) {
  LogSoftmaxInPlace(absl::MakeSpan(values));
  for (double& value : values) value = std::exp(value);
  return values;
}

// q of the scored members; empty where the objective has no target.
std::vector<double> Targets(const GroupMembers& members, const ObjectiveSpec& objective) {
  const bool anchored = objective.kind == ObjectiveKind::kTpo;
  if (!anchored && objective.kind != ObjectiveKind::kTpoNoAnchor) return {};
  const std::vector<uint8_t> valid(members.size(), 1);
  return TpoTargets({1, static_cast<int>(members.size()), members.log_probs,
                     members.anchor_log_probs, members.scores, valid, members.proximal_log_probs},
                    objective.eta, anchored ? TpoAnchor::kSnapshot : TpoAnchor::kNone,
                    objective.score_standardization, objective.anchor);
}

void AddFigures(GroupMembers members, const ObjectiveSpec& objective, InspectedGroup& inspected) {
  std::vector<double> standardized(members.size());
  StandardizeScores(members.scores, absl::MakeSpan(standardized), objective.score_standardization);
  const std::vector<double> target = Targets(members, objective);
  ApplyAnchor(objective.anchor, members);
  const std::vector<double> anchor = Softmax(members.anchor_log_probs);
  const std::vector<double> policy = Softmax(members.log_probs);
  for (size_t i = 0; i < members.size(); ++i) {
    InspectedCompletion& completion = inspected.completions[members.entries[i]];
    completion.standardized_score = standardized[i];
    completion.anchor_probability = anchor[i];
    if (!target.empty()) completion.target_probability = target[i];
    completion.policy_probability = policy[i];
  }
}

// `log_probs`, `proximal`: [K], or empty without an objective.
InspectedGroup InspectGroup(const ReadyGroup& ready, const ObjectiveSpec* objective,
                            absl::Span<const double> log_probs, absl::Span<const double> proximal) {
  InspectedGroup inspected;
  inspected.prompt = ready.prompt;
  GroupMembers members;
  for (size_t k = 0; k < ready.group.completions.size(); ++k) {
    const Completion& completion = ready.group.completions[k];
    const Verdict& verdict = ready.group.verdicts[k];
    inspected.completions.push_back({completion.tokens, completion.text, verdict, {}, {}, {}, {}});
    if (objective == nullptr || verdict.kind != VerdictKind::kScored) continue;
    members.entries.push_back(k);
    members.anchor_log_probs.push_back(RecordedLogProb(completion, objective->length_exponent));
    members.proximal_log_probs.push_back(proximal[k]);
    members.log_probs.push_back(log_probs[k]);
    members.scores.push_back(verdict.score);
  }
  if (members.size() >= 2) AddFigures(std::move(members), *objective, inspected);
  return inspected;
}

// Lengths, how completions ended, and what became of their verdicts.
void AddCompletionStatistics(const std::vector<ReadyGroup>& groups, StepRecord& record) {
  uint64_t completions = 0;
  uint64_t tokens = 0;
  uint64_t may_end_early = 0;
  uint64_t truncated = 0;
  for (const ReadyGroup& ready : groups) {
    const bool fixed_length = ready.prompt.task.starts_with(kSequenceTaskPrefix);
    for (const Completion& completion : ready.group.completions) {
      ++completions;
      tokens += completion.tokens.size();
      if (fixed_length) continue;
      ++may_end_early;
      truncated += completion.finish_reason == FinishReason::kLength;
    }
    for (const Verdict& verdict : ready.group.verdicts) ++record.verdicts[verdict.kind];
  }
  const auto part = [](uint64_t value, uint64_t of) {
    return of == 0 ? 0.0 : static_cast<double>(value) / static_cast<double>(of);
  };
  record.completion_tokens_mean = part(tokens, completions);
  record.truncated_fraction = part(truncated, may_end_early);
  record.has_truncated_fraction = may_end_early > 0;
}

}  // namespace

void AddGroupStatistics(const std::vector<ReadyGroup>& groups, WeightVersion version,
                        StepRecord& record) {
  AddCompletionStatistics(groups, record);
  std::vector<double> all;
  int64_t all_fail = 0;
  int64_t staleness_sum = 0;
  for (const ReadyGroup& ready : groups) {
    record.prompt_ids.push_back(ready.prompt.id);
    const std::vector<double> scores = ScoresOf(ready.group);
    all.insert(all.end(), scores.begin(), scores.end());
    all_fail +=
        std::all_of(scores.begin(), scores.end(), [](double score) { return score == 0.0; });
    const int64_t staleness = version - OldestWeightVersion(ready.group);
    staleness_sum += staleness;
    record.staleness_max = std::max(record.staleness_max, staleness);
    ++record.staleness_groups[staleness];
  }
  if (groups.empty() || all.empty()) return;
  const Moments moments = PopulationMoments(all);
  record.reward_mean = moments.mean;
  record.reward_std = moments.deviation;
  record.all_fail_fraction = static_cast<double>(all_fail) / static_cast<double>(groups.size());
  record.staleness_mean = static_cast<double>(staleness_sum) / static_cast<double>(groups.size());
}

uint64_t CountTokens(const std::vector<ReadyGroup>& groups) {
  uint64_t tokens = 0;
  for (const ReadyGroup& ready : groups) {
    for (const Completion& completion : ready.group.completions) tokens += completion.tokens.size();
  }
  return tokens;
}

std::vector<InspectedGroup> InspectGroups(const std::vector<ReadyGroup>& groups, int64_t step,
                                          int count, const ObjectiveSpec* objective,
                                          absl::Span<const double> log_probs,
                                          absl::Span<const double> proximal_log_probs) {
  std::vector<InspectedGroup> inspected;
  const size_t members =
      groups.empty() || objective == nullptr ? 0 : log_probs.size() / groups.size();
  for (size_t g = 0; g < std::min(groups.size(), static_cast<size_t>(count)); ++g) {
    inspected.push_back(InspectGroup(groups[g], objective, log_probs.subspan(g * members, members),
                                     proximal_log_probs.subspan(g * members, members)));
    inspected.back().step = step;
  }
  return inspected;
}

}  // namespace tpo
