// What the generation engine records for a token is what training computes for it, bit by bit.
#include <gtest/gtest.h>

#include <random>
#include <string>
#include <vector>

#include <ATen/ATen.h>

#include "policy/language_model_policy.h"
#include "rollout/generation_engine.h"
#include "tests/policy/hugging_face/golden_tensors.h"

namespace tpo {
namespace {

class SampledLogProbsTest : public testing::TestWithParam<bool> {};

// Prompts that begin alike, one of them the beginning of another, and completions that do, because
// the temperature is low: the tree's chains are others than the engine's runs.
TEST_P(SampledLogProbsTest, AreThoseOfTraining) {
  for (const std::string& path : GoldenModels()) {
    const auto directory = ModelDirectory::Open(path).value();
    const auto policy =
        MakeLanguageModelPolicy(*directory, {.bfloat16 = GetParam(), .threads = 2}).value();
    for (const NamedParameter& parameter : policy->parameters()) {
      at::Tensor tensor = parameter.tensor;
      tensor.mul_(1.003);
    }
    policy->OnParametersChanged();
    const TensorBundle snapshot = policy->Snapshot().value();
    const auto model = LanguageModel::Create(policy->config(), BundleSource(snapshot), GetParam());

    std::mt19937_64 random(3);
    std::vector<GenerationRequest> requests;
    std::vector<TokenId> prompt = {1, 7, 7};
    for (uint64_t id = 0; id < 4; ++id) {
      GenerationRequest request;
      request.prompt_id = id;
      while (prompt.size() < 11 + id * 9) prompt.push_back(static_cast<TokenId>(random() % 200));
      request.prompt = prompt;
      if (id == 3) request.prompt[20] = 3;
      request.completions = 6;
      request.max_tokens = 25;
      request.sampling.temperature = 0.4;
      requests.push_back(std::move(request));
    }
    GenerationEngine engine({.seed = 5, .threads = 1, .cache_bytes = 8 << 20}, model, 0);
    const auto groups = engine.Generate(requests).value();

    std::vector<TreeSequence> sequences;
    std::vector<const Completion*> completions;
    for (size_t g = 0; g < groups.size(); ++g) {
      for (const Completion& completion : groups[g]) {
        sequences.push_back({requests[g].prompt, completion.tokens, {}});
        completions.push_back(&completion);
      }
    }
    const PrefixTree tree = BuildPrefixTree(sequences, policy->max_positions());
    EXPECT_LT(tree.nodes.size(), 4 * 11 + 27 * 4 + 24 * 25);  // beginnings are shared
    const auto pass = policy->NewPass();
    const auto log_probs = pass->Forward(tree, 0.4);
    for (size_t s = 0; s < sequences.size(); ++s) {
      for (size_t i = 0; i < completions[s]->tokens.size(); ++i) {
        ASSERT_EQ(static_cast<float>(log_probs[tree.sequence_scored[s][i]]),
                  completions[s]->behavior_log_probs[i])
            << path << " sequence " << s << " token " << i;
      }
    }
  }
}

INSTANTIATE_TEST_SUITE_P(Types, SampledLogProbsTest, testing::Bool(), [](const auto& parameter) {
  return parameter.param ? "bfloat16" : "float32";
});

}  // namespace
}  // namespace tpo
