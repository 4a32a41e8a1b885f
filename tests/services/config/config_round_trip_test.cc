#include <gtest/gtest.h>

#include <filesystem>
#include <string>
#include <vector>

#include "google/protobuf/util/message_differencer.h"
#include "services/config/config.h"
#include "tests/services/config/config_text.h"

namespace tpo {
namespace {

using google::protobuf::util::MessageDifferencer;

void ExpectRoundTrip(const v1::Config& config) {
  const std::string yaml = ToYaml(config);
  const auto again = ParseConfig(yaml, "resolved.yaml", {});
  ASSERT_TRUE(again.ok()) << again.status() << "\n" << yaml;
  std::string difference;
  MessageDifferencer differencer;
  differencer.ReportDifferencesToString(&difference);
  EXPECT_TRUE(differencer.Compare(config, *again)) << difference << yaml;
  EXPECT_EQ(ToYaml(*again), yaml);
  EXPECT_EQ(ConfigFingerprint(*again), ConfigFingerprint(config));
}

TEST(ConfigRoundTripTest, EveryExampleLoadsAndRoundTrips) {
  int examples = 0;
  for (const auto& entry : std::filesystem::directory_iterator("examples")) {
    if (entry.path().extension() != ".yaml") continue;
    ++examples;
    const auto config = LoadConfig(entry.path().string(), {});
    ASSERT_TRUE(config.ok()) << config.status();
    ExpectRoundTrip(*config);
  }
  EXPECT_GE(examples, 5);
}

TEST(ConfigRoundTripTest, EveryOptimizerAndObjective) {
  const std::vector<std::string> optimizers = {"{muon: {nesterov: false}}",
                                               "{adamw: {weight_decay: 0.1}}", "{adam: {}}",
                                               "{sgd: {learning_rate: 0.1}}"};
  for (const std::string& optimizer : optimizers) {
    for (const char* objective : {"tpo", "tpo_no_anchor", "tpo_token", "grpo", "grpo_no_kl",
                                  "grpo_masked", "grpo_token", "ppo", "dg", "pg", "group_pg"}) {
      const auto config = ParseLeastAnd(
          "", {"learner.optimizer=" + optimizer, std::string("learner.objective=") + objective});
      ASSERT_TRUE(config.ok()) << config.status();
      ExpectRoundTrip(*config);
    }
  }
}

TEST(ConfigRoundTripTest, AwkwardNumbersSurviveExactly) {
  const auto config =
      ParseLeastAnd("", {"seed=18446744073709551615", "learner.eta=0.1234567890123456789",
                         "learner.kl_beta=1e-300", "learner.lease_seconds=86399.999999999985",
                         "learner.steps=1000000000", "rollout.temperature=1e2"});
  ASSERT_TRUE(config.ok()) << config.status();
  ExpectRoundTrip(*config);
}

TEST(ConfigRoundTripTest, VerifiersSurvive) {
  const auto config = ParseLeastAnd(
      "verifiers:\n  - {address: '[::1]:50052', deadline_seconds: 0.25}\n  - {address: "
      "judge.example.org:1}\n");
  ASSERT_TRUE(config.ok()) << config.status();
  ExpectRoundTrip(*config);
}

TEST(ConfigRoundTripTest, TextBeyondAsciiSurvives) {
  const std::string name = "caf\u00e9 \u20ac \U0001F600";
  const auto config = ParseLeastAnd("verifiers: [{address: 'a:1', name: '" + name + "'}]\n");
  ASSERT_TRUE(config.ok()) << config.status();
  EXPECT_EQ(config->verifiers(0).name(), name);
  ExpectRoundTrip(*config);
}

TEST(ConfigRoundTripTest, TheResolvedFileNamesEveryField) {
  const auto config = ParseLeastAnd("");
  ASSERT_TRUE(config.ok()) << config.status();
  const std::string yaml = ToYaml(*config);
  for (const char* line :
       {"seed: 0\n", "target: reverse_copy\n", "feed_forward: 256\n", "max_positions: 14\n",
        "objective: tpo\n", "learning_rate: 0.001\n", "tensorboard: true\n"}) {
    EXPECT_NE(yaml.find(line), std::string::npos) << line << yaml;
  }
}

}  // namespace
}  // namespace tpo
