// Training adapters: their gradients, and what workers and exports make of them.
#include <gtest/gtest.h>

#include <cmath>
#include <random>
#include <string>
#include <utility>
#include <vector>

#include <ATen/ATen.h>

#include "policy/language_model/language_model.h"
#include "policy/language_model/log_normaliser.h"
#include "policy/language_model/lora.h"
#include "policy/language_model_policy.h"
#include "tests/policy/hugging_face/golden_tensors.h"
#include "tests/policy/language_model/whole_sequence.h"

namespace tpo {
namespace {

const std::vector<TokenId> kPrompt = {3, 1, 4};
const std::vector<TokenId> kCompletion = {1, 5, 9, 2, 6, 5, 3, 5, 8, 9, 7, 9, 3, 2, 3, 8, 4};

LoraSpec SpecOf(std::vector<std::string> targets, int rank = 5) {
  return {.rank = rank, .alpha = 8.0, .target_modules = std::move(targets), .seed = 11};
}

std::unique_ptr<LanguageModelPolicy> MakePolicy(const ModelDirectory& directory,
                                                const LoraSpec& spec, bool bfloat16,
                                                int threads = 2) {
  return MakeLanguageModelPolicy(directory,
                                 {.bfloat16 = bfloat16, .threads = threads, .lora = spec})
      .value();
}

// Adapters that do something: B is zero at first.
void Disturb(Policy& policy) {
  std::mt19937_64 random(5);
  std::normal_distribution<float> normal(0.0F, 0.05F);
  for (const NamedParameter& parameter : policy.parameters()) {
    at::Tensor tensor = parameter.tensor;
    float* const values = tensor.mutable_data_ptr<float>();
    for (int64_t i = 0; i < tensor.numel(); ++i) values[i] += normal(random);
  }
  policy.OnParametersChanged();
}

struct Gradients {
  std::vector<double> log_probs;
  std::vector<at::Tensor> tensors;
};

Gradients GradientsOf(const Policy& policy) {
  const PrefixTree tree =
      BuildPrefixTree(std::vector<TreeSequence>{{kPrompt, kCompletion, {}}}, 64);
  const auto pass = policy.NewPass();
  Gradients result;
  const auto log_probs = pass->Forward(tree, 1.0);
  result.log_probs.assign(log_probs.begin(), log_probs.end());
  for (const NamedParameter& parameter : policy.parameters())
    result.tensors.push_back(at::zeros_like(parameter.tensor));
  std::vector<double> coefficients;
  for (size_t e = 0; e < log_probs.size(); ++e) coefficients.push_back(0.3 * (e % 4) - 0.4);
  pass->Backward(coefficients, result.tensors);
  return result;
}

at::Tensor Named(const Policy& policy, const std::vector<at::Tensor>& tensors,
                 const std::string& name) {
  for (size_t p = 0; p < tensors.size(); ++p) {
    if (policy.parameters()[p].name == name) return tensors[p];
  }
  ADD_FAILURE() << name;
  return {};
}

class LoraPolicyTest : public testing::TestWithParam<std::string> {
 protected:
  LoraPolicyTest() : directory_(ModelDirectory::Open(GetParam()).value()) {}

