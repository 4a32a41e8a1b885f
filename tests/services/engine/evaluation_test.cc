#include "services/engine/evaluation.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <vector>

#include "tests/policy/hugging_face/model_fixture.h"

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
  // As a composite of these weights adds up.
  EXPECT_DOUBLE_EQ(Summarise({Answered({0.7 + 0.2 + 0.1})}, 1.0).pass_at_1, 1.0);
  EXPECT_DOUBLE_EQ(Summarise({Answered({0.9999})}, 1.0).pass_at_1, 0.0);
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

class ShortPrompts : public PromptSource {
 public:
  absl::StatusOr<Prompt> At(uint64_t index) override {
    Prompt prompt;
    prompt.id = index;
    prompt.tokens = {1, static_cast<TokenId>(index % 77)};
    return prompt;
  }
};

// Knows nothing of the prompts from a number on.
class ForgetfulVerifier : public VerifierApi {
 public:
  explicit ForgetfulVerifier(uint64_t first_unknown) : first_unknown_(first_unknown) {}
  absl::StatusOr<std::vector<Verdict>> Verify(const VerifyRequest& request) override {
    if (request.prompt.id >= first_unknown_) return absl::InvalidArgumentError("no such task");
    return std::vector<Verdict>(request.completions.size(), Verdict::Scored(1.0));
  }
  absl::StatusOr<VerifierDescription> Describe() override { return VerifierDescription(); }

 private:
  const uint64_t first_unknown_;
};

absl::StatusOr<std::vector<AnsweredPrompt>> AnswerFivePrompts(VerifierApi* verifier,
                                                              const TensorBundle& weights) {
  ShortPrompts source;
  auto model = std::make_shared<LanguageModelInfo>();
  model->config_json = SmallConfigJson();
  model->vocab_size = SmallConfig().vocab_size;
  EvaluatorOptions options;
  options.run.language_model = std::move(model);
  options.run.sampling.max_tokens = 3;
  options.run.sampling.cache_bytes = 4 << 20;
  options.evaluation.samples = 2;
  options.source = &source;
  options.prompts = 5;
  options.verifier = verifier;
  return AnswerWithLanguageModel(options, weights, 1);
}

TEST(EvaluationTest, APromptThatCannotBeJudgedLeavesTheOthersTheirScores) {
  ForgetfulVerifier verifier(3);
  const auto answered = AnswerFivePrompts(&verifier, RandomWeights(SmallConfig(), 1));
  ASSERT_TRUE(answered.ok()) << answered.status();
  EXPECT_TRUE(CheckScores(*answered).ok());
  const EvaluationFigures figures = Summarise(*answered, 1.0);
  EXPECT_EQ(figures.prompts, 5);
  EXPECT_EQ(figures.scored, 6);
  EXPECT_EQ(figures.unscored, 4);
  EXPECT_EQ(figures.pass_at_1, 1.0);
}

TEST(EvaluationTest, WithoutAnyScoreThereIsNothingToReport) {
  ForgetfulVerifier verifier(0);
  const auto answered = AnswerFivePrompts(&verifier, RandomWeights(SmallConfig(), 1));
  ASSERT_TRUE(answered.ok()) << answered.status();
  const absl::Status status = CheckScores(*answered);
  EXPECT_EQ(status.code(), absl::StatusCode::kUnavailable);
  EXPECT_THAT(std::string(status.message()),
              testing::AllOf(testing::HasSubstr("prompt 0"), testing::HasSubstr("no such task")));
  EXPECT_TRUE(CheckScores({}).ok());
}

TEST(EvaluationTest, WeightsThatHaveDivergedAreAFailure) {
  ForgetfulVerifier verifier(5);
  EXPECT_EQ(AnswerFivePrompts(&verifier, DivergedWeights(SmallConfig(), 1)).status().code(),
            absl::StatusCode::kOutOfRange);
}

}  // namespace
}  // namespace tpo
