#include "core/run_board.h"

#include <algorithm>

#include "absl/strings/str_cat.h"

namespace tpo {
namespace {

double UnscoredFraction(const StepRecord& record) {
  uint64_t all = 0;
  uint64_t scored = 0;
  for (const auto& [kind, count] : record.verdicts) {
    all += count;
    if (kind == VerdictKind::kScored) scored += count;
  }
  return all == 0 ? 0.0 : static_cast<double>(all - scored) / static_cast<double>(all);
}

StepFigures FiguresOf(const StepRecord& record) {
  StepFigures figures;
  figures.step = record.step;
  figures.reward_mean = record.reward_mean;
  if (record.has_error) figures.error = record.error;
  figures.loss = record.loss;
  figures.step_seconds = record.step_seconds;
  figures.rollout_seconds = record.rollout_seconds;
  figures.target_entropy = record.target_entropy;
  figures.anchor_entropy = record.anchor_entropy;
  figures.staleness_max = static_cast<double>(record.staleness_max);
  figures.zero_variance_fraction = record.zero_variance_fraction;
  figures.tokens_total = record.tokens_total;
  figures.unscored_fraction = UnscoredFraction(record);
  return figures;
}

GroupFigures FiguresOf(const InspectedGroup& group) {
  GroupFigures figures;
  figures.step = group.step;
  figures.prompt_id = group.prompt.id;
  figures.task = Beginning(group.prompt.task, {});
  figures.prompt = Beginning(group.prompt.text, group.prompt.tokens);
  const size_t shown = std::min(group.completions.size(), RunBoard::kMostCompletions);
  for (size_t k = 0; k < shown; ++k) {
    const InspectedCompletion& completion = group.completions[k];
    figures.completions.push_back({.text = Beginning(completion.text, completion.tokens),
                                   .verdict = completion.verdict.kind,
                                   .score = completion.verdict.score,
                                   .anchor_probability = completion.anchor_probability,
                                   .target_probability = completion.target_probability,
                                   .policy_probability = completion.policy_probability});
  }
  return figures;
}

bool ContinuesCharacter(char c) { return (static_cast<unsigned char>(c) & 0xC0) == 0x80; }

}  // namespace

std::string Beginning(const std::string& text, const std::vector<TokenId>& tokens) {
  std::string beginning;
  if (text.empty()) {
    for (size_t i = 0; i < tokens.size() && beginning.size() <= RunBoard::kMostTextBytes; ++i)
      absl::StrAppend(&beginning, i == 0 ? "" : " ", tokens[i]);
  } else {
    // One byte more tells that there is more.
    beginning = text.substr(0, RunBoard::kMostTextBytes + 1);
  }
  if (beginning.size() <= RunBoard::kMostTextBytes) return beginning;
  constexpr char kEllipsis[] = "…";
  size_t end = RunBoard::kMostTextBytes - (sizeof(kEllipsis) - 1);
  while (end > 0 && ContinuesCharacter(beginning[end])) --end;
  return beginning.substr(0, end) + kEllipsis;
}

void RunBoard::OnStep(const StepRecord& record) {
  std::vector<GroupFigures> groups;
  for (const InspectedGroup& group : record.inspected_groups) {
    if (groups.size() == kMostGroups) break;
    groups.push_back(FiguresOf(group));
  }
  const absl::MutexLock lock(&mutex_);
  if (!groups.empty()) groups_ = std::move(groups);
  // The one before was kept as the newest only.
  if (!steps_.empty() && steps_.back().step % stride_ != 0) steps_.pop_back();
  if (steps_.size() == kMostSteps) {
    stride_ *= 2;
    std::erase_if(steps_, [this](const StepFigures& step)
                              ABSL_NO_THREAD_SAFETY_ANALYSIS { return step.step % stride_ != 0; });
  }
  steps_.push_back(FiguresOf(record));
}

void RunBoard::OnCheckpoint(int64_t step, double /*seconds*/, const std::string& error) {
  if (!error.empty()) return;
  const absl::MutexLock lock(&mutex_);
  checkpoint_step_ = step;
  checkpoint_time_ = clock_->Now();
}

RunDetails RunBoard::Read() const {
  const absl::MutexLock lock(&mutex_);
  RunDetails details;
  details.steps = steps_;
  details.groups = groups_;
  details.checkpoint_step = checkpoint_step_;
  if (checkpoint_step_.has_value()) details.checkpoint_age = clock_->Now() - checkpoint_time_;
  return details;
}

}  // namespace tpo
