// Language models against transformers: every case of golden/hf.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <string>
#include <vector>

#include "policy/hugging_face/model_directory.h"
#include "policy/language_model/language_model.h"
#include "tests/policy/hugging_face/golden_tensors.h"
#include "tests/policy/language_model/whole_sequence.h"

namespace tpo {
namespace {

class LanguageModelGoldenTest : public testing::TestWithParam<std::string> {
 protected:
  LanguageModelGoldenTest()
      : directory_(ModelDirectory::Open(GetParam()).value()),
        golden_(ReadGoldenTensors(GetParam() + "/golden.safetensors")) {}

  std::shared_ptr<const LanguageModel> Model(bool bfloat16) const {
    return LanguageModel::Create(*directory_, bfloat16);
  }

  // The tokens of a row that aren't padding, and the first one's column.
  std::vector<TokenId> TokensOf(const std::string& ids, const std::string& mask, int row,
                                int* first = nullptr) const {
    std::vector<TokenId> tokens;
    const int columns = static_cast<int>(golden_.at(ids).shape[1]);
    for (int column = 0; column < columns; ++column) {
      if (golden_.at(mask).At(row)[column] == 0.0F) continue;
      if (tokens.empty() && first != nullptr) *first = column;
      tokens.push_back(static_cast<TokenId>(golden_.at(ids).At(row)[column]));
    }
    return tokens;
  }

  const GoldenTensor& golden(const std::string& name) const { return golden_.at(name); }

  std::unique_ptr<ModelDirectory> directory_;

 private:
  std::map<std::string, GoldenTensor> golden_;
};

TEST_P(LanguageModelGoldenTest, LogitsAreTransformers) {
  const auto model = Model(false);
  const int columns = static_cast<int>(golden("fwd.input_ids").shape[1]);
  for (int row = 0; row < golden("fwd.input_ids").shape[0]; ++row) {
    int first = 0;
    const auto logits =
        LogitsOf(model, TokensOf("fwd.input_ids", "fwd.attention_mask", row, &first), 2);
    for (int column = row == 0 ? 0 : columns - 8; column < columns; ++column) {
      const float* const expected = row == 0
                                        ? golden("fwd.logits_row0").At(column)
                                        : golden("fwd.logits_last8").At(row, column - columns + 8);
      for (size_t token = 0; token < logits[0].size(); ++token) {
        ASSERT_NEAR(logits[column - first][token], expected[token], 2e-5)
            << "row " << row << " column " << column << " token " << token;
      }
    }
  }
}

TEST_P(LanguageModelGoldenTest, LogProbsAndEntropiesAreTransformers) {
  const auto model = Model(false);
  for (int row = 0; row < golden("fwd.input_ids").shape[0]; ++row) {
    int first = 0;
    const auto tokens = TokensOf("fwd.input_ids", "fwd.attention_mask", row, &first);
    const auto logits = LogitsOf(model, tokens);
    for (size_t i = 0; i < tokens.size(); ++i) {
      if (i + 1 < tokens.size()) {
        EXPECT_NEAR(LogSoftmax(logits[i])[tokens[i + 1]], golden("fwd.logprobs").At(row)[first + i],
                    1e-5);
      }
      for (const auto& [temperature, name] :
           {std::pair(0.6, "fwd.entropy_T0.6"), std::pair(1.0, "fwd.entropy_T1.0")}) {
        double entropy = 0.0;
        for (const double p : LogSoftmax(logits[i], temperature)) entropy -= std::exp(p) * p;
        EXPECT_NEAR(entropy, golden(name).At(row)[first + i], 2e-5) << name;
      }
    }
  }
}

// As far from float32 as transformers' own bfloat16 is, or nearer: between the products we round
// less.
TEST_P(LanguageModelGoldenTest, Bfloat16IsAsGoodAsTransformers) {
  const auto model = Model(true);
  double ours = 0.0;
  double theirs = 0.0;
  for (int row = 0; row < golden("fwd.input_ids").shape[0]; ++row) {
    int first = 0;
    const auto tokens = TokensOf("fwd.input_ids", "fwd.attention_mask", row, &first);
    const auto logits = LogitsOf(model, tokens);
    for (size_t i = 0; i + 1 < tokens.size(); ++i) {
      const float exact = golden("fwd.logprobs").At(row)[first + i];
      ours += std::abs(LogSoftmax(logits[i])[tokens[i + 1]] - exact);
      theirs += std::abs(golden("fwd.logprobs_bf16").At(row)[first + i] - exact);
    }
  }
  EXPECT_GT(ours, 0.0);
  EXPECT_LE(ours, theirs);
}

TEST_P(LanguageModelGoldenTest, CompletionsHaveTransformersLogProbs) {
  const auto model = Model(false);
  for (int row = 0; row < golden("tpo.completion_ids").shape[0]; ++row) {
    auto tokens = TokensOf("tpo.prompt_ids", "tpo.prompt_mask", row);
    const auto completion = TokensOf("tpo.completion_ids", "tpo.completion_mask", row);
    const size_t prompt = tokens.size();
    tokens.insert(tokens.end(), completion.begin(), completion.end());
    const auto logits = LogitsOf(model, tokens);
    for (size_t i = 0; i < completion.size(); ++i) {
      EXPECT_NEAR(LogSoftmax(logits[prompt + i - 1])[completion[i]], golden("tpo.logps").At(row)[i],
                  1e-5);
    }
  }
}

INSTANTIATE_TEST_SUITE_P(Models, LanguageModelGoldenTest, testing::ValuesIn(GoldenModels()),
                         [](const auto& parameter) { return CaseName(parameter.param); });

}  // namespace
}  // namespace tpo
