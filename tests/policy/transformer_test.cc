#include "policy/transformer.h"

#include <cmath>
#include <random>
#include <vector>

#include <ATen/ATen.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "policy/parameters.h"
#include "tests/policy/expect_entropies.h"

namespace tpo {
namespace {

constexpr TransformerSpec kSmall = {
    .vocab_size = 3, .max_positions = 6, .d_model = 8, .layers = 2, .heads = 2, .feed_forward = 12};

std::unique_ptr<TransformerPolicy> MakePolicy(const TransformerSpec& spec,
                                              at::ScalarType dtype = at::kDouble,
                                              bool composed = false) {
  auto policy = MakeTransformer(spec, {.dtype = dtype, .composed_kernels = composed}).value();
  InitializeTransformer(7, *policy);
  // Biases and scales away from their initial values, so that a term that is left out shows.
  at::manual_seed(1);
  for (const NamedParameter& parameter : policy->parameters()) {
    at::Tensor tensor = parameter.tensor;
    tensor.add_(at::randn(tensor.sizes(), at::kDouble).to(dtype), 0.05);
  }
  return policy;
}

// Sequences with much in common, and something scored at each depth.
struct Fixture {
  std::vector<std::vector<TokenId>> prompts = {{0, 1, 2}, {0, 1, 1}};
  std::vector<std::vector<TokenId>> completions = {{2, 2, 0}, {2, 1, 0}, {0, 0, 0}, {2, 2, 1}};
  std::vector<TreeSequence> Views() const {
    std::vector<TreeSequence> views;
    for (const auto& prompt : prompts) {
      for (const auto& completion : completions) views.push_back({prompt, completion, {}});
    }
    return views;
  }
  PrefixTree Tree() const { return BuildPrefixTree(Views(), kSmall.max_positions); }
};

std::vector<double> Coefficients(size_t count) {
  std::vector<double> coefficients(count);
  for (size_t i = 0; i < count; ++i) coefficients[i] = std::sin(1.0 + static_cast<double>(i));
  return coefficients;
}

std::vector<at::Tensor> GradientOf(const Policy& policy, const PrefixTree& tree,
                                   const std::vector<double>& coefficients, double temperature) {
  std::vector<at::Tensor> gradients;
  for (const NamedParameter& parameter : policy.parameters()) {
    gradients.push_back(at::zeros_like(parameter.tensor));
  }
  auto pass = policy.NewPass();
  pass->Forward(tree, temperature);
  pass->Backward(coefficients, gradients);
  return gradients;
}

double WeightedLogProbs(const Policy& policy, const PrefixTree& tree,
                        const std::vector<double>& coefficients, double temperature) {
  auto pass = policy.NewPass();
  const auto log_probs = pass->Forward(tree, temperature);
  double sum = 0.0;
  for (size_t e = 0; e < coefficients.size(); ++e) sum += coefficients[e] * log_probs[e];
  return sum;
}

TEST(TransformerTest, HasTheParametersOfThePaper) {
  const auto policy = MakeTransformer({2, 14, 64, 2, 2, 256}, {}).value();
  int64_t count = 0;
  for (const NamedParameter& parameter : policy->parameters()) count += parameter.tensor.numel();
  EXPECT_EQ(count, 101250);
}

TEST(TransformerTest, LogProbsOfAllTokensSumToOne) {
  const auto policy = MakePolicy(kSmall);
  auto decoder = policy->NewDecoder();
  TreeNodes root;
  root.path_stride = kSmall.max_positions;
  root.Append(1, 0, nullptr, 0);
  decoder->Reset(4);
  const auto log_probs = decoder->Extend(root, 1.0);
  ASSERT_EQ(log_probs.size(), 3);
  EXPECT_NEAR(std::exp(log_probs[0]) + std::exp(log_probs[1]) + std::exp(log_probs[2]), 1.0, 1e-6);
}

TEST(TransformerTest, ATreeScoresAsItsSequencesAloneDo) {
  const auto policy = MakePolicy(kSmall);
  const Fixture fixture;
  const PrefixTree tree = fixture.Tree();
  auto pass = policy->NewPass();
  const auto together = pass->Forward(tree, 1.0);
  const auto views = fixture.Views();
  for (size_t s = 0; s < views.size(); ++s) {
    const PrefixTree alone = BuildPrefixTree({views[s]}, kSmall.max_positions);
    auto alone_pass = policy->NewPass();
    const auto log_probs = alone_pass->Forward(alone, 1.0);
    for (size_t t = 0; t < alone.sequence_scored[0].size(); ++t) {
      EXPECT_NEAR(together[tree.sequence_scored[s][t]], log_probs[alone.sequence_scored[0][t]],
                  1e-12);
    }
  }
}

TEST(TransformerTest, EntropiesAreThoseOfTheWholeVocabulary) {
  ExpectEntropiesOfTheWholeVocabulary(*MakePolicy(kSmall), Fixture().Tree(), 0.7, 1e-6);
}

TEST(TransformerTest, DecodingStepByStepGivesTheLogProbsOfTraining) {
  const auto policy = MakePolicy(kSmall, at::kFloat);
  const std::vector<TokenId> prompt = {2, 0};
  const std::vector<TokenId> completion = {1, 1, 2, 0};
  const PrefixTree tree = BuildPrefixTree({{prompt, completion, {}}}, kSmall.max_positions);
  auto pass = policy->NewPass();
  const auto trained = pass->Forward(tree, 0.7);

  auto decoder = policy->NewDecoder();
  decoder->Reset(8);
  for (int position = 0; position < 5; ++position) {
    TreeNodes node;
    node.path_stride = kSmall.max_positions;
    node.Append(tree.nodes.tokens[position], position, tree.nodes.path(std::max(position - 1, 0)),
                position);
    const auto log_probs = decoder->Extend(node, 0.7);
    if (position >= 1) {
      EXPECT_NEAR(log_probs[completion[position - 1]], trained[position - 1], 1e-6);
    }
  }
}

class GradientTest : public ::testing::TestWithParam<bool> {};

TEST_P(GradientTest, AgreesWithFiniteDifferences) {
  const auto policy = MakePolicy(kSmall, at::kDouble, /*composed=*/GetParam());
  const PrefixTree tree = Fixture().Tree();
  const std::vector<double> coefficients = Coefficients(tree.scored.size());
  constexpr double kTemperature = 0.8;
  const auto gradients = GradientOf(*policy, tree, coefficients, kTemperature);
  std::mt19937 random(3);
  for (size_t p = 0; p < gradients.size(); ++p) {
    at::Tensor parameter = policy->parameters()[p].tensor.view({-1});
    for (int probe = 0; probe < 3; ++probe) {
      const int64_t i = static_cast<int64_t>(random() % parameter.numel());
      const double value = parameter[i].item<double>();
      constexpr double kStep = 1e-5;
      parameter[i] = value + kStep;
      const double above = WeightedLogProbs(*policy, tree, coefficients, kTemperature);
      parameter[i] = value - kStep;
      const double below = WeightedLogProbs(*policy, tree, coefficients, kTemperature);
      parameter[i] = value;
      EXPECT_NEAR(gradients[p].view({-1})[i].item<double>(), (above - below) / (2 * kStep), 1e-7)
          << policy->parameters()[p].name << "[" << i << "]";
    }
  }
}

INSTANTIATE_TEST_SUITE_P(Kernels, GradientTest, ::testing::Bool());

TEST(TransformerTest, FusedAndComposedKernelsAgree) {
  const auto fused = MakePolicy(kSmall);
  const auto composed = MakePolicy(kSmall, at::kDouble, /*composed=*/true);
  const PrefixTree tree = Fixture().Tree();
  const std::vector<double> coefficients = Coefficients(tree.scored.size());
  const auto a = GradientOf(*fused, tree, coefficients, 1.0);
  const auto b = GradientOf(*composed, tree, coefficients, 1.0);
  for (size_t p = 0; p < a.size(); ++p) {
    EXPECT_TRUE(at::allclose(a[p], b[p], 1e-10, 1e-12)) << fused->parameters()[p].name;
  }
}

TEST(TransformerTest, SinglePrecisionFollowsDoublePrecision) {
  const auto single = MakePolicy(kSmall, at::kFloat);
  const auto precise = MakePolicy(kSmall, at::kDouble);
  const PrefixTree tree = Fixture().Tree();
  auto single_pass = single->NewPass();
  auto precise_pass = precise->NewPass();
  const auto a = single_pass->Forward(tree, 1.0);
  const auto b = precise_pass->Forward(tree, 1.0);
  for (size_t e = 0; e < a.size(); ++e) EXPECT_NEAR(a[e], b[e], 2e-6);
}

TEST(TransformerTest, InitialParametersFollowTheirDistributions) {
  const auto policy = MakeTransformer({16, 512, 64, 1, 2, 256}, {.dtype = at::kDouble}).value();
  InitializeTransformer(0, *policy);
  for (const NamedParameter& parameter : policy->parameters()) {
    const double deviation = parameter.tensor.std(/*unbiased=*/false).item<double>();
    if (parameter.name == "position_embedding") {
      EXPECT_NEAR(deviation, 0.02, 0.0005);
    }
    if (parameter.name == "token_embedding") {
      EXPECT_NEAR(deviation, 0.125, 0.008);
    }
    if (parameter.name == "blocks.0.feed_forward.in.kernel") {
      EXPECT_NEAR(deviation, 0.125, 0.002);
      EXPECT_LE(parameter.tensor.abs().max().item<double>(), 2.0 * 0.125 / 0.8796 + 1e-3);
    }
    if (parameter.name == "blocks.0.norm1.scale") {
      EXPECT_EQ(parameter.tensor.min().item<double>(), 1.0);
    }
    if (parameter.name == "blocks.0.attention.query.bias") {
      EXPECT_EQ(deviation, 0.0);
    }
  }
}

TEST(TransformerTest, SeedsGiveDifferentParametersAndTheSameSeedTheSame) {
  const auto make = [](uint64_t seed) {
    auto policy = MakeTransformer(kSmall, {}).value();
    InitializeTransformer(seed, *policy);
    return policy->parameters()[0].tensor;
  };
  EXPECT_TRUE(at::equal(make(3), make(3)));
  EXPECT_FALSE(at::equal(make(3), make(4)));
}

TEST(TransformerTest, RefusesImpossibleShapesByName) {
  TransformerSpec spec = kSmall;
  spec.heads = 3;
  const auto policy = MakeTransformer(spec, {});
  EXPECT_EQ(policy.status().code(), absl::StatusCode::kInvalidArgument);
  EXPECT_THAT(std::string(policy.status().message()), ::testing::HasSubstr("heads"));
  spec = kSmall;
  spec.vocab_size = 0;
  EXPECT_THAT(std::string(MakeTransformer(spec, {}).status().message()),
              ::testing::HasSubstr("vocab_size"));
}

}  // namespace
}  // namespace tpo
