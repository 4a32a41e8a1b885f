#include "rollout/language_model_sampler.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <memory>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "absl/synchronization/notification.h"
#include "tests/policy/hugging_face/model_fixture.h"

namespace tpo {
namespace {

using Groups = std::vector<std::vector<Completion>>;

constexpr int kMaxTokens = 12;

std::shared_ptr<const LanguageModelInfo> SmallModel() {
  auto info = std::make_shared<LanguageModelInfo>();
  info->config_json = SmallConfigJson();
  info->vocab_size = SmallConfig().vocab_size;
  info->end_tokens = {2, 40};
  return info;
}

LanguageModelSampler::Options SmallOptions(bool in_flight = false) {
  LanguageModelSampler::Options options;
  options.sampling.completions_per_prompt = 3;
  options.sampling.temperature = 1.0F;
  options.sampling.max_tokens = kMaxTokens;
  options.sampling.swap_in_flight = in_flight;
  options.sampling.cache_bytes = 4 << 20;
  options.seed = 9;
  options.threads = 2;
  return options;
}

std::unique_ptr<LanguageModelSampler> MakeSampler(
    LanguageModelSampler::Options options = SmallOptions()) {
  auto sampler = LanguageModelSampler::Create(SmallModel(), std::move(options));
  EXPECT_TRUE(sampler.ok()) << sampler.status();
  return *std::move(sampler);
}

absl::Status Load(LanguageModelSampler& sampler, WeightVersion version,
                  const std::string& registration = "worker-1") {
  return sampler.Load(RandomWeights(SmallConfig(), version), version, registration);
}

std::vector<Prompt> Prompts(uint64_t first, int count) {
  std::vector<Prompt> prompts(count);
  for (int i = 0; i < count; ++i) {
    prompts[i].id = first + i;
    for (uint64_t t = 0; t < 3 + (first + i) % 20; ++t)
      prompts[i].tokens.push_back(static_cast<TokenId>((7 * first + 5 * i + 11 * t) % 77));
  }
  return prompts;
}

WeightVersion VersionOf(const Groups& groups) {
  return groups.front().front().weight_versions.front().weight_version;
}

TEST(LanguageModelSamplerTest, LeasesAnsweredTogetherGetWhatTheyGetAlone) {
  std::vector<Groups> alone(4);
  for (size_t i = 0; i < alone.size(); ++i) {
    const auto sampler = MakeSampler();
    ASSERT_TRUE(Load(*sampler, 1).ok());
    alone[i] = sampler->Sample(Prompts(10 * i, 3)).value();
  }
  const auto sampler = MakeSampler();
  ASSERT_TRUE(Load(*sampler, 1).ok());
  std::vector<Groups> together(alone.size());
  std::vector<std::thread> threads;
  for (size_t i = 0; i < alone.size(); ++i) {
    threads.emplace_back(
        [&, i] { together[i] = sampler->Sample(Prompts(10 * i, 3)).value_or(Groups()); });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(together, alone);
  EXPECT_EQ(alone[0].size(), 3U);
  EXPECT_EQ(alone[0][0].size(), 3U);
}

TEST(LanguageModelSamplerTest, EachVersionIsSampledFromOnceItIsLoaded) {
  const auto sampler = MakeSampler();
  ASSERT_TRUE(Load(*sampler, 1).ok());
  const Groups first = sampler->Sample(Prompts(0, 2)).value();
  ASSERT_TRUE(Load(*sampler, 4).ok());
  const Groups second = sampler->Sample(Prompts(0, 2)).value();
  EXPECT_EQ(VersionOf(first), 1);
  EXPECT_EQ(VersionOf(second), 4);
  EXPECT_NE(first[0][0].tokens, second[0][0].tokens);
  // An older one is another loop's, that is behind.
  ASSERT_TRUE(Load(*sampler, 1).ok());
  EXPECT_EQ(VersionOf(sampler->Sample(Prompts(0, 2)).value()), 4);
  // But after another registration the learner may have gone back.
  ASSERT_TRUE(Load(*sampler, 1, "worker-2").ok());
  EXPECT_EQ(sampler->Sample(Prompts(0, 2)).value(), first);
}

TEST(LanguageModelSamplerTest, BetweenGroupsNoCompletionMixesVersions) {
  const auto sampler = MakeSampler();
  ASSERT_TRUE(Load(*sampler, 1).ok());
  std::atomic<bool> done = false;
  std::thread loader([&] {
    for (WeightVersion version = 2; !done; ++version) EXPECT_TRUE(Load(*sampler, version).ok());
  });
  for (int i = 0; i < 20; ++i) {
    const Groups groups = sampler->Sample(Prompts(3 * i, 3)).value();
    for (const auto& group : groups) {
      for (const Completion& completion : group) EXPECT_EQ(completion.weight_versions.size(), 1U);
    }
  }
  done = true;
  loader.join();
}

TEST(LanguageModelSamplerTest, InFlightNewWeightsComeWithTheNextToken) {
  LanguageModelSampler::Options options = SmallOptions(/*in_flight=*/true);
  options.sampling.completions_per_prompt = 1;
  WeightVersion newest = 1;
  // A new version for every token.
  options.newer_weights = [&newest](WeightVersion newer_than) {
    EXPECT_EQ(newer_than, newest);
    ++newest;
    return WeightSnapshot::Create(newest, RandomWeights(SmallConfig(), newest));
  };
  const auto sampler = MakeSampler(std::move(options));
  ASSERT_TRUE(Load(*sampler, 1).ok());
  const Completion completion = sampler->Sample(Prompts(1, 1)).value()[0][0];
  ASSERT_GT(completion.tokens.size(), 2U);
  ASSERT_EQ(completion.weight_versions.size(), completion.tokens.size());
  for (size_t t = 1; t < completion.weight_versions.size(); ++t) {
    EXPECT_EQ(completion.weight_versions[t].first_token, t);
    EXPECT_GT(completion.weight_versions[t].weight_version,
              completion.weight_versions[t - 1].weight_version);
  }
}

// Whoever takes up a version first, it is packed once: the weights that Load is given here couldn't
// be.
TEST(LanguageModelSamplerTest, WhatTheEngineTakesUpItselfIsNotLoadedAgain) {
  LanguageModelSampler::Options options = SmallOptions(/*in_flight=*/true);
  absl::Notification asked;
  std::atomic<bool> loading = false;
  options.newer_weights = [&](WeightVersion newer_than) -> std::shared_ptr<const WeightSnapshot> {
    if (newer_than >= 2) return nullptr;
    asked.Notify();
    while (!loading) std::this_thread::yield();
    return WeightSnapshot::Create(2, RandomWeights(SmallConfig(), 2));
  };
  const auto sampler = MakeSampler(std::move(options));
  ASSERT_TRUE(Load(*sampler, 1).ok());
  std::thread loop([&] {
    asked.WaitForNotification();
    loading = true;
    EXPECT_EQ(sampler->Load(TensorBundle(), 2, "worker-1"), absl::OkStatus());
  });
  EXPECT_TRUE(sampler->Sample(Prompts(1, 2)).ok());
  loop.join();
  EXPECT_EQ(VersionOf(sampler->Sample(Prompts(1, 2)).value()), 2);
}

TEST(LanguageModelSamplerTest, WeightsThatNothingCanBeSampledFromFailTheCallAlone) {
  const auto sampler = MakeSampler();
  ASSERT_TRUE(sampler->Load(DivergedWeights(SmallConfig(), 1), 1, "worker-1").ok());
  const auto failed = sampler->Sample(Prompts(0, 3));
  EXPECT_EQ(failed.status().code(), absl::StatusCode::kOutOfRange);
  EXPECT_THAT(std::string(failed.status().message()), ::testing::HasSubstr("weight version 1"));
  ASSERT_TRUE(Load(*sampler, 2).ok());
  EXPECT_EQ(VersionOf(sampler->Sample(Prompts(0, 3)).value()), 2);
}

TEST(LanguageModelSamplerTest, WhatCannotBeLoadedOrAnsweredIsRefused) {
  const auto sampler = MakeSampler();
  EXPECT_EQ(sampler->Sample(Prompts(0, 1)).status().code(), absl::StatusCode::kInternal);
  EXPECT_EQ(sampler->Load(TensorBundle(), 1, "worker-1").code(),
            absl::StatusCode::kInvalidArgument);
  ASSERT_TRUE(Load(*sampler, 1).ok());
  std::vector<Prompt> prompts = Prompts(0, 2);
  prompts[1].tokens.assign(SmallConfig().max_positions, 5);
  const auto refused = sampler->Sample(prompts);
  EXPECT_EQ(refused.status().code(), absl::StatusCode::kInvalidArgument);
  EXPECT_THAT(std::string(refused.status().message()), ::testing::HasSubstr("prompt 1"));
  // The next call is none the worse for it.
  EXPECT_TRUE(sampler->Sample(Prompts(0, 2)).ok());
}

TEST(LanguageModelSamplerTest, ClosingEndsCallsInProgressAndThoseToCome) {
  LanguageModelSampler::Options options = SmallOptions();
  const auto sampler = MakeSampler(std::move(options));
  ASSERT_TRUE(Load(*sampler, 1).ok());
  std::thread caller([&] {
    // Until it is closed.
    while (true) {
      const auto groups = sampler->Sample(Prompts(0, 3));
      if (groups.ok()) continue;
      EXPECT_EQ(groups.status().code(), absl::StatusCode::kCancelled);
      return;
    }
  });
  sampler->Close();
  caller.join();
  EXPECT_EQ(sampler->Sample(Prompts(0, 1)).status().code(), absl::StatusCode::kCancelled);
  EXPECT_EQ(Load(*sampler, 2).code(), absl::StatusCode::kCancelled);
}

TEST(LanguageModelSamplerTest, ModelsThatAreNoneAreRefused) {
  auto info = std::make_shared<LanguageModelInfo>(*SmallModel());
  info->config_json = "{\"model_type\": \"mamba\"}";
  EXPECT_EQ(LanguageModelSampler::Create(info, SmallOptions()).status().code(),
            absl::StatusCode::kInvalidArgument);
  info = std::make_shared<LanguageModelInfo>(*SmallModel());
  info->lora = LowRankAdapterSpec{.rank = 2, .alpha = 4.0, .targets = {}};
  info->path = "/nonexistent";
  const auto refused = LanguageModelSampler::Create(info, SmallOptions());
  EXPECT_EQ(refused.status().code(), absl::StatusCode::kFailedPrecondition);
  LanguageModelSampler::Options stops = SmallOptions();
  stops.sampling.stop_texts = {"."};
  EXPECT_EQ(LanguageModelSampler::Create(SmallModel(), stops).status().code(),
            absl::StatusCode::kInvalidArgument);
}

}  // namespace
}  // namespace tpo
