#include "rollout/sampler.h"

#include <cmath>
#include <map>
#include <memory>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "policy/transformer.h"

namespace tpo {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

constexpr TransformerSpec kSpec = {
    .vocab_size = 3, .max_positions = 6, .d_model = 8, .layers = 2, .heads = 2, .feed_forward = 16};
constexpr SamplingSpec kSampling = {
    .completions_per_prompt = 4, .candidates_per_token = 0, .temperature = 1.0F, .max_tokens = 3};

Prompt MakePrompt(uint64_t id, std::vector<TokenId> tokens) {
  Prompt prompt;
  prompt.id = id;
  prompt.tokens = std::move(tokens);
  return prompt;
}

class SamplerTest : public ::testing::Test {
 protected:
  SamplerTest() : policy_(MakeTransformer(kSpec, {}).value()), decoder_(policy_->NewDecoder()) {
    InitializeTransformer(1, *policy_);
  }

  std::vector<std::vector<Completion>> Sample(const SamplingSpec& spec,
                                              const std::vector<Prompt>& prompts,
                                              uint64_t seed = 5) {
    return SampleCompletions(spec, seed, RandomStream::kCompletion, *policy_, 9, prompts, *decoder_)
        .value();
  }

  std::unique_ptr<TransformerPolicy> policy_;
  std::unique_ptr<TreeDecoder> decoder_;
  const std::vector<Prompt> prompts_ = {MakePrompt(10, {0, 1, 2}), MakePrompt(11, {0, 1, 1}),
                                        MakePrompt(12, {2})};
};

TEST_F(SamplerTest, RecordsWhatTrainingWouldComputeForEveryToken) {
  const auto groups = Sample(kSampling, prompts_);
  for (size_t g = 0; g < groups.size(); ++g) {
    ASSERT_EQ(groups[g].size(), 4);
    for (const Completion& completion : groups[g]) {
      ASSERT_EQ(completion.tokens.size(), 3);
      EXPECT_EQ(completion.finish_reason, FinishReason::kLength);
      EXPECT_THAT(completion.weight_versions, ElementsAre(WeightVersionSpan{9, 0}));
      const PrefixTree tree =
          BuildPrefixTree({{prompts_[g].tokens, completion.tokens, {}}}, policy_->max_positions());
      auto pass = policy_->NewPass();
      const auto log_probs = pass->Forward(tree, 1.0);
      for (int t = 0; t < 3; ++t) {
        EXPECT_NEAR(completion.behavior_log_probs[t], log_probs[tree.sequence_scored[0][t]], 1e-6);
      }
    }
  }
}

TEST_F(SamplerTest, AGroupIsTheSameWhateverElseIsInTheBatch) {
  const auto together = Sample(kSampling, prompts_);
  for (size_t g = 0; g < prompts_.size(); ++g) {
    const auto alone = Sample(kSampling, {prompts_[g]});
    for (size_t k = 0; k < alone[0].size(); ++k)
      EXPECT_EQ(alone[0][k].tokens, together[g][k].tokens);
  }
}

TEST_F(SamplerTest, TheSameBatchIsTheSameBitByBit) {
  EXPECT_EQ(Sample(kSampling, prompts_), Sample(kSampling, prompts_));
}

TEST_F(SamplerTest, SeedAndPromptIdAndIndexAllMatter) {
  SamplingSpec many = kSampling;
  many.completions_per_prompt = 32;
  const auto base = Sample(many, {MakePrompt(1, {0, 1})});
  EXPECT_NE(base, Sample(many, {MakePrompt(1, {0, 1})}, 6));
  EXPECT_NE(base, Sample(many, {MakePrompt(2, {0, 1})}));
  std::map<std::vector<TokenId>, int> distinct;
  for (const Completion& completion : base[0]) ++distinct[completion.tokens];
  EXPECT_GT(distinct.size(), 5);
}

TEST_F(SamplerTest, FrequenciesFollowTheRecordedProbabilities) {
  SamplingSpec many = kSampling;
  many.completions_per_prompt = 4000;
  many.max_tokens = 1;
  const auto groups = Sample(many, {MakePrompt(1, {2, 0})});
  std::map<TokenId, int> counts;
  std::map<TokenId, double> probabilities;
  for (const Completion& completion : groups[0]) {
    ++counts[completion.tokens[0]];
    probabilities[completion.tokens[0]] = std::exp(completion.behavior_log_probs[0]);
  }
  for (const auto& [token, probability] : probabilities) {
    // Four standard deviations.
    EXPECT_NEAR(counts[token] / 4000.0, probability,
                4 * std::sqrt(probability * (1 - probability) / 4000));
  }
}

TEST_F(SamplerTest, CandidatesStartWithTheTokenThatContinues) {
  SamplingSpec token_level = kSampling;
  token_level.completions_per_prompt = 1;
  token_level.candidates_per_token = 5;
  const auto groups = Sample(token_level, prompts_);
  const auto plain = Sample(kSampling, prompts_);
  for (size_t g = 0; g < groups.size(); ++g) {
    const Completion& completion = groups[g][0];
    EXPECT_EQ(completion.tokens, plain[g][0].tokens);
    ASSERT_EQ(completion.candidate_tokens.size(), 15);
    for (int t = 0; t < 3; ++t) {
      EXPECT_EQ(completion.candidate_tokens[5 * t], completion.tokens[t]);
      EXPECT_EQ(completion.candidate_log_probs[5 * t], completion.behavior_log_probs[t]);
    }
  }
}

TEST_F(SamplerTest, TemperatureZeroTakesTheMostLikelyToken) {
  SamplingSpec greedy = kSampling;
  greedy.temperature = 0.0F;
  const auto groups = Sample(greedy, prompts_);
  for (const auto& group : groups) {
    for (const Completion& completion : group) EXPECT_EQ(completion.tokens, group[0].tokens);
    EXPECT_GE(std::exp(group[0].behavior_log_probs[0]), 1.0 / 3.0);
  }
}

// Log-prob of each token of a completion under `policy`.
std::vector<double> LogProbsUnder(const Policy& policy, const Prompt& prompt,
                                  const Completion& completion) {
  const PrefixTree tree =
      BuildPrefixTree({{prompt.tokens, completion.tokens, {}}}, policy.max_positions());
  const auto pass = policy.NewPass();
  const auto log_probs = pass->Forward(tree, 1.0);
  std::vector<double> result;
  for (const int32_t index : tree.sequence_scored[0]) result.push_back(log_probs[index]);
  return result;
}

TEST_F(SamplerTest, NewWeightsInFlightTakeOverFromTheNextTokenOn) {
  SamplingSpec in_flight = kSampling;
  in_flight.swap_in_flight = true;
  const auto before = MakeTransformer(kSpec, {}).value();
  const auto after = MakeTransformer(kSpec, {}).value();
  InitializeTransformer(1, *before);
  InitializeTransformer(77, *after);
  int calls = 0;
  // The first token comes from version 9, the others from version 12.
  const auto groups =
      SampleCompletions(in_flight, 5, RandomStream::kCompletion, *policy_, 9, prompts_, *decoder_,
                        [&]() -> absl::StatusOr<WeightVersion> {
                          if (++calls == 1) InitializeTransformer(77, *policy_);
                          return 12;
                        })
          .value();
  EXPECT_EQ(calls, 2) << "before each token but the first";
  for (size_t g = 0; g < groups.size(); ++g) {
    for (const Completion& completion : groups[g]) {
      EXPECT_THAT(completion.weight_versions,
                  ElementsAre(WeightVersionSpan{9, 0}, WeightVersionSpan{12, 1}));
      const auto old_weights = LogProbsUnder(*before, prompts_[g], completion);
      const auto new_weights = LogProbsUnder(*after, prompts_[g], completion);
      EXPECT_NEAR(completion.behavior_log_probs[0], old_weights[0], 1e-6);
      EXPECT_GT(std::abs(old_weights[0] - new_weights[0]), 1e-3);
      for (int t = 1; t < 3; ++t)
        EXPECT_NEAR(completion.behavior_log_probs[t], new_weights[t], 1e-6);
    }
  }
}

TEST_F(SamplerTest, AskingForWeightsInFlightChangesNothingWhenThereAreNone) {
  SamplingSpec in_flight = kSampling;
  in_flight.swap_in_flight = true;
  const auto groups = SampleCompletions(in_flight, 5, RandomStream::kCompletion, *policy_, 9,
                                        prompts_, *decoder_, [] { return WeightVersion{9}; });
  EXPECT_EQ(*groups, Sample(kSampling, prompts_));
}

TEST_F(SamplerTest, BetweenGroupsNobodyAsksForWeights) {
  const auto groups = SampleCompletions(
      kSampling, 5, RandomStream::kCompletion, *policy_, 9, prompts_, *decoder_,
      []() -> absl::StatusOr<WeightVersion> { return absl::InternalError("asked"); });
  EXPECT_TRUE(groups.ok());
}

TEST_F(SamplerTest, AFailureToTakeUpWeightsEndsSampling) {
  SamplingSpec in_flight = kSampling;
  in_flight.swap_in_flight = true;
  const auto groups = SampleCompletions(
      in_flight, 5, RandomStream::kCompletion, *policy_, 9, prompts_, *decoder_,
      []() -> absl::StatusOr<WeightVersion> { return absl::NotFoundError("who?"); });
  EXPECT_EQ(groups.status().code(), absl::StatusCode::kNotFound);
}

TEST_F(SamplerTest, SaysThatNothingCanBeSampledFromWeightsThatDiverged) {
  for (const NamedParameter& parameter : policy_->parameters()) parameter.tensor.fill_(NAN);
  policy_->OnParametersChanged();
  for (const float temperature : {0.0F, 1.0F}) {
    SamplingSpec sampling = kSampling;
    sampling.temperature = temperature;
    const auto groups =
        SampleCompletions(sampling, 5, RandomStream::kCompletion, *policy_, 9, prompts_, *decoder_);
    EXPECT_EQ(groups.status().code(), absl::StatusCode::kOutOfRange);
    EXPECT_THAT(std::string(groups.status().message()), HasSubstr("prompt 10"));
  }
}

TEST_F(SamplerTest, RefusesPromptsThatDoNotFit) {
  const auto sample = [&](std::vector<TokenId> tokens) {
    return SampleCompletions(kSampling, 5, RandomStream::kCompletion, *policy_, 0,
                             {MakePrompt(3, std::move(tokens))}, *decoder_)
        .status();
  };
  EXPECT_THAT(std::string(sample({0, 1, 2, 0, 1}).message()), HasSubstr("positions"));
  EXPECT_THAT(std::string(sample({0, 3}).message()), HasSubstr("token 1 is 3"));
  EXPECT_EQ(sample({}).code(), absl::StatusCode::kInvalidArgument);
  EXPECT_TRUE(sample({0, 1, 2, 0}).ok());
}

TEST(SampleTokenTest, FollowsTheCumulativeDistributionAndNeverTakesTheImpossible) {
  const float kImpossible = -INFINITY;
  const std::vector<float> log_probs = {kImpossible, std::log(0.25F), std::log(0.75F), kImpossible};
  EXPECT_EQ(SampleToken(log_probs, 0.0), 1);
  EXPECT_EQ(SampleToken(log_probs, 0.2499), 1);
  EXPECT_EQ(SampleToken(log_probs, 0.2501), 2);
  EXPECT_EQ(SampleToken(log_probs, 1.0 - 1e-16), 2);
}

}  // namespace
}  // namespace tpo
