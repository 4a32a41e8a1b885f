#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <memory>
#include <random>
#include <vector>

#include "policy/language_model/language_model.h"
#include "tests/policy/hugging_face/model_fixture.h"
#include "tests/policy/language_model/whole_sequence.h"

namespace tpo {
namespace {

std::shared_ptr<const LanguageModel> MakeModel(bool bfloat16,
                                               const LanguageLoops* loops = nullptr) {
  const TensorBundle weights = RandomWeights(SmallConfig(), 1);
  return LanguageModel::Create(
      SmallConfig(),
      [&](const std::string& name) {
        const TensorSpec* const spec = weights.Find(name);
        const auto bytes = weights.bytes(*spec);
        return SafetensorsView{*spec, {reinterpret_cast<const char*>(bytes.data()), bytes.size()}};
      },
      bfloat16, loops);
}

std::vector<TokenId> RandomTokens(int count, int seed = 5) {
  std::mt19937 random(seed);
  std::vector<TokenId> tokens;
  for (int i = 0; i < count; ++i) tokens.push_back(static_cast<TokenId>(random() % 77));
  return tokens;
}

class LanguageModelTest : public testing::TestWithParam<bool> {
 protected:
  const std::shared_ptr<const LanguageModel> model_ = MakeModel(GetParam());
};

// The rest of the system relies on this: sampled alone, in a batch, or trained on, a token has the
// same log-prob to the last bit.
TEST_P(LanguageModelTest, ARowDoesNotDependOnTheOthersNorOnThreads) {
  const auto tokens = RandomTokens(50);
  const auto together = LogitsOf(model_, tokens);
  EXPECT_EQ(LogitsOf(model_, tokens, 3), together);

  ThreadTeam team(2);
  KeyValueCache cache(model_->config(), model_->bfloat16(), 4);
  std::vector<int32_t> pages;
  while (cache.free_pages() > 0) pages.push_back(cache.Take());
  const auto pass = LanguageModelPass::Create(model_, &team);
  for (size_t i = 0; i < tokens.size(); ++i) {
    const VisiblePages visible = {pages.data(), static_cast<int>(i) + 1};
    const LanguageModelRow row = {tokens[i], static_cast<int>(i), {&visible, 1}};
    const int wanted = 0;
    const auto logits = pass->Forward({&row, 1}, {&wanted, 1}, cache);
    ASSERT_EQ(std::vector<float>(logits.begin(), logits.begin() + 77), together[i]) << i;
  }
}

TEST_P(LanguageModelTest, SequencesCanShareTheirBeginning) {
  const auto prompt = RandomTokens(21);
  const std::vector<TokenId> answers[2] = {RandomTokens(5, 6), RandomTokens(5, 7)};
  ThreadTeam team(1);
  KeyValueCache cache(model_->config(), model_->bfloat16(), 4);
  const std::vector<int32_t> prompt_pages = {cache.Take(), cache.Take()};
  const std::vector<int32_t> answer_pages = {cache.Take(), cache.Take()};
  // All in one pass: the prompt once, and both answers below it.
  std::vector<std::vector<VisiblePages>> visible;
  std::vector<LanguageModelRow> rows;
  for (int i = 0; i < 21; ++i) visible.push_back({{prompt_pages.data(), i + 1}});
  for (int a = 0; a < 2; ++a) {
    for (int i = 0; i < 5; ++i)
      visible.push_back({{prompt_pages.data(), 21}, {&answer_pages[a], i + 1}});
  }
  for (int i = 0; i < 21; ++i) rows.push_back({prompt[i], i, visible[i]});
  for (int i = 0; i < 10; ++i) rows.push_back({answers[i / 5][i % 5], 21 + i % 5, visible[21 + i]});
  const std::vector<int> wanted = {25, 30};
  const auto pass = LanguageModelPass::Create(model_, &team);
  const auto logits = pass->Forward(rows, wanted, cache);
  for (int a = 0; a < 2; ++a) {
    auto whole = prompt;
    whole.insert(whole.end(), answers[a].begin(), answers[a].end());
    const auto expected = LogitsOf(model_, whole).back();
    for (int token = 0; token < 77; ++token) {
      // Another order of the sums over positions.
      EXPECT_NEAR(logits[a * pass->logits_stride() + token], expected[token], 2e-5);
    }
  }
}

// More rows than are scored at a time, several tokens after one row, rows that aren't scored.
TEST_P(LanguageModelTest, ScoresAreTheLogProbsOfTheLogits) {
  const auto tokens = RandomTokens(150);
  const auto logits = LogitsOf(model_, tokens);
  ThreadTeam team(2);
  KeyValueCache cache(model_->config(), model_->bfloat16(), 10);
  std::vector<int32_t> pages;
  while (cache.free_pages() > 0) pages.push_back(cache.Take());
  std::vector<VisiblePages> visible;
  for (int i = 0; i < 150; ++i) visible.push_back({pages.data(), i + 1});
  std::vector<LanguageModelRow> rows;
  for (int i = 0; i < 150; ++i) rows.push_back({tokens[i], i, {&visible[i], 1}});
  std::vector<ScoredRow> scored;
  for (int i = 3; i < 150; ++i) {
    scored.push_back({i, i % 77});
    if (i % 5 == 0) scored.push_back({i, 76});
  }
  std::vector<double> log_probs(scored.size());
  LanguageModelPass::Create(model_, &team)
      ->Score(rows, scored, 0.7, cache, absl::MakeSpan(log_probs));
  for (size_t e = 0; e < scored.size(); ++e) {
    EXPECT_NEAR(log_probs[e], LogSoftmax(logits[scored[e].row], 0.7)[scored[e].token], 1e-6);
  }
}

TEST_P(LanguageModelTest, AllInstructionSetsAgree) {
  const auto tokens = RandomTokens(40);
  const auto expected = LogitsOf(model_, tokens);
  std::vector<const LanguageLoops*> all = {&language_loops_baseline::kLoops};
  if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma"))
    all.push_back(&language_loops_avx2::kLoops);
  if (__builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512dq"))
    all.push_back(&language_loops_avx512::kLoops);
  for (const LanguageLoops* const loops : all) {
    const auto logits = LogitsOf(MakeModel(GetParam(), loops), tokens);
    for (size_t i = 0; i < tokens.size(); ++i) {
      for (int token = 0; token < 77; ++token) {
        // bfloat16 inputs of products may round the other way.
        ASSERT_NEAR(logits[i][token], expected[i][token], GetParam() ? 0.1 : 1e-4) << loops->name;
      }
    }
  }
}

INSTANTIATE_TEST_SUITE_P(Types, LanguageModelTest, testing::Bool(), [](const auto& parameter) {
  return parameter.param ? "bfloat16" : "float32";
});

TEST(LanguageModelDescriptionTest, DescribesItself) {
  EXPECT_THAT(MakeModel(true)->description(),
              testing::MatchesRegex("qwen3 0\\.0 M parameters bfloat16 cpu .*"));
}

}  // namespace
}  // namespace tpo
