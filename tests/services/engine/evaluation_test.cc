#include "services/engine/evaluation.h"

#include <gtest/gtest.h>

#include <vector>

namespace tpo {
namespace {

AnsweredPrompt Answered(const std::vector<double>& scores) {
  AnsweredPrompt answered;
  for (const double score : scores) {
    Completion completion;
    completion.tokens = {1, 2, 3};
    completion.finish_reason = score == 0.0 ? FinishReason::kLength : FinishReason::kStop;
    answered.completions.push_back(completion);
    answered.verdicts.push_back(Verdict::Scored(score));
  }
  return answered;
}

TEST(EvaluationTest, PassAtOneIsAMeanOverPromptsAndPassAtKCountsThemOnce) {
  const EvaluationFigures figures =
      Summarise({Answered({1, 0, 0, 0}), Answered({1, 1, 1, 1}), Answered({0, 0, 0.5, 0})}, 1.0);
  EXPECT_EQ(figures.prompts, 3);
  EXPECT_EQ(figures.scored, 12);
  EXPECT_DOUBLE_EQ(figures.pass_at_1, (0.25 + 1.0 + 0.0) / 3);
  EXPECT_DOUBLE_EQ(figures.pass_at_k, 2.0 / 3);
  EXPECT_DOUBLE_EQ(figures.mean_at_k, (0.25 + 1.0 + 0.125) / 3);
  EXPECT_DOUBLE_EQ(figures.reward_mean, 5.5 / 12);
  EXPECT_DOUBLE_EQ(figures.completion_tokens_mean, 3.0);
  EXPECT_DOUBLE_EQ(figures.truncated_fraction.value(), 6.0 / 12);
  // A lower bar.
  EXPECT_DOUBLE_EQ(Summarise({Answered({0.5, 0.2})}, 0.5).pass_at_1, 0.5);
}

TEST(EvaluationTest, CompletionsWithoutAScoreCountForNothing) {
  AnsweredPrompt half = Answered({1, 0});
  half.verdicts[1] = Verdict::Unscored(VerdictKind::kFailed, "no answer");
  AnsweredPrompt none = Answered({0});
  none.verdicts[0] = Verdict::Unscored(VerdictKind::kTimedOut, "late");
  const EvaluationFigures figures = Summarise({half, none}, 1.0);
  EXPECT_EQ(figures.unscored, 2);
  EXPECT_EQ(figures.pass_at_1, 1.0);
  EXPECT_EQ(figures.reward_mean, 1.0);
  const EvaluationFigures empty = Summarise({}, 1.0);
  EXPECT_EQ(empty.pass_at_1, 0.0);
  EXPECT_EQ(empty.reward_standard_error, 0.0);
}

}  // namespace
}  // namespace tpo
