#include "policy/hugging_face/model_config.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <string>

#include "nlohmann/json.hpp"

namespace tpo {
namespace {

using testing::HasSubstr;

// A Llama config with `more` fields, which replace those of the same name.
std::string Config(const std::string& more) {
  auto json = nlohmann::json::parse(
      R"({"model_type": "llama", "vocab_size": 100, "hidden_size": 64, "num_hidden_layers": 2,
          "num_attention_heads": 4, "num_key_value_heads": 2, "intermediate_size": 96,
          "max_position_embeddings": 512, "rms_norm_eps": 1e-5})");
  json.update(nlohmann::json::parse("{" + more + "}"));
  return json.dump();
}

LanguageModelConfig Parse(const std::string& more) {
  const auto config = ParseLanguageModelConfig(Config(more));
  EXPECT_TRUE(config.ok()) << config.status();
  return config.ok() ? *config : LanguageModelConfig();
}

std::string ErrorOf(const std::string& more) {
  const auto config = ParseLanguageModelConfig(Config(more));
  EXPECT_EQ(config.status().code(), absl::StatusCode::kInvalidArgument) << more;
  return std::string(config.status().message());
}

TEST(ModelConfigTest, FillsInWhatAConfigLeavesOut) {
  const LanguageModelConfig config = Parse("");
  EXPECT_EQ(config.head_dim, 16);
  EXPECT_EQ(config.rope_theta, 10000.0);
  EXPECT_FALSE(config.tied_head);
  EXPECT_TRUE(config.end_tokens.empty());
  EXPECT_EQ(Parse(R"("num_key_value_heads": null)").key_value_heads, 4);
}

TEST(ModelConfigTest, ReadsRopeOfOldAndNewConfigs) {
  EXPECT_EQ(Parse(R"("rope_theta": 5e5)").rope_theta, 5e5);
  EXPECT_EQ(Parse(R"("rope_parameters": {"rope_theta": 5e5, "rope_type": "default"})").rope_theta,
            5e5);
  const RopeScaling scaling = {8.0, 1.0, 4.0, 64.0};
  const std::string fields =
      R"("factor": 8.0, "low_freq_factor": 1.0, "high_freq_factor": 4.0,
         "original_max_position_embeddings": 64, "rope_type": "llama3")";
  EXPECT_EQ(Parse(R"("rope_theta": 5e5, "rope_scaling": {)" + fields + "}").rope_scaling, scaling);
  EXPECT_EQ(Parse(R"("rope_parameters": {"rope_theta": 5e5, )" + fields + "}").rope_scaling,
            scaling);
}

TEST(ModelConfigTest, KnowsWhichArchitectureHasWhichBiasesAndNorms) {
  EXPECT_FALSE(Parse("").query_key_value_bias);
  EXPECT_TRUE(Parse(R"("attention_bias": true)").output_bias);
  EXPECT_TRUE(Parse(R"("mlp_bias": true)").feed_forward_bias);
  const LanguageModelConfig qwen2 = Parse(R"("model_type": "qwen2")");
  EXPECT_TRUE(qwen2.query_key_value_bias);
  EXPECT_FALSE(qwen2.output_bias);
  const LanguageModelConfig qwen3 = Parse(R"("model_type": "qwen3")");
  EXPECT_TRUE(qwen3.query_key_norm);
  EXPECT_EQ(qwen3.head_dim, 128);
}

TEST(ModelConfigTest, ReadsEndTokens) {
  EXPECT_EQ(Parse(R"("eos_token_id": 7)").end_tokens, std::vector<TokenId>{7});
  EXPECT_EQ(Parse(R"("eos_token_id": [7, 9])").end_tokens, (std::vector<TokenId>{7, 9}));
  EXPECT_EQ(*ParseEndTokens(R"({"eos_token_id": [3]})"), std::vector<TokenId>{3});
  EXPECT_TRUE(ParseEndTokens("{}")->empty());
  EXPECT_FALSE(ParseEndTokens(R"({"eos_token_id": -3})").ok());
}

