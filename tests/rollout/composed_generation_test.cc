// Generation with the composed form of language models, on the CPU: the golden cases, and the same
// tokens as with kernels of our own.
#include <gtest/gtest.h>

#include <cmath>
#include <map>
#include <memory>
#include <random>
#include <string>
#include <utility>
#include <vector>

#include "policy/composed/composed_language_model.h"
#include "policy/language_model_policy.h"
#include "policy/threads.h"
#include "rollout/generation_engine.h"
#include "rollout/language_model_sampler.h"
#include "tests/policy/hugging_face/golden_tensors.h"
#include "tests/policy/hugging_face/model_fixture.h"
#include "tests/policy/language_model/whole_sequence.h"

namespace tpo {
namespace {

std::shared_ptr<const LanguageModel> Make(bool composed, const LanguageModelConfig& config,
                                          const TensorSource& source, bool bfloat16 = false) {
  return LanguageModelFactoryFor(c10::DeviceType::CPU, composed)(config, source, bfloat16);
}

std::shared_ptr<const LanguageModel> MakeSmall(bool composed, uint64_t seed) {
  const TensorBundle weights = RandomWeights(SmallConfig(), seed);
  return Make(composed, SmallConfig(), BundleSource(weights));
}

// Prompts that begin alike and completions of different lengths, some of which end early.
std::vector<GenerationRequest> Requests(int vocabulary, float temperature) {
  std::mt19937_64 random(3);
  std::vector<GenerationRequest> requests;
  for (uint64_t id = 0; id < 6; ++id) {
    GenerationRequest request;
    request.prompt_id = id;
    request.prompt = {1, 7};
    while (request.prompt.size() < 2 + id * 11)
      request.prompt.push_back(static_cast<TokenId>(random() % vocabulary));
    request.completions = 1 + static_cast<int>(id % 4);
    request.max_tokens = 1 + static_cast<int>(id * 13 % 37);
    request.sampling.temperature = temperature;
    for (TokenId token = 2; token < vocabulary; token += 40) request.stop_tokens.push_back(token);
    requests.push_back(std::move(request));
  }
  return requests;
}

// The tokens are the same, their log-probs as near as `tolerance`.
void ExpectSame(const std::vector<std::vector<Completion>>& actual,
                const std::vector<std::vector<Completion>>& expected, double tolerance) {
  ASSERT_EQ(actual.size(), expected.size());
  for (size_t g = 0; g < expected.size(); ++g) {
    ASSERT_EQ(actual[g].size(), expected[g].size());
    for (size_t k = 0; k < expected[g].size(); ++k) {
      EXPECT_EQ(actual[g][k].tokens, expected[g][k].tokens);
      EXPECT_EQ(actual[g][k].finish_reason, expected[g][k].finish_reason);
      EXPECT_EQ(actual[g][k].weight_versions, expected[g][k].weight_versions);
      for (size_t t = 0; t < expected[g][k].tokens.size(); ++t) {
        EXPECT_NEAR(actual[g][k].behavior_log_probs[t], expected[g][k].behavior_log_probs[t],
                    tolerance);
      }
    }
  }
}

class ComposedGenerationTest : public testing::TestWithParam<std::string> {
 protected:
  ComposedGenerationTest() : directory_(ModelDirectory::Open(GetParam()).value()) {
    PrepareComputingThread();
  }

  std::shared_ptr<const LanguageModel> Model(bool composed, bool bfloat16 = false) const {
    return Make(
        composed, directory_->config(),
        [this](const std::string& name) { return directory_->tensor(name); }, bfloat16);
  }

  std::vector<std::vector<Completion>> Generate(GenerationEngine::Options options, bool composed,
                                                float temperature) const {
    options.seed = 9;
    options.threads = 1;
    GenerationEngine engine(std::move(options), Model(composed), 3);
    auto completions =
        engine.Generate(Requests(directory_->config().vocab_size, temperature)).value();
    EXPECT_EQ(engine.free_pages(), engine.pages());
    return completions;
  }

