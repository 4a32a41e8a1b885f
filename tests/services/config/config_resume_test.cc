// Which configs may continue one another's runs.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "services/config/config.h"
#include "tests/services/config/config_text.h"

namespace tpo {
namespace {

using ::testing::HasSubstr;
using ::testing::MatchesRegex;

v1::Config With(const std::vector<std::string>& overrides) {
  auto config = ParseLeastAnd("", overrides);
  EXPECT_TRUE(config.ok()) << config.status();
  return config.value_or(v1::Config());
}

TEST(ConfigResumeTest, FingerprintIsSixteenHexDigits) {
  EXPECT_THAT(ConfigFingerprint(With({})), MatchesRegex("[0-9a-f]{16}"));
}

TEST(ConfigResumeTest, WhatDoesNotChangeResultsMayChange) {
  const v1::Config saved = With({});
  for (const char* change :
       {"learner.steps=5", "learner.checkpoint={every_steps: 1, keep: 9}", "learner.threads=3",
        "rollout.workers=2", "rollout.parallel_leases=2", "learner.lease_seconds=5",
        "learner.micro_batch_tokens=64", "verification={max_attempts: 2}",
        "output.tensorboard=false", "output.inspect_every_steps=1"}) {
    const v1::Config now = With({change});
    EXPECT_EQ(ConfigFingerprint(now), ConfigFingerprint(saved)) << change;
    EXPECT_TRUE(CheckMayResume(saved, now).ok()) << change;
  }
}

TEST(ConfigResumeTest, WhatChangesResultsMustStay) {
  const v1::Config saved = With({});
  for (const char* change :
       {"seed=1", "task.sequence.target=copy", "task.sequence.length=8",
        "model.transformer.d_model=32", "rollout.group_size=4", "rollout.temperature=0.5",
        "learner.objective=grpo", "learner.eta=0.999", "learner.prompts_per_step=99",
        "learner.epochs=2", "learner.max_staleness=1", "learner.optimizer.muon.learning_rate=0.002",
        "learner.optimizer.adam.beta1=0.9"}) {
    const v1::Config now = With({change});
    EXPECT_NE(ConfigFingerprint(now), ConfigFingerprint(saved)) << change;
    EXPECT_EQ(CheckMayResume(saved, now).code(), absl::StatusCode::kFailedPrecondition) << change;
  }
}

TEST(ConfigResumeTest, SoMustTheEntriesOfLists) {
  const std::string dataset = "task={dataset: {path: p.jsonl, verifier: {composite: {parts: [";
  const auto parts = [&](const std::string& weights) {
    return With({dataset + weights + "]}}}}", "rollout.max_tokens=4", "model={hf: {path: m}}",
                 "rollout.stop=['.']"});
  };
  const v1::Config saved =
      parts("{weight: 0.8, exact_match: {}}, {weight: 0.2, regex: {pattern: '[0-9]+'}}");
  const v1::Config other =
      parts("{weight: 0.5, exact_match: {}}, {weight: 0.5, regex: {pattern: '[0-9]+'}}");
  EXPECT_NE(ConfigFingerprint(other), ConfigFingerprint(saved));
  const auto status = CheckMayResume(saved, other);
  EXPECT_THAT(std::string(status.message()),
              HasSubstr("task.dataset.verifier.composite.parts[1].weight: was 0.2 and cannot "
                        "become 0.5 on --resume"));
  v1::Config stops = saved;
  stops.mutable_rollout()->add_stop("!");
  EXPECT_THAT(std::string(CheckMayResume(saved, stops).message()),
              HasSubstr("rollout.stop[1]: was absent and cannot become !"));
}

TEST(ConfigResumeTest, VerifiersMayMoveButWhatTheyMakeOfAScoreMustStay) {
  const std::string first = "verifiers=[{address: 'a:1'}, {address: 'b:1'";
  const v1::Config saved = With({first + "}]"});
  for (const char* change :
       {"verifiers=[{address: 'c:2', name: c}, {addresses: ['d:1', 'd:2']}]",
        "verifiers=[{address: 'a:1', tls: {}}, {address: 'b:1', deadline_seconds: 3}]"}) {
    EXPECT_TRUE(CheckMayResume(saved, With({change})).ok()) << change;
    EXPECT_EQ(ConfigFingerprint(With({change})), ConfigFingerprint(saved)) << change;
  }
  for (const std::vector<std::string>& change :
       std::vector<std::vector<std::string>>{{first + ", role: gate}]"},
                                             {first + ", weight: 2}]"},
                                             {first + ", tasks: [x]}]"},
                                             {first + "}]", "verification.combine=product"},
                                             {first + "}, {address: 'c:1'}]"},
                                             {"verifiers=[{address: 'a:1'}]"},
                                             {}}) {
    EXPECT_EQ(CheckMayResume(saved, With(change)).code(), absl::StatusCode::kFailedPrecondition)
        << (change.empty() ? "no verifiers" : change.back());
  }
}

TEST(ConfigResumeTest, TheRefusalNamesEachFieldAndBothValues) {
  const auto status =
      CheckMayResume(With({}), With({"learner.eta=2", "learner.optimizer.sgd.learning_rate=0.1"}));
  const std::string message(status.message());
  EXPECT_THAT(message, HasSubstr("learner.eta: was 1 and cannot become 2 on --resume"));
  EXPECT_THAT(
      message,
      HasSubstr("learner.optimizer.muon.learning_rate: was 0.001 and cannot become absent"));
  EXPECT_THAT(message,
              HasSubstr("learner.optimizer.sgd.learning_rate: was absent and cannot become 0.1"));
}

TEST(ConfigResumeTest, SpellingOutADefaultChangesNothing) {
  EXPECT_EQ(ConfigFingerprint(With({"learner.eta=1.0", "model.transformer.feed_forward=256"})),
            ConfigFingerprint(With({})));
}

}  // namespace
}  // namespace tpo
