#include "rollout/token_distribution.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <map>
#include <random>

namespace tpo {
namespace {

std::vector<float> RandomLogits(int size, float spread, int seed = 1) {
  std::mt19937 random(seed);
  std::normal_distribution<float> normal(0.0F, spread);
  std::vector<float> logits(size);
  for (float& logit : logits) logit = normal(random);
  return logits;
}

// The definition, plainly: probabilities by token, 0 where cut.
std::vector<double> Expected(std::vector<float> logits, const TokenSampling& sampling) {
  for (const TokenId token : sampling.banned)
    logits[token] = -std::numeric_limits<float>::infinity();
  std::vector<double> p;
  for (const float logit : logits) p.push_back(std::exp(logit / double{sampling.temperature}));
  const auto normalise = [&] {
    double sum = 0.0;
    for (const double value : p) sum += value;
    for (double& value : p) value /= sum;
  };
  const auto keep_from = [&](double least) {
    for (double& value : p) value = value < least ? 0.0 : value;
    normalise();
  };
  normalise();
  auto sorted = [&] {
    auto values = p;
    std::sort(values.rbegin(), values.rend());
    return values;
  };
  if (sampling.top_k > 0 && sampling.top_k < static_cast<int>(p.size()))
    keep_from(sorted()[sampling.top_k - 1]);
  if (sampling.top_p < 1.0F) {
    double sum = 0.0;
    for (const double value : sorted()) {
      sum += value;
      if (sum >= sampling.top_p) {
        keep_from(value);
        break;
      }
    }
  }
  if (sampling.min_p > 0.0F) keep_from(sampling.min_p * sorted()[0]);
  return p;
}

struct Case {
  const char* name;
  TokenSampling sampling;
};

class TokenDistributionTest : public testing::TestWithParam<Case> {};

TEST_P(TokenDistributionTest, HasTheProbabilitiesOfItsDefinition) {
  const TokenSampling& sampling = GetParam().sampling;
  for (const float spread : {0.1F, 1.0F, 6.0F}) {
    auto logits = RandomLogits(700, spread);
    const auto expected = Expected(logits, sampling);
    TokenDistribution distribution(BestLanguageLoops());
    distribution.Reset(absl::MakeSpan(logits), sampling);
    for (int token = 0; token < 700; ++token) {
      EXPECT_NEAR(std::exp(distribution.LogProb(token)), expected[token], 1e-6) << token;
    }
  }
}

// Draws at evenly spaced numbers hit each token as often as its probability says.
TEST_P(TokenDistributionTest, DrawsInProportion) {
  const TokenSampling& sampling = GetParam().sampling;
  auto logits = RandomLogits(700, 2.0F);
  const auto expected = Expected(logits, sampling);
  TokenDistribution distribution(BestLanguageLoops());
  distribution.Reset(absl::MakeSpan(logits), sampling);
  const int draws = 20000;
  std::map<TokenId, int> counts;
  for (int i = 0; i < draws; ++i) {
    const DrawnToken drawn = distribution.Draw((i + 0.5) / draws);
    ++counts[drawn.token];
    ASSERT_EQ(drawn.log_prob, static_cast<float>(distribution.LogProb(drawn.token)));
    ASSERT_TRUE(std::isfinite(drawn.log_prob));
  }
  for (int token = 0; token < 700; ++token)
    EXPECT_NEAR(counts[token], expected[token] * draws, 1.5) << token;
}

INSTANTIATE_TEST_SUITE_P(
    Samplings, TokenDistributionTest,
    testing::Values(
        Case{"Plain", {}}, Case{"Hot", {.temperature = 3.0F}}, Case{"Cold", {.temperature = 0.3F}},
        Case{"TopK", {.top_k = 5}}, Case{"TopOne", {.top_k = 1}}, Case{"TopKOfAll", {.top_k = 700}},
        Case{"TopP", {.top_p = 0.8F}}, Case{"NearlyAll", {.top_p = 0.9999F}},
        Case{"MinP", {.min_p = 0.1F}}, Case{"Banned", {.banned = {0, 1, 300, 699}}},
        Case{"Everything",
             {.temperature = 0.7F, .top_k = 50, .top_p = 0.9F, .min_p = 0.02F, .banned = {3, 4}}}),
    [](const auto& parameter) { return parameter.param.name; });

TEST(TokenDistributionGreedyTest, TakesTheLikeliestAndRecordsItsPlainLogProb) {
  auto logits = RandomLogits(300, 1.0F);
  const auto expected = Expected(logits, {});
  TokenDistribution distribution(BestLanguageLoops());
  distribution.Reset(absl::MakeSpan(logits), {.temperature = 0.0F, .top_k = 2});
  const auto best = std::max_element(expected.begin(), expected.end()) - expected.begin();
  EXPECT_EQ(distribution.Draw(0.999).token, best);
  EXPECT_NEAR(distribution.Draw(0.0).log_prob, std::log(expected[best]), 1e-6);
}

TEST(TokenDistributionGreedyTest, NeverDrawsAnImpossibleToken) {
  std::vector<float> logits(600, -std::numeric_limits<float>::infinity());
  logits[100] = 1.0F;
  logits[101] = 1.0F;
  TokenDistribution distribution(BestLanguageLoops());
  distribution.Reset(absl::MakeSpan(logits), {});
  EXPECT_EQ(distribution.Draw(0.0).token, 100);
  EXPECT_EQ(distribution.Draw(0.75).token, 101);
  EXPECT_EQ(distribution.Draw(1.0 - 0x1p-53).token, 101);
}

TEST(TokenDistributionNotFiniteTest, LogitsWithoutADistributionAreToldApart) {
  constexpr float kInfinity = std::numeric_limits<float>::infinity();
  const std::vector<float> numbers = RandomLogits(600, 1.0F);
  std::vector<float> infinite = numbers;
  infinite[300] = kInfinity;
  for (const TokenSampling& sampling : {TokenSampling{}, TokenSampling{.temperature = 0.0F},
                                        TokenSampling{.top_k = 5, .top_p = 0.9F, .min_p = 0.01F}}) {
    for (std::vector<float> logits :
         {std::vector<float>(600, NAN), std::vector<float>(600, -kInfinity), infinite}) {
      TokenDistribution distribution(BestLanguageLoops());
      distribution.Reset(absl::MakeSpan(logits), sampling);
      EXPECT_FALSE(distribution.valid());
      logits = numbers;
      distribution.Reset(absl::MakeSpan(logits), sampling);
      EXPECT_TRUE(distribution.valid());
    }
  }
}

TEST(TokenDistributionNotFiniteTest, ATokenWithoutANumberIsNeverDrawn) {
  for (const TokenSampling& sampling :
       {TokenSampling{}, TokenSampling{.temperature = 0.0F}, TokenSampling{.top_k = 5},
        TokenSampling{.top_k = 5, .top_p = 0.9F}, TokenSampling{.top_p = 0.9F},
        TokenSampling{.min_p = 0.01F}}) {
    std::vector<float> logits = RandomLogits(600, 1.0F);
    for (const int token : {0, 17, 18, 300, 511, 599}) logits[token] = NAN;
    TokenDistribution distribution(BestLanguageLoops());
    distribution.Reset(absl::MakeSpan(logits), sampling);
    ASSERT_TRUE(distribution.valid());
    for (int i = 0; i < 5000; ++i) {
      const DrawnToken drawn = distribution.Draw((i + 0.5) / 5000);
      ASSERT_TRUE(std::isfinite(logits[drawn.token])) << drawn.token;
      ASSERT_TRUE(std::isfinite(drawn.log_prob));
    }
  }
}

// As an engine uses it, for one request after the other.
TEST(TokenDistributionMemoryTest, WhatItWasBeforeChangesNoBit) {
  const std::vector<TokenSampling> samplings = {
      {},
      {.top_k = 5},
      {.top_k = 400, .top_p = 0.9F},
      {.top_p = 0.9999F},
      {.min_p = 0.01F},
      {.temperature = 0.0F},
      {.temperature = 0.7F, .top_k = 50, .top_p = 0.9F, .min_p = 0.02F}};
  TokenDistribution used(BestLanguageLoops());
  for (const TokenSampling& sampling : samplings) used.MakeRoom(700, sampling);
  for (int seed = 1; seed <= 3; ++seed) {
    std::vector<float> logits = RandomLogits(700, 2.0F, seed);
    for (const TokenSampling& sampling : samplings) {
      TokenDistribution fresh(BestLanguageLoops());
      fresh.Reset(absl::MakeSpan(logits), sampling);
      used.Reset(absl::MakeSpan(logits), sampling);
      for (int i = 0; i < 500; ++i) {
        const DrawnToken expected = fresh.Draw((i + 0.5) / 500);
        const DrawnToken drawn = used.Draw((i + 0.5) / 500);
        ASSERT_EQ(drawn.token, expected.token);
        ASSERT_EQ(drawn.log_prob, expected.log_prob);
      }
    }
  }
}

TEST(TokenDistributionCheckTest, RefusesWhatIsOutOfRange) {
  const auto error = [](const TokenSampling& sampling) {
    return std::string(CheckTokenSampling(sampling, 3).message());
  };
  EXPECT_TRUE(CheckTokenSampling({}, 3).ok());
  EXPECT_THAT(error({.temperature = -1.0F}), testing::HasSubstr("temperature is -1"));
  EXPECT_THAT(error({.temperature = NAN}), testing::HasSubstr("temperature"));
  EXPECT_THAT(error({.top_k = -1}), testing::HasSubstr("top_k"));
  EXPECT_THAT(error({.top_p = 0.0F}), testing::HasSubstr("top_p"));
  EXPECT_THAT(error({.min_p = 1.5F}), testing::HasSubstr("min_p"));
  EXPECT_THAT(error({.banned = {3}}), testing::HasSubstr("banned token is 3"));
  EXPECT_THAT(error({.banned = {0, 1, 2, 2}}), testing::HasSubstr("all tokens are banned"));
}

}  // namespace
}  // namespace tpo