  const std::unique_ptr<ModelDirectory> directory_;
};

TEST_P(ComposedGenerationTest, LogProbsAreTransformers) {
  const auto golden = ReadGoldenTensors(GetParam() + "/golden.safetensors");
  const GoldenTensor& ids = golden.at("fwd.input_ids");
  const GoldenTensor& mask = golden.at("fwd.attention_mask");
  for (int row = 0; row < ids.shape[0]; ++row) {
    std::vector<TokenId> tokens;
    std::vector<int> columns;
    for (int column = 0; column < ids.shape[1]; ++column) {
      if (mask.At(row)[column] == 0.0F) continue;
      tokens.push_back(static_cast<TokenId>(ids.At(row)[column]));
      columns.push_back(column);
    }
    const auto logits = LogitsOf(Model(true), tokens);
    for (size_t i = 0; i + 1 < tokens.size(); ++i) {
      EXPECT_NEAR(LogSoftmax(logits[i])[tokens[i + 1]],
                  golden.at("fwd.logprobs").At(row)[columns[i]], 1e-5);
    }
  }
}

// About as far from float32 as transformers' own bfloat16 is: its products are LibTorch's too.
TEST_P(ComposedGenerationTest, Bfloat16IsAsGoodAsTransformers) {
  const auto golden = ReadGoldenTensors(GetParam() + "/golden.safetensors");
  const GoldenTensor& ids = golden.at("fwd.input_ids");
  const GoldenTensor& mask = golden.at("fwd.attention_mask");
  double ours = 0.0;
  double theirs = 0.0;
  for (int row = 0; row < ids.shape[0]; ++row) {
    std::vector<TokenId> tokens;
    std::vector<int> columns;
    for (int column = 0; column < ids.shape[1]; ++column) {
      if (mask.At(row)[column] == 0.0F) continue;
      tokens.push_back(static_cast<TokenId>(ids.At(row)[column]));
      columns.push_back(column);
    }
    const auto logits = LogitsOf(Model(true, true), tokens);
    for (size_t i = 0; i + 1 < tokens.size(); ++i) {
      const float exact = golden.at("fwd.logprobs").At(row)[columns[i]];
      ours += std::abs(LogSoftmax(logits[i])[tokens[i + 1]] - exact);
      theirs += std::abs(golden.at("fwd.logprobs_bf16").At(row)[columns[i]] - exact);
    }
  }
  EXPECT_GT(ours, 0.0);
  EXPECT_LE(ours, 1.1 * theirs);
}

TEST_P(ComposedGenerationTest, GreedyAndSampledTokensAreThoseOfTheKernels) {
  for (const float temperature : {0.0F, 1.0F, 0.6F}) {
    const auto expected = Generate({.cache_bytes = 8 << 20}, false, temperature);
    ExpectSame(Generate({.cache_bytes = 8 << 20}, true, temperature), expected, 1e-5);
    // Other batches.
    ExpectSame(Generate({.cache_bytes = 8 << 20, .max_open_completions = 3}, true, temperature),
               expected, 1e-5);
    ExpectSame(Generate({.cache_bytes = 8 << 20, .max_prefill_tokens = 5}, true, temperature),
               expected, 1e-5);
  }
}

TEST_P(ComposedGenerationTest, InBfloat16LogProbsAreNearTheKernels) {
  std::vector<TokenId> tokens;
  for (int i = 0; i < 60; ++i) tokens.push_back(i * 37 % directory_->config().vocab_size);
  const auto expected = LogitsOf(Model(false, true), tokens);
  const auto actual = LogitsOf(Model(true, true), tokens);
  double difference = 0.0;
  for (size_t i = 0; i + 1 < tokens.size(); ++i) {
    difference +=
        std::abs(LogSoftmax(actual[i])[tokens[i + 1]] - LogSoftmax(expected[i])[tokens[i + 1]]);
  }
  EXPECT_LT(difference / static_cast<double>(tokens.size()), 0.02);
}

// Sampling attends to gathered pages, training to a whole tree.
TEST_P(ComposedGenerationTest, SampledLogProbsAreThoseOfTraining) {
  const auto groups = Generate({.cache_bytes = 8 << 20}, true, 0.6F);
  const auto requests = Requests(directory_->config().vocab_size, 0.6F);
  std::vector<TreeSequence> sequences;
  std::vector<const Completion*> completions;
  for (size_t g = 0; g < groups.size(); ++g) {
    for (const Completion& completion : groups[g]) {
      sequences.push_back({requests[g].prompt, completion.tokens, {}});
      completions.push_back(&completion);
    }
  }
  const auto policy =
      MakeLanguageModelPolicy(*directory_, {.bfloat16 = false, .composed = true}).value();
  const PrefixTree tree = BuildPrefixTree(sequences, policy->max_positions());
  const auto pass = policy->NewPass();
  const auto log_probs = pass->Forward(tree, 0.6);
  for (size_t s = 0; s < sequences.size(); ++s) {
    for (size_t i = 0; i < completions[s]->tokens.size(); ++i) {
      EXPECT_NEAR(log_probs[tree.sequence_scored[s][i]], completions[s]->behavior_log_probs[i],
                  1e-5);
    }
  }
}

TEST_P(ComposedGenerationTest, ScoresAreThoseOfTheKernels) {
  std::vector<TokenId> tokens;
  for (int i = 0; i < 100; ++i) tokens.push_back(i * 37 % directory_->config().vocab_size);
  std::vector<double> log_probs[2];
  for (const bool composed : {false, true}) {
    const auto model = Model(composed);
    ThreadTeam team(1);
    const auto cache = model->NewCache(1 << 20);
    std::vector<int32_t> pages;
    for (int page = 0; page < PagePool::PagesFor(100); ++page) pages.push_back(cache->Take());
    std::vector<VisiblePages> visible(tokens.size());
    std::vector<LanguageModelRow> rows;
    std::vector<ScoredRow> scored;
    for (int i = 0; i < 100; ++i) {
      visible[i] = {pages.data(), i + 1};
      rows.push_back({tokens[i], i, {&visible[i], 1}});
      if (i % 3 == 0) scored.push_back({i, 3});
      if (i % 2 == 0) scored.push_back({i, 5});
    }
    log_probs[composed].resize(scored.size());
    LanguageModelPass::Create(model, &team)
        ->Score(rows, scored, 0.7, *cache, absl::MakeSpan(log_probs[composed]));
  }
  for (size_t e = 0; e < log_probs[0].size(); ++e)
    EXPECT_NEAR(log_probs[1][e], log_probs[0][e], 1e-5);
}

INSTANTIATE_TEST_SUITE_P(Models, ComposedGenerationTest, testing::ValuesIn(GoldenModels()),
                         [](const auto& parameter) { return CaseName(parameter.param); });

TEST(ComposedWeightsTest, NewOnesInFlightDoWhatTheyDoWithTheKernels) {
  PrepareComputingThread();
  for (const CacheOnNewWeights cache : {CacheOnNewWeights::kKeep, CacheOnNewWeights::kRecompute}) {
    std::vector<std::vector<Completion>> completions[2];
    int64_t recomputed[2] = {0, 0};
    for (const bool composed : {false, true}) {
      GenerationEngine engine({.seed = 9,
                               .threads = 1,
                               .cache_bytes = 1 << 20,
                               .max_prefill_tokens = 16,
                               .cache_on_new_weights = cache},
                              MakeSmall(composed, 1), 3);
      GenerationRequest request;
      request.prompt_id = 4;
      for (int i = 0; i < 25; ++i) request.prompt.push_back(i * 7 % 77);
      request.completions = 3;
      request.max_tokens = 40;
      ASSERT_TRUE(engine.Submit(request).ok());
      while (engine.statistics().generated_tokens < 30) ASSERT_TRUE(engine.Step().empty());
      ASSERT_TRUE(engine.SetModel(MakeSmall(composed, 2), 4).ok());
      std::vector<GenerationResult> results;
      while (results.empty()) results = engine.Step();
      completions[composed] = {results[0].completions};
      recomputed[composed] = engine.statistics().recomputed_tokens;
    }
    ExpectSame(completions[1], completions[0], 1e-5);
    EXPECT_EQ(recomputed[1], recomputed[0]);
  }
}

TEST(ComposedWeightsTest, ThoseOfTheOtherFormAreRefused) {
  GenerationEngine engine({.threads = 1, .cache_bytes = 1 << 20}, MakeSmall(true, 1), 0);
  EXPECT_EQ(engine.SetModel(MakeSmall(false, 2), 1).code(), absl::StatusCode::kInvalidArgument);
  EXPECT_TRUE(engine.SetModel(MakeSmall(true, 2), 1).ok());
}

TEST(ComposedSamplerTest, AWorkerSamplesWithTheFormThatItsFactoryMakes) {
  std::vector<std::vector<Completion>> completions[2];
  for (const bool composed : {false, true}) {
    auto info = std::make_shared<LanguageModelInfo>();
    info->config_json = SmallConfigJson();
    info->vocab_size = SmallConfig().vocab_size;
    info->end_tokens = {2, 40};
    LanguageModelSampler::Options options;
    options.sampling.completions_per_prompt = 3;
    options.sampling.temperature = 1.0F;
    options.sampling.max_tokens = 12;
    options.sampling.cache_bytes = 1 << 20;
    options.threads = 1;
    int made = 0;
    options.factory = [composed, &made](const LanguageModelConfig& config,
                                        const TensorSource& source, bool bfloat16) {
      ++made;
      return Make(composed, config, source, bfloat16);
    };
    const auto sampler = LanguageModelSampler::Create(info, std::move(options)).value();
    ASSERT_TRUE(sampler->Load(RandomWeights(SmallConfig(), 1), 1, "worker").ok());
    Prompt prompt;
    prompt.id = 5;
    prompt.tokens = {3, 1, 4, 1, 5};
    completions[composed] = sampler->Sample({prompt}).value();
    EXPECT_EQ(made, 1);
  }
  ExpectSame(completions[1], completions[0], 1e-5);
}

}  // namespace
}  // namespace tpo