  std::unique_ptr<ModelDirectory> directory_;
};

TEST_P(LoraPolicyTest, GradientsAreThoseOfTheMergedWeights) {
  for (const auto& targets : {LoraSpec().target_modules, {"k_proj", "up_proj"}}) {
    const LoraSpec spec = SpecOf(targets, 37);  // more than a panel
    const auto policy = MakePolicy(*directory_, spec, false);
    Disturb(*policy);
    const Gradients adapters = GradientsOf(*policy);
    // The same weights, trained in full.
    const auto full = MakeLanguageModelPolicy(*directory_, {.bfloat16 = false}).value();
    const TensorBundle merged =
        MergeLora(*directory_, spec, policy->Snapshot().value(), TensorType::kFloat32).value();
    ASSERT_TRUE(LoadTensors(merged, full->parameters()).ok());
    full->OnParametersChanged();
    const Gradients weights = GradientsOf(*full);
    EXPECT_EQ(adapters.log_probs, weights.log_probs);
    std::vector<at::Tensor> values;
    for (const NamedParameter& parameter : policy->parameters()) values.push_back(parameter.tensor);
    const std::vector<LoraModule> modules = LoraModules(policy->config(), spec).value();
    for (const LoraModule& module : modules) {
      const at::Tensor weight = Named(*full, weights.tensors, module.weight);
      const double scale = spec.alpha / spec.rank;
      const std::pair<at::Tensor, at::Tensor> expected_and_actual[] = {
          {at::matmul(Named(*policy, values, module.b).t(), weight) * scale,
           Named(*policy, adapters.tensors, module.a)},
          {at::matmul(weight, Named(*policy, values, module.a).t()) * scale,
           Named(*policy, adapters.tensors, module.b)}};
      for (const auto& [expected, actual] : expected_and_actual) {
        EXPECT_LT((actual - expected).norm().item<double>(), 1e-4 * expected.norm().item<double>())
            << module.weight;
      }
    }
  }
}

TEST_P(LoraPolicyTest, AWorkersMergedModelComputesTheSameBits) {
  for (const bool bfloat16 : {false, true}) {
    const LoraSpec spec = SpecOf({"q_proj", "v_proj", "down_proj"});
    const auto policy = MakePolicy(*directory_, spec, bfloat16);
    Disturb(*policy);
    const TensorBundle snapshot = policy->Snapshot().value();
    EXPECT_EQ(snapshot.tensors().size(), policy->config().layers * 3U * 2U);
    const TensorBundle merged = MergeLora(*directory_, spec, snapshot,
                                          bfloat16 ? TensorType::kBfloat16 : TensorType::kFloat32)
                                    .value();
    const auto model = LanguageModel::Create(policy->config(), BundleSource(merged), bfloat16);
    std::vector<TokenId> tokens = kPrompt;
    tokens.insert(tokens.end(), kCompletion.begin(), kCompletion.end());
    const auto logits = LogitsOf(model, tokens);
    const Gradients trained = GradientsOf(*policy);
    std::vector<float> sums;
    for (size_t i = 0; i < kCompletion.size(); ++i) {
      const LogNormaliser normaliser =
          MakeLogNormaliser(model->loops(), logits[kPrompt.size() - 1 + i], 1.0, &sums);
      EXPECT_EQ(normaliser.LogProb(logits[kPrompt.size() - 1 + i][kCompletion[i]]),
                trained.log_probs[i]);
    }
  }
}

TEST_P(LoraPolicyTest, TrainingBeginsAtTheModelItself) {
  for (const bool bfloat16 : {false, true}) {
    const auto adapted = MakePolicy(*directory_, SpecOf(LoraSpec().target_modules), bfloat16);
    const auto full = MakeLanguageModelPolicy(*directory_, {.bfloat16 = bfloat16}).value();
    EXPECT_EQ(GradientsOf(*adapted).log_probs, GradientsOf(*full).log_probs);
  }
}

TEST_P(LoraPolicyTest, ThreadsChangeNoBit) {
  std::vector<Gradients> results;
  for (const int threads : {1, 2}) {
    const auto policy =
        MakePolicy(*directory_, SpecOf({"o_proj", "gate_proj", "q_proj"}), true, threads);
    Disturb(*policy);
    results.push_back(GradientsOf(*policy));
  }
  EXPECT_EQ(results[0].log_probs, results[1].log_probs);
  for (size_t p = 0; p < results[0].tensors.size(); ++p)
    EXPECT_TRUE(at::equal(results[0].tensors[p], results[1].tensors[p]));
}

INSTANTIATE_TEST_SUITE_P(Models, LoraPolicyTest, testing::ValuesIn(GoldenModels()),
                         [](const auto& parameter) { return CaseName(parameter.param); });

class LoraTest : public testing::Test {
 protected:
  std::unique_ptr<ModelDirectory> directory_ = ModelDirectory::Open(GoldenModels().front()).value();
};

TEST_F(LoraTest, AdaptersHavePeftsNamesAndShapes) {
  const auto policy = MakePolicy(*directory_, SpecOf({"v_proj"}), true);
  ASSERT_EQ(policy->parameters().size(), directory_->config().layers * 2U);
  EXPECT_EQ(policy->parameters()[0].name,
            "base_model.model.model.layers.0.self_attn.v_proj.lora_A.weight");
  EXPECT_EQ(policy->parameters()[0].tensor.sizes().vec(), (std::vector<int64_t>{5, 48}));
  EXPECT_EQ(policy->parameters()[1].name,
            "base_model.model.model.layers.0.self_attn.v_proj.lora_B.weight");
  EXPECT_EQ(policy->parameters()[1].tensor.sizes().vec(), (std::vector<int64_t>{16, 5}));
}

TEST_F(LoraTest, TheFirstAIsUniformAndDependsOnSeedAndMatrixAlone) {
  const auto policy = MakePolicy(*directory_, SpecOf({"v_proj"}), true);
  const auto more = MakePolicy(*directory_, SpecOf({"q_proj", "v_proj"}), true);
  const at::Tensor a = policy->parameters()[0].tensor;
  EXPECT_TRUE(at::equal(a, more->parameters()[2].tensor));
  EXPECT_FALSE(at::equal(a, policy->parameters()[2].tensor));
  const double bound = 1.0 / std::sqrt(48.0);
  EXPECT_LE(a.abs().max().item<double>(), bound);
  EXPECT_GT(a.abs().max().item<double>(), 0.9 * bound);
  EXPECT_NEAR(a.mean().item<double>(), 0.0, 0.2 * bound);
}

TEST_F(LoraTest, WhatDoesNotFitIsRefusedByName) {
  const auto refused = [&](const LoraSpec& spec) {
    return std::string(MakeLanguageModelPolicy(*directory_, {.lora = spec}).status().message());
  };
  EXPECT_NE(refused(SpecOf({"query"})).find("'query'"), std::string::npos);
  EXPECT_NE(refused(SpecOf({"q_proj"}, 0)).find("rank is 0"), std::string::npos);
  EXPECT_NE(refused(SpecOf({})).find("target_modules is empty"), std::string::npos);

  const auto policy = MakePolicy(*directory_, SpecOf({"q_proj"}), true);
  const TensorBundle adapters = policy->Snapshot().value();
  const auto merge = [&](const LoraSpec& spec) {
    return std::string(
        MergeLora(*directory_, spec, adapters, TensorType::kBfloat16).status().message());
  };
  EXPECT_EQ(merge(SpecOf({"q_proj"})), "");
  EXPECT_NE(merge(SpecOf({"q_proj", "v_proj"})).find("v_proj.lora_A.weight is missing"),
            std::string::npos);
  EXPECT_NE(merge(SpecOf({"q_proj"}, 6)).find("q_proj.lora_A.weight isn't float32 [6, 48]"),
            std::string::npos);
}

}  // namespace
}  // namespace tpo
