// Language models in training: log-probs and gradients on prefix trees.
#include "policy/language_model_policy.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <random>
#include <string>
#include <tuple>
#include <utility>
#include <vector>

#include <ATen/ATen.h>
#include <torch/autograd.h>

#include "policy/language_model/language_model.h"
#include "policy/language_model/reference_scorer.h"
#include "policy/threads.h"
#include "tests/policy/composed_language_model.h"
#include "tests/policy/expect_entropies.h"
#include "tests/policy/hugging_face/golden_tensors.h"

namespace tpo {
namespace {

std::unique_ptr<LanguageModelPolicy> MakePolicy(const std::string& directory, bool composed,
                                                bool bfloat16, int threads = 2) {
  const auto model = ModelDirectory::Open(directory).value();
  return MakeLanguageModelPolicy(*model,
                                 {.bfloat16 = bfloat16, .threads = threads, .composed = composed})
      .value();
}

std::vector<at::Tensor> ZeroGradients(const Policy& policy) {
  std::vector<at::Tensor> gradients;
  for (const NamedParameter& parameter : policy.parameters())
    gradients.push_back(at::zeros_like(parameter.tensor));
  return gradients;
}

struct Sequence {
  std::vector<TokenId> prompt;
  std::vector<TokenId> completion;

  std::vector<TokenId> Forwarded() const {
    std::vector<TokenId> tokens = prompt;
    tokens.insert(tokens.end(), completion.begin(), completion.end());
    tokens.pop_back();
    return tokens;
  }
};

// Groups of one prompt each, whose completions share beginnings, some wholly.
std::vector<Sequence> Sequences(int vocabulary, int groups, int completions, int prompt_length,
                                int length, uint64_t seed) {
  std::mt19937_64 random(seed);
  std::vector<Sequence> sequences;
  for (int group = 0; group < groups; ++group) {
    std::vector<TokenId> prompt = {1, 5};  // all prompts begin alike
    while (static_cast<int>(prompt.size()) < prompt_length + group)
      prompt.push_back(static_cast<TokenId>(random() % vocabulary));
    for (int k = 0; k < completions; ++k) {
      std::vector<TokenId> completion;
      if (k % 3 == 1) {
        completion = sequences.back().completion;
        completion.resize(completion.size() / 2);
      }
      while (static_cast<int>(completion.size()) < length - k % 5)
        completion.push_back(static_cast<TokenId>(random() % vocabulary));
      if (k % 4 == 3) completion = sequences.back().completion;
      sequences.push_back({prompt, completion});
    }
  }
  return sequences;
}

PrefixTree TreeOf(const std::vector<Sequence>& sequences, int path_stride) {
  std::vector<TreeSequence> tree_sequences;
  for (const Sequence& sequence : sequences)
    tree_sequences.push_back({sequence.prompt, sequence.completion, {}});
  return BuildPrefixTree(tree_sequences, path_stride);
}

std::vector<double> RandomCoefficients(size_t count, uint64_t seed) {
  std::mt19937_64 random(seed);
  std::normal_distribution<double> normal;
  std::vector<double> coefficients(count);
  for (double& coefficient : coefficients) coefficient = normal(random);
  return coefficients;
}

double RelativeError(const at::Tensor& actual, const at::Tensor& expected) {
  const at::Tensor difference = actual.to(at::kDouble) - expected.to(at::kDouble);
  return difference.norm().item<double>() / (expected.norm().item<double>() + 1e-12);
}

// What holds in both forms: with kernels of our own, and composed of LibTorch's operators.
class LanguageModelPolicyTest : public testing::TestWithParam<std::tuple<std::string, bool>> {
 protected:
  static bool composed() { return std::get<1>(GetParam()); }
  static std::unique_ptr<LanguageModelPolicy> Make(bool bfloat16) {
    auto policy = MakePolicy(std::get<0>(GetParam()), composed(), bfloat16);
    PrepareComputingThread();  // as the learner does, whose policy is there by then
    return policy;
  }
};

// What holds with kernels of our own.
class LanguageModelPolicyBitsTest : public testing::TestWithParam<std::string> {};

TEST_P(LanguageModelPolicyTest, LogProbsAndGradientsAreThoseOfAutograd) {
  const auto policy = Make(false);
  const auto sequences = Sequences(policy->vocabulary_size(), 2, 7, 21, 20, 1);
  const PrefixTree tree = TreeOf(sequences, policy->max_positions());
  const double temperature = 0.7;
  const auto pass = policy->NewPass();
  const absl::Span<const double> log_probs = pass->Forward(tree, temperature);
  const auto coefficients = RandomCoefficients(tree.scored.size(), 2);

  const ComposedLanguageModel composed(policy->config(), policy->parameters());
  at::Tensor objective = at::zeros({}, at::kDouble);
  std::vector<bool> counted(tree.scored.size(), false);
  for (size_t s = 0; s < sequences.size(); ++s) {
    const at::Tensor expected = composed.LogProbs(sequences[s].Forwarded(), temperature);
    for (size_t i = 0; i < sequences[s].completion.size(); ++i) {
      const int32_t entry = tree.sequence_scored[s][i];
      const at::Tensor value = expected.index(
          {static_cast<int64_t>(sequences[s].prompt.size() - 1 + i), sequences[s].completion[i]});
      ASSERT_NEAR(log_probs[entry], value.item<double>(), 2e-5 + 1e-5 * std::abs(log_probs[entry]));
      if (!counted[entry]) objective = objective + coefficients[entry] * value;
      counted[entry] = true;
    }
  }
  objective.backward();
  std::vector<at::Tensor> gradients = ZeroGradients(*policy);
  pass->Backward(coefficients, gradients);
  for (size_t p = 0; p < gradients.size(); ++p) {
    const std::string& name = policy->parameters()[p].name;
    EXPECT_GT(gradients[p].norm().item<double>(), 0.0) << name;
    EXPECT_LT(RelativeError(gradients[p], composed.Gradient(name)), 1e-4) << name;
  }
}

TEST_P(LanguageModelPolicyTest, Bfloat16GradientsPointWhereFloat32GradientsDo) {
  const auto exact = Make(false);
  const auto rounded = Make(true);
  const auto sequences = Sequences(exact->vocabulary_size(), 2, 7, 21, 20, 1);
  const PrefixTree tree = TreeOf(sequences, exact->max_positions());
  const auto coefficients = RandomCoefficients(tree.scored.size(), 2);
  std::vector<at::Tensor> gradients[2];
  for (const bool bfloat16 : {false, true}) {
    const auto& policy = bfloat16 ? rounded : exact;
    const auto pass = policy->NewPass();
    pass->Forward(tree, 1.0);
    gradients[bfloat16] = ZeroGradients(*policy);
    pass->Backward(coefficients, gradients[bfloat16]);
  }
  for (size_t p = 0; p < gradients[0].size(); ++p) {
    const at::Tensor a = gradients[0][p].flatten();
    const at::Tensor b = gradients[1][p].flatten();
    const double cosine =
        at::dot(a, b).item<double>() / (a.norm().item<double>() * b.norm().item<double>());
    // A bias of keys moves all scores of a row alike: its exact gradient is zero but for rotation.
    EXPECT_GT(cosine, 0.995) << exact->parameters()[p].name;
  }
}

TEST_P(LanguageModelPolicyBitsTest, ThreadsChangeNoBit) {
  for (const bool bfloat16 : {false, true}) {
    std::vector<at::Tensor> first;
    std::vector<double> first_log_probs;
    for (const int threads : {1, 2}) {
      const auto policy = MakePolicy(GetParam(), false, bfloat16, threads);
      const PrefixTree tree =
          TreeOf(Sequences(policy->vocabulary_size(), 2, 7, 21, 20, 1), policy->max_positions());
      const auto pass = policy->NewPass();
      const auto log_probs = pass->Forward(tree, 1.0);
      std::vector<at::Tensor> gradients = ZeroGradients(*policy);
      pass->Backward(RandomCoefficients(tree.scored.size(), 2), gradients);
      if (threads == 1) {
        first = std::move(gradients);
        first_log_probs.assign(log_probs.begin(), log_probs.end());
        continue;
      }
      EXPECT_EQ(std::vector<double>(log_probs.begin(), log_probs.end()), first_log_probs);
      for (size_t p = 0; p < first.size(); ++p)
        EXPECT_TRUE(at::equal(gradients[p], first[p])) << policy->parameters()[p].name;
    }
  }
}

TEST_P(LanguageModelPolicyBitsTest, ASnapshotComputesTheSameBits) {
  for (const bool bfloat16 : {false, true}) {
    const auto policy = MakePolicy(GetParam(), false, bfloat16);
    // Away from values that are bfloat16 numbers.
    for (const NamedParameter& parameter : policy->parameters()) {
      at::Tensor tensor = parameter.tensor;
      tensor.mul_(1.01);
    }
    policy->OnParametersChanged();
    const TensorBundle snapshot = policy->Snapshot().value();
    EXPECT_TRUE(CheckModelBundle(policy->config(), snapshot).ok());
    const auto model = LanguageModel::Create(policy->config(), BundleSource(snapshot), bfloat16);
    const PrefixTree tree =
        TreeOf(Sequences(policy->vocabulary_size(), 2, 7, 21, 20, 1), policy->max_positions());
    const auto pass = policy->NewPass();
    ReferenceScorer scorer(model, 1);
    for (const double temperature : {1.0, 0.7}) {
      const auto log_probs = pass->Forward(tree, temperature);
      const auto expected = scorer.LogProbs(tree, temperature);
      ASSERT_EQ(log_probs.size(), expected.size());
      for (size_t e = 0; e < expected.size(); ++e) EXPECT_EQ(log_probs[e], expected[e]);
    }
  }
}

// As files have them; adapters as well.
TEST_P(LanguageModelPolicyTest, TheInputOfAMatrixRunsAlongItsSecondDimension) {
  const auto model = ModelDirectory::Open(std::get<0>(GetParam())).value();
  LanguageModelPolicyOptions options;
  options.composed = composed();
  for (const bool adapters : {false, true}) {
    if (adapters) options.lora = LoraSpec();
    const auto policy = MakeLanguageModelPolicy(*model, options).value();
    for (const NamedParameter& parameter : policy->parameters()) {
      if (parameter.tensor.dim() != 2) continue;
      EXPECT_EQ(parameter.fan_in_dimension, 1) << parameter.name;
    }
  }
}

TEST_P(LanguageModelPolicyTest, EntropiesAreThoseOfTheWholeVocabulary) {
  const auto policy = Make(false);
  const PrefixTree tree =
      TreeOf(Sequences(policy->vocabulary_size(), 2, 4, 5, 8, 3), policy->max_positions());
  ExpectEntropiesOfTheWholeVocabulary(*policy, tree, 0.8, 1e-5);
}

TEST_P(LanguageModelPolicyTest, SeveralGroupsGiveTheSumOfEach) {
  const auto policy = Make(false);
  const auto sequences = Sequences(policy->vocabulary_size(), 3, 4, 12, 10, 5);
  std::vector<at::Tensor> together = ZeroGradients(*policy);
  std::vector<at::Tensor> apart = ZeroGradients(*policy);
  const auto add = [&](const std::vector<Sequence>& some, std::vector<at::Tensor>& gradients) {
    const PrefixTree tree = TreeOf(some, policy->max_positions());
    std::vector<double> coefficients(tree.scored.size(), 0.0);
    for (size_t s = 0; s < some.size(); ++s) {
      for (const int32_t entry : tree.sequence_scored[s])
        coefficients[entry] += 0.1 * static_cast<double>(some[s].completion.size()) - 0.5;
    }
    const auto pass = policy->NewPass();
    pass->Forward(tree, 1.0);
    pass->Backward(coefficients, gradients);
  };
  add(sequences, together);
  for (int group = 0; group < 3; ++group)
    add({sequences.begin() + group * 4, sequences.begin() + (group + 1) * 4}, apart);
  for (size_t p = 0; p < together.size(); ++p)
    EXPECT_LT(RelativeError(together[p], apart[p]), 1e-5) << policy->parameters()[p].name;
}

TEST_P(LanguageModelPolicyTest, AStepUpTheGradientRaisesTheLogProb) {
  for (const bool bfloat16 : {false, true}) {
    const auto policy = Make(bfloat16);
    const PrefixTree tree = TreeOf({{{3, 1, 4}, {1, 5, 9, 2}}}, policy->max_positions());
    const auto pass = policy->NewPass();
    const auto sum = [&] {
      double total = 0.0;
      for (const double log_prob : pass->Forward(tree, 1.0)) total += log_prob;
      return total;
    };
    const double before = sum();
    std::vector<at::Tensor> gradients = ZeroGradients(*policy);
    pass->Backward(std::vector<double>(tree.scored.size(), 1.0), gradients);
    double square = 0.0;
    for (const at::Tensor& gradient : gradients) square += gradient.square().sum().item<double>();
    const double rate = 0.5 / square;  // for a gain of 0.5 to first order
    for (size_t p = 0; p < gradients.size(); ++p) {
      at::Tensor tensor = policy->parameters()[p].tensor;
      tensor.add_(gradients[p], rate);
    }
    policy->OnParametersChanged();
    EXPECT_NEAR(sum() - before, 0.5, 0.25) << policy->description();
  }
}

// A run that has gone wrong must see it: rounding to bfloat16 keeps what isn't finite.
TEST_P(LanguageModelPolicyTest, WhatIsNotFiniteShows) {
  const PrefixTree tree = TreeOf({{{3, 1, 4}, {1, 5, 9, 2}}}, 16);
  for (const bool bfloat16 : {false, true}) {
    for (const float value :
         {std::numeric_limits<float>::quiet_NaN(), std::numeric_limits<float>::infinity()}) {
      const auto policy = Make(bfloat16);
      for (const NamedParameter& parameter : policy->parameters()) {
        if (parameter.name != "model.layers.1.self_attn.q_proj.weight") continue;
        at::Tensor tensor = parameter.tensor;
        tensor[3][5].fill_(value);
      }
      policy->OnParametersChanged();
      const auto pass = policy->NewPass();
      EXPECT_FALSE(std::isfinite(pass->Forward(tree, 1.0).back()));
      std::vector<at::Tensor> gradients = ZeroGradients(*policy);
      pass->Backward(std::vector<double>(tree.scored.size(), 1.0), gradients);
      EXPECT_FALSE(std::isfinite(gradients[0].sum().item<double>()));
    }
  }
}

TEST_P(LanguageModelPolicyTest, MemoryDoesNotGrowWithCompletions) {
  const auto memory = [&](int completions) {
    const auto fresh = Make(true);
    const auto sequences = Sequences(fresh->vocabulary_size(), 1, completions, 16, 30, 7);
    std::vector<TreeSequence> all;
    for (const Sequence& sequence : sequences)
      all.push_back({sequence.prompt, sequence.completion, {}});
    const auto pass = fresh->NewPass();
    size_t most = 0;
    // As many nodes as four completions have.
    const int nodes_per_part = CountTreeNodes(absl::MakeConstSpan(all).first(4));
    for (const std::vector<int>& part : PartitionByPrefix(all, nodes_per_part)) {
      std::vector<TreeSequence> members;
      for (const int member : part) members.push_back(all[member]);
      const PrefixTree tree = BuildPrefixTree(members, fresh->max_positions());
      pass->Forward(tree, 1.0);
      std::vector<at::Tensor> gradients = ZeroGradients(*fresh);
      pass->Backward(std::vector<double>(tree.scored.size(), 1.0), gradients);
      most = std::max(most, fresh->working_bytes() + fresh->kept_bytes(*pass));
    }
    return static_cast<double>(most);
  };
  EXPECT_LE(memory(128) / memory(4), 1.05);
}

INSTANTIATE_TEST_SUITE_P(Models, LanguageModelPolicyTest,
                         testing::Combine(testing::ValuesIn(GoldenModels()), testing::Bool()),
                         [](const auto& parameter) {
                           return CaseName(std::get<0>(parameter.param)) +
                                  (std::get<1>(parameter.param) ? "_composed" : "");
                         });
INSTANTIATE_TEST_SUITE_P(Models, LanguageModelPolicyBitsTest, testing::ValuesIn(GoldenModels()),
                         [](const auto& parameter) { return CaseName(parameter.param); });

TEST(LanguageModelPolicyOptionsTest, MorePositionsThanTheModelHasAreRefused) {
  const auto model = ModelDirectory::Open(GoldenModels().front()).value();
  const auto policy = MakeLanguageModelPolicy(*model, {.max_positions = 513});
  EXPECT_EQ(policy.status().code(), absl::StatusCode::kInvalidArgument);
}

}  // namespace
}  // namespace tpo
