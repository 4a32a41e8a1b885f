#include "rollout/generation_engine.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <cmath>
#include <cstdint>
#include <cstdlib>
#include <deque>
#include <new>
#include <random>
#include <set>
#include <utility>

#include "policy/hugging_face/model_directory.h"
#include "tests/policy/hugging_face/golden_tensors.h"
#include "tests/policy/hugging_face/model_fixture.h"
#include "tests/policy/language_model/whole_sequence.h"

namespace {

thread_local bool is_test_thread = false;
std::atomic<int64_t> allocations_elsewhere = 0;

void* Allocate(size_t bytes) {
  if (!is_test_thread) ++allocations_elsewhere;
  return std::malloc(std::max<size_t>(bytes, 1));
}

}  // namespace

// Not inlined: GCC would take malloc and free apart from the new and delete that they belong to,
// and warn that they don't match.
[[gnu::noinline]] void* operator new(size_t bytes) {
  void* const memory = Allocate(bytes);
  if (memory == nullptr) throw std::bad_alloc();
  return memory;
}
[[gnu::noinline]] void* operator new(size_t bytes, const std::nothrow_t& /*tag*/) noexcept {
  return Allocate(bytes);
}
[[gnu::noinline]] void operator delete(void* memory) noexcept { std::free(memory); }
[[gnu::noinline]] void operator delete(void* memory, size_t /*bytes*/) noexcept {
  std::free(memory);
}

