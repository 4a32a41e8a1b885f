#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>

#include "services/config/config.h"
#include "tests/services/config/config_text.h"

namespace tpo {
namespace {

v1::Config WithObjective(const std::string& objective) {
  auto config = ParseLeastAnd("learner: {objective: " + objective + "}\n");
  EXPECT_TRUE(config.ok()) << config.status();
  return config.value_or(v1::Config());
}

TEST(ConfigDefaultsTest, TheLeastConfigIsThePapersSetup) {
  const auto config = ParseLeastAnd("");
  ASSERT_TRUE(config.ok()) << config.status();
  EXPECT_EQ(config->seed(), 0U);
  EXPECT_EQ(config->model().transformer().d_model(), 64);
  EXPECT_EQ(config->model().transformer().layers(), 2);
  EXPECT_EQ(config->model().transformer().heads(), 2);
  EXPECT_EQ(config->rollout().temperature(), 1.0);
  EXPECT_EQ(config->learner().objective(), v1::OBJECTIVE_TPO);
  EXPECT_EQ(config->learner().eta(), 1.0);
  EXPECT_EQ(config->learner().clip_epsilon(), 0.2);
  EXPECT_EQ(config->learner().kl_beta(), 0.04);
  EXPECT_EQ(config->learner().prompts_per_step(), 100);
  EXPECT_EQ(config->learner().prompts_per_lease(), 25);
  EXPECT_EQ(config->learner().max_staleness(), 0);
  ASSERT_TRUE(config->learner().optimizer().has_muon());
  EXPECT_EQ(config->learner().optimizer().muon().learning_rate(), 1e-3);
  EXPECT_TRUE(config->learner().optimizer().muon().nesterov());
  EXPECT_EQ(config->learner().checkpoint().keep(), 3);
  EXPECT_EQ(config->verifiers_size(), 0);
}

TEST(ConfigDefaultsTest, GroupSizeFollowsTheObjective) {
  for (const char* grouped : {"tpo", "tpo_no_anchor", "grpo", "grpo_no_kl", "grpo_masked",
                              "group_pg", "tpo_token", "grpo_token"}) {
    EXPECT_EQ(WithObjective(grouped).rollout().group_size(), 8) << grouped;
  }
  for (const char* single : {"ppo", "dg", "pg"}) {
    EXPECT_EQ(WithObjective(single).rollout().group_size(), 1) << single;
  }
}

TEST(ConfigDefaultsTest, FewestScoredCompletionsFollowTheObjective) {
  for (const char* grouped :
       {"tpo", "tpo_no_anchor", "grpo", "grpo_no_kl", "grpo_masked", "group_pg"}) {
    EXPECT_EQ(WithObjective(grouped).learner().min_scored_completions(), 2) << grouped;
  }
  for (const char* single : {"ppo", "dg", "pg", "tpo_token", "grpo_token"}) {
    EXPECT_EQ(WithObjective(single).learner().min_scored_completions(), 1) << single;
  }
}

TEST(ConfigDefaultsTest, DgTakesOneEpoch) {
  EXPECT_EQ(WithObjective("dg").learner().epochs(), 1);
  EXPECT_EQ(WithObjective("ppo").learner().epochs(), 4);
}

TEST(ConfigDefaultsTest, ShapesFollowWidthAndLength) {
  const auto config = ParseLeastAnd("model: {transformer: {d_model: 4096}}\n");
  ASSERT_TRUE(config.ok()) << config.status();
  EXPECT_EQ(config->model().transformer().feed_forward(), 16384);
  EXPECT_EQ(config->model().transformer().max_positions(), 14);
}

TEST(ConfigDefaultsTest, LargestShapesHaveDefaultsInRange) {
  const auto config =
      ParseLeastAnd("model: {transformer: {d_model: 65536}}\n",
                    {"task.sequence.length=1024", "task.sequence.vocab_size=1000000"});
  ASSERT_TRUE(config.ok()) << config.status();
  EXPECT_EQ(config->model().transformer().feed_forward(), 262144);
  EXPECT_EQ(config->model().transformer().max_positions(), 2048);
}

TEST(ConfigDefaultsTest, VerifierDeadlineIsHalfTheLease) {
  const auto config = ParseLeastAnd("learner: {lease_seconds: 5}\nverifiers: [{address: 'a:1'}]\n");
  ASSERT_TRUE(config.ok()) << config.status();
  EXPECT_EQ(config->verifiers(0).deadline_seconds(), 2.5);
}

TEST(ConfigDefaultsTest, AnEmptyChosenSectionIsFilled) {
  const auto config = ParseLeastAnd("learner: {optimizer: {adamw: {}}}\n");
  ASSERT_TRUE(config.ok()) << config.status();
  ASSERT_TRUE(config->learner().optimizer().has_adamw());
  EXPECT_EQ(config->learner().optimizer().adamw().beta2(), 0.999);
}

TEST(ConfigDefaultsTest, LanguageModelsHaveDefaultsOfTheirOwn) {
  const auto config = ParseConfig(kLeastDataset, "run.yaml", {});
  ASSERT_TRUE(config.ok()) << config.status();
  EXPECT_EQ(config->learner().length_exponent(), 1.0);
  EXPECT_EQ(config->learner().gradient_clip_norm(), 1.0);
  EXPECT_EQ(config->learner().prompts_per_step(), 16);
  EXPECT_EQ(config->learner().lease_seconds(), 600.0);
  const auto sequence = ParseLeastAnd("");
  ASSERT_TRUE(sequence.ok()) << sequence.status();
  EXPECT_EQ(sequence->learner().length_exponent(), 0.0);
  EXPECT_EQ(sequence->learner().gradient_clip_norm(), 0.0);
  EXPECT_EQ(sequence->learner().prompts_per_step(), 100);
  const auto given =
      ParseConfig(std::string(kLeastDataset) + "learner: {length_exponent: 0}\n", "run.yaml", {});
  ASSERT_TRUE(given.ok()) << given.status();
  EXPECT_EQ(given->learner().length_exponent(), 0.0);
}

TEST(ConfigDefaultsTest, AnAdaptersAlphaIsTwiceItsRank) {
  const auto config =
      ParseConfig("task: {dataset: {path: a.jsonl}}\nmodel: {hf: {path: m, lora: {rank: 4}}}\n",
                  "run.yaml", {});
  ASSERT_TRUE(config.ok()) << config.status();
  EXPECT_EQ(config->model().hf().lora().alpha(), 8.0);
}

TEST(ConfigDefaultsTest, GivenValuesStay) {
  const auto config = ParseLeastAnd(
      "seed: 18446744073709551615\nrollout: {group_size: 4}\n"
      "learner: {objective: ppo, epochs: 7, eta: 2.5e-1}\n");
  ASSERT_TRUE(config.ok()) << config.status();
  EXPECT_EQ(config->seed(), 18446744073709551615U);
  EXPECT_EQ(config->rollout().group_size(), 4);
  EXPECT_EQ(config->learner().epochs(), 7);
  EXPECT_EQ(config->learner().eta(), 0.25);
}

TEST(ConfigDefaultsTest, AMessageMadeInCodeIsResolvedAndChecked) {
  v1::Config config;
  EXPECT_EQ(ErrorOf(ResolveConfig(config)), "task: is missing; give it one of sequence, dataset");
  auto& task = *config.mutable_task()->mutable_sequence();
  task.set_target(v1::SEQUENCE_TARGET_COPY);
  task.set_reward(v1::SEQUENCE_REWARD_TERMINAL);
  task.set_vocab_size(2);
  task.set_length(3);
  const auto resolved = ResolveConfig(config);
  ASSERT_TRUE(resolved.ok()) << resolved.status();
  EXPECT_EQ(resolved->model().transformer().max_positions(), 6);
  config.mutable_rollout()->set_group_size(1);
  EXPECT_THAT(ErrorOf(ResolveConfig(config)),
              ::testing::StartsWith("rollout.group_size: 1 is too few"));
}

}  // namespace
}  // namespace tpo
