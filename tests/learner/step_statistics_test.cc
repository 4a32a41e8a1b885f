#include "learner/step_statistics.h"

#include <gtest/gtest.h>

#include <cmath>
#include <vector>

namespace tpo {
namespace {

ReadyGroup GroupOf(const std::vector<std::vector<float>>& log_probs) {
  ReadyGroup ready;
  ready.prompt.task = "any";
  for (const std::vector<float>& tokens : log_probs) {
    Completion completion;
    completion.tokens.assign(tokens.size(), 1);
    completion.behavior_log_probs = tokens;
    completion.weight_versions = {{0, 0}};
    completion.finish_reason = FinishReason::kStop;
    ready.group.completions.push_back(completion);
    ready.group.verdicts.push_back(Verdict::Scored(1.0));
  }
  return ready;
}

TEST(StepStatisticsTest, LengthIsAMeanOverCompletions) {
  StepRecord record;
  AddGroupStatistics({GroupOf({{-1.0F, -2.0F, -3.0F}, {-0.5F}}), GroupOf({{0.0F}})}, 0, record);
  EXPECT_DOUBLE_EQ(record.completion_tokens_mean, 5.0 / 3);
}

TEST(StepStatisticsTest, WithoutGroupsThereIsNoLength) {
  StepRecord record;
  AddGroupStatistics({}, 0, record);
  EXPECT_EQ(record.completion_tokens_mean, 0.0);
}

}  // namespace
}  // namespace tpo