namespace tpo {
namespace {

std::shared_ptr<const LanguageModel> MakeModel(const TensorBundle& weights, bool bfloat16 = false) {
  return LanguageModel::Create(
      SmallConfig(),
      [&](const std::string& name) {
        const TensorSpec* const spec = weights.Find(name);
        const auto bytes = weights.bytes(*spec);
        return SafetensorsView{*spec, {reinterpret_cast<const char*>(bytes.data()), bytes.size()}};
      },
      bfloat16);
}

std::shared_ptr<const LanguageModel> MakeModel(uint64_t seed, bool bfloat16 = false) {
  return MakeModel(RandomWeights(SmallConfig(), seed), bfloat16);
}

GenerationRequest MakeRequest(uint64_t id, int prompt_tokens, int completions, int max_tokens) {
  std::mt19937_64 random(id);
  GenerationRequest request;
  request.prompt_id = id;
  for (int i = 0; i < prompt_tokens; ++i)
    request.prompt.push_back(static_cast<TokenId>(random() % 77));
  request.completions = completions;
  request.max_tokens = max_tokens;
  return request;
}

// Prompts and completions of different lengths; some end early.
std::vector<GenerationRequest> MixedRequests() {
  std::vector<GenerationRequest> requests;
  for (uint64_t id = 0; id < 7; ++id) {
    requests.push_back(MakeRequest(id, 1 + static_cast<int>(id * 11 % 40), 1 + id % 4,
                                   1 + static_cast<int>(id * 13 % 37)));
    requests.back().stop_tokens = {2, 40};
  }
  return requests;
}

std::vector<std::vector<Completion>> Generate(GenerationEngine::Options options,
                                              std::vector<GenerationRequest> requests,
                                              bool bfloat16 = false) {
  options.threads = options.threads == 0 ? 2 : options.threads;
  if (options.cache_bytes == uint64_t{1} << 30) options.cache_bytes = 8 << 20;
  GenerationEngine engine(std::move(options), MakeModel(1, bfloat16), 3);
  auto completions = engine.Generate(std::move(requests));
  EXPECT_TRUE(completions.ok()) << completions.status();
  EXPECT_TRUE(engine.idle());
  EXPECT_EQ(engine.open_completions(), 0);
  EXPECT_EQ(engine.free_pages(), engine.pages());
  return *completions;
}

// A cache of this many pages of the small model.
uint64_t CacheOf(int pages) { return KeyValueCache::PageBytes(SmallConfig(), false) * pages; }

class GenerationEngineTest : public testing::TestWithParam<bool> {};

TEST_P(GenerationEngineTest, SamplesFromTheModelAndRecordsItsLogProbs) {
  const auto requests = MixedRequests();
  const auto groups = Generate({.seed = 9}, requests, GetParam());
  const auto model = MakeModel(1, GetParam());
  for (size_t g = 0; g < requests.size(); ++g) {
    ASSERT_EQ(groups[g].size(), static_cast<size_t>(requests[g].completions));
    for (int k = 0; k < requests[g].completions; ++k) {
      const Completion& completion = groups[g][k];
      auto tokens = requests[g].prompt;
      tokens.insert(tokens.end(), completion.tokens.begin(), completion.tokens.end());
      const auto logits = LogitsOf(model, tokens);
      for (size_t t = 0; t < completion.tokens.size(); ++t) {
        const auto expected = LogSoftmax(logits[requests[g].prompt.size() - 1 + t]);
        EXPECT_NEAR(completion.behavior_log_probs[t], expected[completion.tokens[t]],
                    GetParam() ? 0.05 : 1e-5);
        // The token at which the number of its key falls.
        const double uniform = UniformAt(9, RandomStream::kCompletion, requests[g].prompt_id, k, t);
        double before = 0.0;
        for (TokenId token = 0; token < completion.tokens[t]; ++token)
          before += std::exp(expected[token]);
        const double slack = GetParam() ? 0.05 : 1e-5;
        EXPECT_GE(uniform, before - slack);
        EXPECT_LE(uniform, before + std::exp(expected[completion.tokens[t]]) + slack);
      }
      const bool stopped = completion.tokens.back() == 2 || completion.tokens.back() == 40;
      EXPECT_EQ(completion.finish_reason, stopped ? FinishReason::kStop : FinishReason::kLength);
      if (!stopped) {
        EXPECT_EQ(static_cast<int>(completion.tokens.size()), requests[g].max_tokens);
      }
      EXPECT_EQ(completion.weight_versions, (std::vector<WeightVersionSpan>{{3, 0}}));
    }
  }
}

TEST_P(GenerationEngineTest, WhatElseIsInTheBatchDoesNotChangeABit) {
  const auto expected = Generate({.seed = 9}, MixedRequests(), GetParam());
  EXPECT_EQ(Generate({.seed = 9, .threads = 1}, MixedRequests(), GetParam()), expected);
  EXPECT_EQ(Generate({.seed = 9, .max_open_completions = 3}, MixedRequests(), GetParam()),
            expected);
  EXPECT_EQ(Generate({.seed = 9, .cache_bytes = CacheOf(9)}, MixedRequests(), GetParam()),
            expected);
  EXPECT_EQ(Generate({.seed = 9, .max_prefill_tokens = 3}, MixedRequests(), GetParam()), expected);
  for (size_t g = 0; g < expected.size(); ++g)
    EXPECT_EQ(Generate({.seed = 9}, {MixedRequests()[g]}, GetParam())[0], expected[g]);
  EXPECT_NE(Generate({.seed = 10}, MixedRequests(), GetParam()), expected);
}

// What training relies on: over the same runs of cached positions a completion's log-probs are the
// sampler's to the last bit.
TEST_P(GenerationEngineTest, ScoringACompletionGivesTheSampledLogProbsBitByBit) {
  const auto request = MakeRequest(5, 21, 4, 30);
  const auto group = Generate({.seed = 9}, {request}, GetParam())[0];
  const auto model = MakeModel(1, GetParam());
  ThreadTeam team(1);
  KeyValueCache cache(model->config(), GetParam(), 2 + 4 * 2);
  std::vector<int32_t> pages;
  while (cache.free_pages() > 0) pages.push_back(cache.Take());
  std::deque<std::array<VisiblePages, 2>> visible;
  std::vector<LanguageModelRow> rows;
  std::vector<ScoredRow> scored;
  std::vector<float> sampled;
  for (int i = 0; i < 21; ++i) {
    visible.push_back({VisiblePages{pages.data(), i + 1}});
    rows.push_back({request.prompt[i], i, {visible.back().data(), 1}});
  }
  for (const Completion& completion : group) {
    scored.push_back({20, completion.tokens[0]});
    sampled.push_back(completion.behavior_log_probs[0]);
  }
  for (int k = 0; k < 4; ++k) {
    for (int t = 0; t + 1 < 30; ++t) {
      visible.push_back({VisiblePages{pages.data(), 21}, VisiblePages{&pages[2 + 2 * k], t + 1}});
      scored.push_back({static_cast<int>(rows.size()), group[k].tokens[t + 1]});
      sampled.push_back(group[k].behavior_log_probs[t + 1]);
      rows.push_back({group[k].tokens[t], 21 + t, {visible.back().data(), 2}});
    }
  }
  std::vector<double> log_probs(scored.size());
  LanguageModelPass::Create(model, &team)
      ->Score(rows, scored, 1.0, cache, absl::MakeSpan(log_probs));
  for (size_t e = 0; e < scored.size(); ++e)
    ASSERT_EQ(static_cast<float>(log_probs[e]), sampled[e]) << e;
}

INSTANTIATE_TEST_SUITE_P(Types, GenerationEngineTest, testing::Bool(), [](const auto& parameter) {
  return parameter.param ? "bfloat16" : "float32";
});

TEST(GenerationEngineSharingTest, APromptIsForwardedOnceAndItsPagesAreShared) {
  GenerationEngine engine({.threads = 1, .cache_bytes = CacheOf(2 + 8 * 2)}, MakeModel(1), 0);
  ASSERT_TRUE(engine.Submit(MakeRequest(1, 32, 8, 33)).ok());
  EXPECT_TRUE(engine.Step().empty());
  EXPECT_EQ(engine.open_completions(), 8);  // all eight fit, because the prompt is there once
  EXPECT_EQ(engine.free_pages(), 0);
  while (!engine.idle()) engine.Step();
  EXPECT_EQ(engine.statistics().prompt_tokens, 32);
  EXPECT_EQ(engine.statistics().generated_tokens, 8 * 33);
  EXPECT_EQ(engine.statistics().steps, 33);
}

TEST(GenerationEngineSharingTest, FinishedCompletionsMakeRoomForOthers) {
  // Room for one of the small requests' completions beside the long one.
  GenerationEngine engine({.threads = 1, .cache_bytes = CacheOf(1 + 4 + 2)}, MakeModel(1), 0);
  const uint64_t long_one = *engine.Submit(MakeRequest(1, 5, 1, 60));
  const uint64_t first = *engine.Submit(MakeRequest(2, 5, 1, 10));
  const uint64_t second = *engine.Submit(MakeRequest(3, 5, 1, 10));
  std::vector<std::pair<uint64_t, int64_t>> finished;  // request, step
  while (!engine.idle()) {
    for (const GenerationResult& result : engine.Step())
      finished.emplace_back(result.request, engine.statistics().steps);
  }
  EXPECT_EQ(finished,
            (std::vector<std::pair<uint64_t, int64_t>>{{first, 10}, {second, 20}, {long_one, 60}}));
}

TEST(GenerationEngineStopTest, StopTextsSpanTokens) {
  const auto text = [](TokenId token) { return std::string(1, static_cast<char>('0' + token)); };
  auto request = MakeRequest(1, 5, 4, 30);
  const auto free = Generate({.seed = 1, .token_text = text}, {request})[0];
  std::string wanted;
  for (int t = 10; t < 13; ++t) wanted += text(free[0].tokens[t]);
  request.stop_texts = {"~~~~", wanted};
  const auto stopped = Generate({.seed = 1, .token_text = text}, {request})[0];
  EXPECT_EQ(stopped[0].finish_reason, FinishReason::kStop);
  ASSERT_LE(stopped[0].tokens.size(), 13U);
  EXPECT_TRUE(
      std::equal(stopped[0].tokens.begin(), stopped[0].tokens.end(), free[0].tokens.begin()));
  std::string end;
  for (const TokenId token : stopped[0].tokens) end += text(token);
  EXPECT_THAT(end, testing::EndsWith(wanted));
}

TEST(GenerationEngineCancelTest, ACancelledRequestFreesItsRoomAndNothingElse) {
  const auto expected = Generate({}, {MakeRequest(2, 9, 3, 20)});
  GenerationEngine engine({.threads = 2, .cache_bytes = CacheOf(30)}, MakeModel(1), 3);
  const uint64_t first = *engine.Submit(MakeRequest(1, 40, 3, 20));
  const uint64_t second = *engine.Submit(MakeRequest(2, 9, 3, 20));
  for (int i = 0; i < 5; ++i) engine.Step();
  EXPECT_TRUE(engine.Cancel(first));
  EXPECT_FALSE(engine.Cancel(first));
  EXPECT_EQ(engine.open_completions(), 3);
  std::vector<GenerationResult> results;
  while (!engine.idle()) {
    for (GenerationResult& result : engine.Step()) results.push_back(std::move(result));
  }
  ASSERT_EQ(results.size(), 1U);
  EXPECT_EQ(results[0].request, second);
  EXPECT_EQ(results[0].completions, expected[0]);
  EXPECT_EQ(engine.free_pages(), engine.pages());
}

TEST(GenerationEngineWeightsTest, RecomputedCachesAreThoseOfTheNewWeights) {
  const auto request = MakeRequest(4, 25, 3, 40);
  for (const int prefill : {7, 512}) {
    GenerationEngine engine({.threads = 2,
                             .cache_bytes = CacheOf(30),
                             .max_prefill_tokens = prefill,
                             .cache_on_new_weights = CacheOnNewWeights::kRecompute},
                            MakeModel(1), 3);
    ASSERT_TRUE(engine.Submit(request).ok());
    while (engine.statistics().generated_tokens < 30) ASSERT_TRUE(engine.Step().empty());
    ASSERT_TRUE(engine.SetModel(MakeModel(2), 4).ok());
    std::vector<GenerationResult> results;
    while (results.empty()) results = engine.Step();
    for (const Completion& completion : results[0].completions) {
      ASSERT_EQ(completion.weight_versions, (std::vector<WeightVersionSpan>{{3, 0}, {4, 10}}));
      auto tokens = request.prompt;
      tokens.insert(tokens.end(), completion.tokens.begin(), completion.tokens.end());
      const auto logits = LogitsOf(MakeModel(2), tokens);
      for (int t = 10; t < 40; ++t) {
        EXPECT_NEAR(completion.behavior_log_probs[t],
                    LogSoftmax(logits[24 + t])[completion.tokens[t]], 1e-5);
      }
    }
    EXPECT_EQ(engine.statistics().recomputed_tokens, 25 + 3 * 10);
  }
}

TEST(GenerationEngineWeightsTest, KeptCachesAreNotForwardedAgainAndVersionsAreRecorded) {
  GenerationEngine engine({.threads = 1, .cache_bytes = CacheOf(30)}, MakeModel(1), 3);
  ASSERT_TRUE(engine.Submit(MakeRequest(4, 25, 2, 12)).ok());
  for (int i = 0; i < 5; ++i) engine.Step();
  ASSERT_TRUE(engine.SetModel(MakeModel(2), 4).ok());
  std::vector<GenerationResult> results;
  while (results.empty()) results = engine.Step();
  EXPECT_EQ(results[0].completions[0].weight_versions,
            (std::vector<WeightVersionSpan>{{3, 0}, {4, 5}}));
  EXPECT_EQ(engine.statistics().recomputed_tokens, 0);
  EXPECT_FALSE(engine.SetModel(MakeModel(2, true), 5).ok());
}

TEST(GenerationEngineNotFiniteTest, WithoutADistributionARequestFailsAndItsRoomIsFree) {
  for (const float temperature : {0.0F, 1.0F}) {
    GenerationEngine engine({.threads = 2, .cache_bytes = CacheOf(30)}, MakeModel(1), 3);
    auto request = MakeRequest(4, 25, 3, 40);
    request.sampling.temperature = temperature;
    const uint64_t number = engine.Submit(request).value();
    for (int i = 0; i < 5; ++i) ASSERT_TRUE(engine.Step().empty());
    ASSERT_TRUE(engine.SetModel(MakeModel(DivergedWeights(SmallConfig(), 1)), 4).ok());
    const std::vector<GenerationResult> failed = engine.Step();
    ASSERT_EQ(failed.size(), 1U);
    EXPECT_EQ(failed[0].request, number);
    EXPECT_TRUE(failed[0].completions.empty());
    EXPECT_EQ(failed[0].status.code(), absl::StatusCode::kOutOfRange);
    EXPECT_THAT(std::string(failed[0].status.message()),
                testing::HasSubstr("prompt 4: the logits of weight version 4"));
    EXPECT_TRUE(engine.idle());
    EXPECT_EQ(engine.open_completions(), 0);
    EXPECT_EQ(engine.free_pages(), engine.pages());
    EXPECT_EQ(engine.Generate({request}).status().code(), absl::StatusCode::kOutOfRange);
    // Later weights are none the worse for it.
    ASSERT_TRUE(engine.SetModel(MakeModel(2), 5).ok());
    EXPECT_TRUE(engine.Generate({request}).ok());
  }
}

// Nobody would catch what is thrown there.
TEST(GenerationEngineMemoryTest, NoneIsTakenOnTheTeamsThreads) {
  is_test_thread = true;
  const auto model = MakeModel(1);
  const int64_t before = allocations_elsewhere;
  GenerationEngine engine({.threads = 3, .cache_bytes = 8 << 20}, model, 0);
  const std::vector<TokenSampling> samplings = {
      {.top_k = 5},    {.top_p = 0.9F},       {},
      {.min_p = 0.1F}, {.temperature = 0.0F}, {.top_k = 50, .top_p = 0.99F, .min_p = 0.01F}};
  for (size_t i = 0; i < 3 * samplings.size(); ++i) {
    GenerationRequest request = MakeRequest(i, 9, 2, 12);
    request.sampling = samplings[i % samplings.size()];
    ASSERT_TRUE(engine.Submit(std::move(request)).ok());
  }
  while (!engine.idle()) engine.Step();
  EXPECT_EQ(allocations_elsewhere - before, 0);
}

TEST(GenerationEngineRefusalTest, SaysWhatIsWrong) {
  GenerationEngine engine({.threads = 1, .cache_bytes = CacheOf(4)}, MakeModel(1), 0);
  const auto error = [&](const GenerationRequest& request) {
    return std::string(engine.Submit(request).status().message());
  };
  EXPECT_THAT(error(MakeRequest(5, 0, 1, 1)), testing::HasSubstr("prompt 5: has no tokens"));
  EXPECT_THAT(error(MakeRequest(5, 250, 1, 7)), testing::HasSubstr("the model's 256 positions"));
  EXPECT_THAT(error(MakeRequest(5, 40, 1, 40)),
              testing::HasSubstr("needs 6 pages of the cache, which has 4"));
  auto bad = MakeRequest(5, 3, 1, 1);
  bad.prompt[1] = 77;
  EXPECT_THAT(error(bad), testing::HasSubstr("token 1 is 77, the vocabulary has 77"));
  bad = MakeRequest(5, 3, 1, 1);
  bad.stop_texts = {"x"};
  EXPECT_THAT(error(bad), testing::HasSubstr("no text of tokens"));
  bad = MakeRequest(5, 3, 1, 1);
  bad.sampling.top_p = 0.0F;
  EXPECT_THAT(error(bad), testing::HasSubstr("top_p"));
  EXPECT_TRUE(engine.idle());
}

// Every golden case: greedy tokens are transformers', where its own margin is clear.
class GreedyGoldenTest : public testing::TestWithParam<std::string> {};

TEST_P(GreedyGoldenTest, GreedyCompletionsAreTransformers) {
  const auto directory = ModelDirectory::Open(GetParam()).value();
  const auto golden = ReadGoldenTensors(GetParam() + "/golden.safetensors");
  const GoldenTensor& prompts = golden.at("greedy.prompt_ids");
  const GoldenTensor& expected = golden.at("greedy.new_ids");
  std::vector<GenerationRequest> requests;
  for (int row = 0; row < prompts.shape[0]; ++row) {
    GenerationRequest request;
    for (int i = 0; i < prompts.shape[1]; ++i) {
      if (golden.at("greedy.prompt_mask").At(row)[i] != 0.0F)
        request.prompt.push_back(static_cast<TokenId>(prompts.At(row)[i]));
    }
    request.max_tokens = static_cast<int>(expected.shape[1]);
    request.sampling.temperature = 0.0F;
    requests.push_back(std::move(request));
  }
  GenerationEngine engine({.threads = 2, .cache_bytes = 64 << 20},
                          LanguageModel::Create(*directory, false), 0);
  const auto groups = engine.Generate(requests).value();
  int compared = 0;
  for (size_t row = 0; row < groups.size(); ++row) {
    for (int t = 0; t < expected.shape[1]; ++t) {
      if (golden.at("greedy.margin").At(row)[t] <= 1e-4F) break;
      ASSERT_EQ(groups[row][0].tokens[t], static_cast<TokenId>(expected.At(row)[t]))
          << "row " << row << " token " << t;
      ++compared;
    }
  }
  EXPECT_GT(compared, 60);
}

INSTANTIATE_TEST_SUITE_P(Models, GreedyGoldenTest, testing::ValuesIn(GoldenModels()),
                         [](const auto& parameter) { return CaseName(parameter.param); });

}  // namespace
}  // namespace tpo
