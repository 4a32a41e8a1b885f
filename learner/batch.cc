#include "learner/batch.h"

#include <algorithm>
#include <cmath>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "core/status_macros.h"

namespace tpo {
namespace {

bool IsScored(const ReadyGroup& ready, size_t member) {
  return ready.group.verdicts[member].kind == VerdictKind::kScored;
}

absl::Status MissingError(const ReadyGroup& ready, size_t member, const char* what) {
  return absl::InvalidArgumentError(
      absl::StrCat("group of prompt ", ready.group.prompt_id, ", completion ", member, ": ", what));
}

// What the objective reads of a completion, checked.
absl::Status CheckMember(const ReadyGroup& ready, size_t member, const Objective& objective) {
  const Completion& completion = ready.group.completions[member];
  const size_t rewards = ready.group.verdicts[member].token_rewards.size();
  if (completion.behavior_log_probs.size() != completion.tokens.size()) {
    return MissingError(ready, member, "has no log-prob for each token");
  }
  if (objective.token_level()) {
    if (completion.candidate_tokens.empty() ||
        completion.candidate_log_probs.size() != completion.candidate_tokens.size() ||
        rewards != completion.candidate_tokens.size()) {
      return MissingError(ready, member, "has no reward and log-prob for each candidate token");
    }
  } else if (objective.layout() == ObjectiveLayout::kTokens &&
             rewards != completion.tokens.size()) {
    return MissingError(ready, member, "has no reward for each token");
  }
  return absl::OkStatus();
}

}  // namespace

absl::Status Batch::Measure(const std::vector<ReadyGroup>& groups, const Objective& objective) {
  const bool per_token = objective.layout() == ObjectiveLayout::kTokens;
  for (const ReadyGroup& ready : groups) {
    if (entry_per_sequence_) {
      rows_ += 1;
      columns_ = std::max(columns_, static_cast<int>(ready.group.completions.size()));
    }
    for (size_t k = 0; k < ready.group.completions.size(); ++k) {
      if (!IsScored(ready, k)) continue;
      TPO_RETURN_IF_ERROR(CheckMember(ready, k, objective));
      const Completion& completion = ready.group.completions[k];
      const int tokens = static_cast<int>(completion.tokens.size());
      if (per_token) {
        rows_ += 1;
        columns_ = std::max(columns_, tokens);
      } else if (objective.token_level()) {
        rows_ += tokens;
        columns_ =
            std::max(columns_, static_cast<int>(completion.candidate_tokens.size()) / tokens);
      }
    }
  }
  return absl::OkStatus();
}

void Batch::Add(const ReadyGroup& ready, size_t member, bool token_level, size_t first_entry) {
  const Completion& completion = ready.group.completions[member];
  const Verdict& verdict = ready.group.verdicts[member];
  sequences_.push_back({ready.prompt.tokens, completion.tokens, completion.candidate_tokens});
  first_entry_.push_back(first_entry);
  token_count_ += static_cast<int64_t>(ready.prompt.tokens.size() + completion.tokens.size()) - 1;
  const int sequence = static_cast<int>(sequences_.size()) - 1;
  const auto& recorded =
      token_level ? completion.candidate_log_probs : completion.behavior_log_probs;
  recorded_.push_back(recorded);
  scored_count_ += static_cast<int64_t>(recorded.size());
  const bool whole = !entry_per_sequence_ || length_exponent_ == 0.0 || recorded.empty();
  const double weight =
      whole ? 1.0 : std::pow(static_cast<double>(recorded.size()), -length_exponent_);
  token_weight_.push_back(weight);
  for (size_t i = 0; i < recorded.size(); ++i) {
    const size_t entry = Entry(sequence, i);
    anchor_[entry] += weight * static_cast<double>(recorded[i]);
    if (!entry_per_sequence_) {
      scores_[entry] = verdict.token_rewards[i];
      valid_[entry] = 1;
    }
  }
  if (entry_per_sequence_) {
    scores_[first_entry] = verdict.score;
    valid_[first_entry] = 1;
  }
}

absl::StatusOr<Batch> Batch::Create(const std::vector<ReadyGroup>& groups,
                                    const Objective& objective, double length_exponent) {
  const bool token_level = objective.token_level();
  Batch batch;
  batch.length_exponent_ = length_exponent;
  batch.entry_per_sequence_ = !token_level && objective.layout() == ObjectiveLayout::kGroups;
  TPO_RETURN_IF_ERROR(batch.Measure(groups, objective));
  batch.anchor_.assign(batch.entry_count(), 0.0);
  batch.scores_.assign(batch.entry_count(), 0.0);
  batch.valid_.assign(batch.entry_count(), 0);
  size_t row = 0;
  for (const ReadyGroup& ready : groups) {
    for (size_t k = 0; k < ready.group.completions.size(); ++k) {
      if (!IsScored(ready, k)) continue;
      const size_t column = batch.entry_per_sequence_ ? k : 0;
      batch.Add(ready, k, token_level, row * batch.columns_ + column);
      if (!batch.entry_per_sequence_)
        row += token_level ? ready.group.completions[k].tokens.size() : 1;
    }
    if (batch.entry_per_sequence_) ++row;
  }
  return batch;
}

ObjectiveInput Batch::InputFor(absl::Span<const double> log_probs) const {
  return {rows_, columns_, log_probs, anchor_, scores_, valid_};
}

}  // namespace tpo