TEST(ModelConfigTest, RefusesByName) {
  EXPECT_THAT(ErrorOf(R"("model_type": "mistral")"), HasSubstr("model_type is 'mistral'"));
  EXPECT_THAT(ErrorOf(R"("vocab_size": -1)"), HasSubstr("vocab_size is -1"));
  EXPECT_THAT(ErrorOf(R"("vocab_size": null)"), HasSubstr("vocab_size is missing"));
  EXPECT_THAT(ErrorOf(R"("hidden_size": 1e30)"), HasSubstr("hidden_size"));
  EXPECT_THAT(ErrorOf(R"("num_hidden_layers": "2")"), HasSubstr("num_hidden_layers"));
  EXPECT_THAT(ErrorOf(R"("num_key_value_heads": 3)"), HasSubstr("num_key_value_heads is 3"));
  EXPECT_THAT(ErrorOf(R"("head_dim": 15)"), HasSubstr("head_dim is 15"));
  EXPECT_THAT(ErrorOf(R"("hidden_act": "gelu")"), HasSubstr("hidden_act is 'gelu'"));
  EXPECT_THAT(ErrorOf(R"("use_sliding_window": true)"), HasSubstr("use_sliding_window"));
  EXPECT_THAT(ErrorOf(R"("layer_types": ["full_attention", "sliding_attention"])"),
              HasSubstr("sliding_attention"));
  EXPECT_THAT(ErrorOf(R"("rope_scaling": {"rope_type": "yarn", "factor": 4})"),
              HasSubstr("'yarn'"));
  EXPECT_THAT(ErrorOf(R"("rope_scaling": {"type": "linear", "factor": 4})"), HasSubstr("'linear'"));
  EXPECT_THAT(ErrorOf(R"("rope_scaling": {"rope_type": "llama3", "factor": 8})"),
              HasSubstr("low_freq_factor is missing"));
  EXPECT_THAT(ErrorOf(R"("tie_word_embeddings": "yes")"), HasSubstr("tie_word_embeddings"));
  EXPECT_THAT(ErrorOf(R"("rms_norm_eps": 0)"), HasSubstr("rms_norm_eps"));
  EXPECT_THAT(ErrorOf(R"("eos_token_id": "x")"), HasSubstr("eos_token_id"));
  EXPECT_FALSE(ParseLanguageModelConfig("").ok());
  EXPECT_FALSE(ParseLanguageModelConfig("[1]").ok());
  EXPECT_THAT(std::string(ParseLanguageModelConfig(std::string(1'000'000, '[')).status().message()),
              HasSubstr("config.json: nested deeper than"));
  EXPECT_FALSE(ParseLanguageModelConfig(R"({"model_type": 3})").ok());
}

TEST(ModelConfigTest, Llama3StretchesOnlyTheSlowFrequencies) {
  const std::string fields =
      R"("rope_theta": 5e5, "rope_scaling": {"factor": 8.0, "low_freq_factor": 1.0,
         "high_freq_factor": 4.0, "original_max_position_embeddings": 64, "rope_type": "llama3"})";
  const auto plain = RotaryFrequencies(Parse(R"("rope_theta": 5e5)"));
  const auto scaled = RotaryFrequencies(Parse(fields));
  EXPECT_EQ(scaled.front(), plain.front());
  EXPECT_FLOAT_EQ(scaled.back(), plain.back() / 8.0F);
  for (size_t i = 0; i < plain.size(); ++i) {
    EXPECT_LE(scaled[i], plain[i]);
    EXPECT_GE(scaled[i], plain[i] / 8.0F * 0.999F);
  }
}

TEST(ModelConfigTest, ListsTheTensors) {
  std::vector<std::string> names;
  for (const auto& tensor : LanguageModelTensors(Parse(R"("model_type": "qwen2")")))
    names.push_back(tensor.name);
  EXPECT_THAT(names, testing::Contains("model.layers.1.self_attn.k_proj.bias"));
  EXPECT_THAT(names, testing::Not(testing::Contains("model.layers.1.self_attn.o_proj.bias")));
  EXPECT_EQ(names.back(), "lm_head.weight");
  // 2 · 100 · 64 + 2 · (2 · 64 · 64 + 2 · 32 · 64 + 3 · 96 · 64 + 2 · 64) + 64
  EXPECT_EQ(CountParameters(Parse("")), 12800 + 2 * (8192 + 4096 + 18432 + 128) + 64);
}

}  // namespace
}  // namespace tpo
