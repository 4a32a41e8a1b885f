// The composed form of language models in training, on the CPU, against the form with kernels of
// our own.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <random>
#include <string>
#include <tuple>
#include <utility>
#include <vector>

#include <ATen/ATen.h>
#include <c10/core/InferenceMode.h>

#include "policy/language_model/language_model.h"
#include "policy/language_model_policy.h"
#include "policy/threads.h"
#include "tests/policy/composed/recording_allocator.h"
#include "tests/policy/hugging_face/golden_tensors.h"
#include "tests/policy/hugging_face/model_fixture.h"

namespace tpo {
namespace {

constexpr double kTemperature = 0.7;

// Two prompts that begin alike, with completions that do.
PrefixTree MakeTree(int vocabulary, int completions = 5) {
  std::mt19937_64 random(1);
  std::vector<std::vector<TokenId>> prompts;
  std::vector<std::vector<TokenId>> answers;
  for (int group = 0; group < 2; ++group) {
    std::vector<TokenId> prompt = {1, 5};
    while (static_cast<int>(prompt.size()) < 20 + 3 * group)
      prompt.push_back(static_cast<TokenId>(random() % vocabulary));
    for (int k = 0; k < completions; ++k) {
      prompts.push_back(prompt);
      std::vector<TokenId> answer;
      if (k % 2 == 1) answer = {answers.back().begin(), answers.back().begin() + 7};
      while (answer.size() < 19U - k % 5)
        answer.push_back(static_cast<TokenId>(random() % vocabulary));
      answers.push_back(std::move(answer));
    }
  }
  std::vector<TreeSequence> sequences;
  for (size_t s = 0; s < prompts.size(); ++s) sequences.push_back({prompts[s], answers[s], {}});
  return BuildPrefixTree(sequences, 64);
}

struct Result {
  std::vector<double> log_probs;
  std::vector<double> entropies;
  std::vector<at::Tensor> gradients;
};

Result Compute(const Policy& policy, const PrefixTree& tree) {
  const auto pass = policy.NewPass();
  const auto log_probs = pass->Forward(tree, kTemperature);
  Result result;
  result.log_probs.assign(log_probs.begin(), log_probs.end());
  const auto entropies = pass->Entropies();
  result.entropies.assign(entropies.begin(), entropies.end());
  std::mt19937_64 random(2);
  std::normal_distribution<double> normal;
  std::vector<double> coefficients(log_probs.size());
  for (double& coefficient : coefficients) coefficient = normal(random);
  {
    const c10::InferenceMode normal_mode(false);  // as a trainer's, which are older than its steps
    for (const NamedParameter& parameter : policy.parameters())
      result.gradients.push_back(at::zeros_like(parameter.tensor));
  }
  pass->Backward(coefficients, result.gradients);
  return result;
}

void Disturb(Policy& policy) {
  std::mt19937_64 random(5);
  std::normal_distribution<float> normal(0.0F, 0.02F);
  for (const NamedParameter& parameter : policy.parameters()) {
    at::Tensor tensor = parameter.tensor;
    float* const values = tensor.mutable_data_ptr<float>();
    for (int64_t i = 0; i < tensor.numel(); ++i) values[i] += normal(random);
  }
  policy.OnParametersChanged();
}

// By model, and whether adapters are trained.
class ComposedPolicyTest : public testing::TestWithParam<std::tuple<std::string, bool>> {
 protected:
  ComposedPolicyTest() : directory_(ModelDirectory::Open(std::get<0>(GetParam())).value()) {
    PrepareComputingThread();  // as the learner does
  }

  std::unique_ptr<LanguageModelPolicy> Make(bool composed, bool bfloat16) const {
    LanguageModelPolicyOptions options;
    options.bfloat16 = bfloat16;
    options.threads = 1;
    options.composed = composed;
    if (std::get<1>(GetParam())) options.lora = LoraSpec{.rank = 5, .alpha = 8.0, .seed = 11};
    return MakeLanguageModelPolicy(*directory_, options).value();
  }

