// Backward passes of models whose every size is odd, on every instruction set that the processor
// has.
#include "policy/language_model/trainable_language_model.h"

#include <gtest/gtest.h>

#include <cmath>
#include <cstring>
#include <map>
#include <string>
#include <vector>

#include "tests/policy/hugging_face/model_fixture.h"

namespace tpo {
namespace {

using Tensors = std::map<std::string, std::vector<float>>;

// Biases wherever a model may have them, an untied head, no group of heads, 3 · 22 inner units.
LanguageModelConfig BiasedConfig() {
  return ParseLanguageModelConfig(R"({
    "model_type": "llama", "vocab_size": 2100, "hidden_size": 38, "num_hidden_layers": 2,
    "num_attention_heads": 5, "num_key_value_heads": 1, "head_dim": 6, "intermediate_size": 66,
    "max_position_embeddings": 128, "rms_norm_eps": 1e-5, "rope_theta": 10000.0,
    "attention_bias": true, "mlp_bias": true})")
      .value();
}

Tensors RandomParameters(const LanguageModelConfig& config) {
  Tensors tensors;
  const TensorBundle weights = RandomWeights(config, 3);
  for (const TensorSpec& spec : weights.tensors()) {
    std::vector<float>& values = tensors[spec.name];
    values.resize(weights.bytes(spec).size() / sizeof(float));
    std::memcpy(values.data(), weights.bytes(spec).data(), weights.bytes(spec).size());
  }
  return tensors;
}

struct Gradient {
  std::vector<double> log_probs;
  double objective = 0.0;
  Tensors tensors;
};

// Two groups whose completions branch in the midst of pages.
PrefixTree Tree(const LanguageModelConfig& config) {
  std::vector<std::vector<TokenId>> prompts;
  std::vector<std::vector<TokenId>> completions;
  for (int s = 0; s < 6; ++s) {
    prompts.emplace_back();
    for (int i = 0; i < 19 + s / 3; ++i)
      prompts.back().push_back((i * 7 + s / 3 * (i > 4 ? 5 : 0)) % config.vocab_size);
    completions.emplace_back();
    for (int i = 0; i < 23 - s; ++i)
      completions.back().push_back((i * 31 + (i > 3 * s ? s : 0)) % config.vocab_size);
  }
  std::vector<TreeSequence> sequences;
  for (int s = 0; s < 6; ++s) sequences.push_back({prompts[s], completions[s], {}});
  return BuildPrefixTree(sequences, config.max_positions);
}

Gradient Compute(const LanguageModelConfig& config, const Tensors& parameters, bool bfloat16,
                 const LanguageLoops& loops, bool backward = true) {
  const auto model = TrainableLanguageModel::Create(config, bfloat16, 2, std::nullopt, &loops);
  model->SetParameters([&](const std::string& name) { return parameters.at(name).data(); });
  const PrefixTree tree = Tree(config);
  KeptForward kept;
  model->Forward(tree, 0.8, &kept);
  Gradient gradient;
  gradient.log_probs = kept.log_probs;
  std::vector<double> coefficients;
  for (size_t e = 0; e < tree.scored.size(); ++e) {
    coefficients.push_back(0.1 * static_cast<double>(e % 7) - 0.25);
    gradient.objective += coefficients.back() * kept.log_probs[e];
  }
  if (!backward) return gradient;
  for (const auto& [name, values] : parameters) gradient.tensors[name].resize(values.size());
  model->Backward(coefficients, kept,
                  [&](const std::string& name) { return gradient.tensors.at(name).data(); });
  return gradient;
}

double Dot(const std::vector<float>& a, const std::vector<float>& b) {
  double sum = 0.0;
  for (size_t i = 0; i < a.size(); ++i) sum += double{a[i]} * b[i];
  return sum;
}

class TrainableLanguageModelTest : public testing::TestWithParam<bool> {
 protected:
  const LanguageModelConfig config_ = GetParam() ? BiasedConfig() : SmallConfig();
  const Tensors parameters_ = RandomParameters(config_);
};

TEST_P(TrainableLanguageModelTest, GradientsAreFiniteDifferences) {
  const LanguageLoops& loops = BestLanguageLoops();
  const Gradient gradient = Compute(config_, parameters_, false, loops);
  for (const auto& [name, slopes] : gradient.tensors) {
    const double norm = std::sqrt(Dot(slopes, slopes));
    ASSERT_GT(norm, 0.0) << name;
    // Along the gradient, as far as rounding and curvature allow.
    const double step = 0.01 / norm;
    double objectives[2];
    for (const int side : {0, 1}) {
      Tensors moved = parameters_;
      for (size_t i = 0; i < slopes.size(); ++i)
        moved[name][i] += static_cast<float>((side == 0 ? -step : step) * slopes[i] / norm);
      objectives[side] = Compute(config_, moved, false, loops, false).objective;
    }
    EXPECT_NEAR((objectives[1] - objectives[0]) / (2.0 * step), norm, 0.01 * norm) << name;
  }
}

TEST_P(TrainableLanguageModelTest, EveryInstructionSetGivesTheSameGradients) {
  const Gradient exact = Compute(config_, parameters_, false, BestLanguageLoops());
  for (const LanguageLoops* const loops : SupportedLanguageLoops()) {
    for (const bool bfloat16 : {false, true}) {
      const Gradient gradient = Compute(config_, parameters_, bfloat16, *loops);
      for (size_t e = 0; e < exact.log_probs.size(); ++e) {
        EXPECT_NEAR(gradient.log_probs[e], exact.log_probs[e], bfloat16 ? 0.3 : 1e-4)
            << loops->name;
      }
      for (const auto& [name, slopes] : gradient.tensors) {
        const std::vector<float>& expected = exact.tensors.at(name);
        const double cosine =
            Dot(slopes, expected) / std::sqrt(Dot(slopes, slopes) * Dot(expected, expected));
        EXPECT_GT(cosine, bfloat16 ? 0.98 : 0.999999) << loops->name << " " << name;
      }
    }
  }
}

INSTANTIATE_TEST_SUITE_P(Configs, TrainableLanguageModelTest, testing::Bool(),
                         [](const auto& parameter) {
                           return parameter.param ? "llama_with_biases" : "qwen3";
                         });

TEST(TrainableLanguageModelScoringTest, ATreeThatScoresNothingHasNoGradient) {
  const LanguageModelConfig config = SmallConfig();
  const Tensors parameters = RandomParameters(config);
  const auto model = TrainableLanguageModel::Create(config, true, 2);
  model->SetParameters([&](const std::string& name) { return parameters.at(name).data(); });
  const std::vector<TokenId> prompt = {1, 2, 3};
  const PrefixTree tree =
      BuildPrefixTree(std::vector<TreeSequence>{{prompt, {}, {}}}, config.max_positions);
  KeptForward kept;
  model->Forward(tree, 1.0, &kept);
  EXPECT_TRUE(kept.log_probs.empty());
  Tensors gradients;
  for (const auto& [name, values] : parameters) gradients[name].resize(values.size());
  model->Backward({}, kept, [&](const std::string& name) { return gradients.at(name).data(); });
  for (const auto& [name, slopes] : gradients) EXPECT_EQ(Dot(slopes, slopes), 0.0) << name;
}

}  // namespace
}  // namespace tpo