  std::unique_ptr<ModelDirectory> directory_;
};

TEST_P(ComposedPolicyTest, LogProbsAndGradientsAreThoseOfTheKernels) {
  const auto expected_policy = Make(false, false);
  const auto policy = Make(true, false);
  Disturb(*expected_policy);
  Disturb(*policy);
  const PrefixTree tree = MakeTree(policy->vocabulary_size());
  const Result expected = Compute(*expected_policy, tree);
  const Result actual = Compute(*policy, tree);
  ASSERT_EQ(actual.log_probs.size(), expected.log_probs.size());
  for (size_t e = 0; e < expected.log_probs.size(); ++e)
    EXPECT_NEAR(actual.log_probs[e], expected.log_probs[e], 1e-5);
  ASSERT_EQ(actual.entropies.size(), tree.scored.size());
  for (size_t e = 0; e < expected.entropies.size(); ++e)
    EXPECT_NEAR(actual.entropies[e], expected.entropies[e], 1e-5);
  double whole = 0.0;
  for (const at::Tensor& gradient : expected.gradients)
    whole = std::max(whole, gradient.norm().item<double>());
  ASSERT_EQ(actual.gradients.size(), expected.gradients.size());
  for (size_t p = 0; p < expected.gradients.size(); ++p) {
    ASSERT_EQ(policy->parameters()[p].name, expected_policy->parameters()[p].name);
    // Some are zero but for rounding (a bias of keys): a share of the whole is what counts then.
    const double norm = expected.gradients[p].norm().item<double>();
    EXPECT_LT((actual.gradients[p] - expected.gradients[p]).norm().item<double>(),
              1e-5 * norm + 1e-7 * whole)
        << policy->parameters()[p].name;
  }
}

TEST_P(ComposedPolicyTest, InBfloat16LogProbsAndGradientsAreNearFloat32) {
  const auto exact_policy = Make(false, false);
  const auto policy = Make(true, true);
  Disturb(*exact_policy);
  Disturb(*policy);
  const PrefixTree tree = MakeTree(policy->vocabulary_size());
  const Result exact = Compute(*exact_policy, tree);
  const Result rounded = Compute(*policy, tree);
  double difference = 0.0;
  for (size_t e = 0; e < exact.log_probs.size(); ++e)
    difference += std::abs(rounded.log_probs[e] - exact.log_probs[e]);
  EXPECT_LT(difference / static_cast<double>(exact.log_probs.size()), 0.02);
  for (size_t p = 0; p < exact.gradients.size(); ++p) {
    if (policy->parameters()[p].name.find("k_proj.bias") != std::string::npos) continue;
    EXPECT_GT(at::cosine_similarity(exact.gradients[p].flatten(), rounded.gradients[p].flatten(), 0)
                  .item<double>(),
              0.99)
        << policy->parameters()[p].name;
  }
}

TEST_P(ComposedPolicyTest, SnapshotsAreThoseOfTheKernels) {
  for (const bool bfloat16 : {false, true}) {
    const auto expected_policy = Make(false, bfloat16);
    const auto policy = Make(true, bfloat16);
    Disturb(*expected_policy);
    Disturb(*policy);
    const TensorBundle expected = expected_policy->Snapshot().value();
    const TensorBundle actual = policy->Snapshot().value();
    ASSERT_EQ(actual.tensors().size(), expected.tensors().size());
    for (size_t i = 0; i < expected.tensors().size(); ++i) {
      const TensorSpec& spec = expected.tensors()[i];
      EXPECT_EQ(actual.tensors()[i].name, spec.name);
      EXPECT_EQ(actual.tensors()[i].type, spec.type);
      EXPECT_EQ(actual.tensors()[i].shape, spec.shape);
      EXPECT_TRUE(actual.bytes(actual.tensors()[i]) == expected.bytes(spec)) << spec.name;
    }
  }
}

// The learner's loop is in inference mode.
TEST_P(ComposedPolicyTest, TrainsInInferenceMode) {
  for (const bool bfloat16 : {false, true}) {
    const auto policy = Make(true, bfloat16);
    const PrefixTree tree = MakeTree(policy->vocabulary_size());
    Result before;
    Result after;
    {
      const c10::InferenceMode inference;
      before = Compute(*policy, tree);
      Disturb(*policy);
      after = Compute(*policy, tree);
    }
    EXPECT_NE(before.log_probs, after.log_probs);
    EXPECT_EQ(Compute(*policy, tree).log_probs, after.log_probs);
  }
}

TEST_P(ComposedPolicyTest, TheReferenceHasTheBitsOfThePolicyBeforeTraining) {
  for (const auto& [composed, bfloat16] :
       {std::pair(true, false), std::pair(true, true), std::pair(false, true)}) {
    const auto policy = Make(composed, bfloat16);
    const ReferenceLogProbs reference =
        MakeReference(*directory_, {.bfloat16 = bfloat16, .composed = composed});
    const PrefixTree tree = MakeTree(policy->vocabulary_size());
    const std::vector<double> log_probs = Compute(*policy, tree).log_probs;
    const auto actual = reference(tree, kTemperature);
    EXPECT_EQ(std::vector<double>(actual.begin(), actual.end()), log_probs);
    Disturb(*policy);
    const auto again = reference(tree, kTemperature);
    EXPECT_EQ(std::vector<double>(again.begin(), again.end()), log_probs);
  }
}

TEST_P(ComposedPolicyTest, SaysWhatItIs) {
  EXPECT_NE(Make(true, true)->description().find("bfloat16 cpu composed"), std::string::npos);
}

INSTANTIATE_TEST_SUITE_P(Models, ComposedPolicyTest,
                         testing::Combine(testing::ValuesIn(GoldenModels()), testing::Bool()),
                         [](const auto& parameter) {
                           return CaseName(std::get<0>(parameter.param)) +
                                  (std::get<1>(parameter.param) ? "_lora" : "");
                         });

class ComposedPolicyMemoryTest : public testing::Test {
 protected:
  ComposedPolicyMemoryTest() { PrepareComputingThread(); }
};

// A vocabulary beside which all else is small.
std::unique_ptr<LanguageModelPolicy> WideHead(int head_rows) {
  LanguageModelConfig config = SmallConfig();
  std::string json = SmallConfigJson();
  const std::string old_size = "\"vocab_size\": " + std::to_string(config.vocab_size);
  EXPECT_NE(json.find(old_size), std::string::npos);
  json.replace(json.find(old_size), old_size.size(), "\"vocab_size\": 20000");
  config.vocab_size = 20000;
  const std::string path =
      WriteModel(testing::TempDir() + "/wide_head", json, RandomWeights(config, 3));
  const auto directory = ModelDirectory::Open(path).value();
  return MakeLanguageModelPolicy(*directory,
                                 {.bfloat16 = false, .composed = true, .head_rows = head_rows})
      .value();
}

TEST_F(ComposedPolicyMemoryTest, NothingHasTheSizeOfTokensTimesVocabulary) {
  const auto policy = WideHead(8);
  const PrefixTree tree = MakeTree(policy->vocabulary_size());
  ASSERT_GT(tree.nodes.size(), 100);
  RecordingAllocator& allocator = RecordingAllocator::Get();
  std::vector<at::Tensor> gradients;
  for (const NamedParameter& parameter : policy->parameters())
    gradients.push_back(at::zeros_like(parameter.tensor));
  const auto pass = policy->NewPass();
  allocator.Begin();
  pass->Forward(tree, 1.0);
  pass->Backward(std::vector<double>(tree.scored.size(), 1.0), gradients);
  const size_t logits_of_a_chunk = size_t{8} * 20000 * sizeof(float);
  EXPECT_GE(allocator.largest(), logits_of_a_chunk);
  EXPECT_LE(allocator.largest(), 2 * logits_of_a_chunk);
  EXPECT_LE(allocator.most(), 8 * logits_of_a_chunk);
  EXPECT_LT(allocator.most(), tree.scored.size() * 20000 * sizeof(float) / 2);
}

TEST_F(ComposedPolicyMemoryTest, ChunksOfTheHeadChangeRoundingOnly) {
  const auto whole = WideHead(0);
  const auto chunked = WideHead(7);
  const PrefixTree tree = MakeTree(whole->vocabulary_size());
  const Result expected = Compute(*whole, tree);
  const Result actual = Compute(*chunked, tree);
  for (size_t e = 0; e < expected.log_probs.size(); ++e)
    EXPECT_NEAR(actual.log_probs[e], expected.log_probs[e], 1e-5);
  for (size_t p = 0; p < expected.gradients.size(); ++p) {
    EXPECT_LT((actual.gradients[p] - expected.gradients[p]).norm().item<double>(),
              1e-5 * expected.gradients[p].norm().item<double>())
        << whole->parameters()[p].name;
  }
}

// Layers are forwarded again for their gradients: one layer's intermediates exist at a time.
TEST_F(ComposedPolicyMemoryTest, ActivationsOfOneLayerExistAtATime) {
  const auto peak_of = [](int layers) {
    LanguageModelConfig config = SmallConfig();
    std::string json = SmallConfigJson();
    const std::string old_layers = "\"num_hidden_layers\": " + std::to_string(config.layers);
    EXPECT_NE(json.find(old_layers), std::string::npos);
    json.replace(json.find(old_layers), old_layers.size(),
                 "\"num_hidden_layers\": " + std::to_string(layers));
    config.layers = layers;
    const std::string path = WriteModel(testing::TempDir() + "/deep_" + std::to_string(layers),
                                        json, RandomWeights(config, 3));
    const auto directory = ModelDirectory::Open(path).value();
    const auto policy =
        MakeLanguageModelPolicy(*directory, {.bfloat16 = false, .composed = true}).value();
    const PrefixTree tree = MakeTree(policy->vocabulary_size(), 40);
    std::vector<at::Tensor> gradients;
    for (const NamedParameter& parameter : policy->parameters())
      gradients.push_back(at::zeros_like(parameter.tensor));
    const auto pass = policy->NewPass();
    RecordingAllocator::Get().Begin();
    pass->Forward(tree, 1.0);
    pass->Backward(std::vector<double>(tree.scored.size(), 1.0), gradients);
    return std::pair(RecordingAllocator::Get().most(),
                     static_cast<size_t>(tree.nodes.size()) * config.hidden_size * sizeof(float));
  };
  const auto [shallow, input] = peak_of(2);
  const auto [deep, same_input] = peak_of(12);
  ASSERT_EQ(input, same_input);
  EXPECT_LE(deep, shallow + 11 * input);  // a layer more keeps its input
}

}  // namespace
}  // namespace tpo
