#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "services/config/config.h"
#include "tests/services/config/config_text.h"

namespace tpo {
namespace {

using ::testing::HasSubstr;
using ::testing::StartsWith;

TEST(ConfigOverrideTest, ReplacesAndAddsFields) {
  const auto config = ParseLeastAnd("learner: {steps: 10, eta: 2}\n",
                                    {"learner.steps=20", "rollout.group_size=4", "seed=7"});
  ASSERT_TRUE(config.ok()) << config.status();
  EXPECT_EQ(config->learner().steps(), 20);
  EXPECT_EQ(config->learner().eta(), 2.0);
  EXPECT_EQ(config->rollout().group_size(), 4);
  EXPECT_EQ(config->seed(), 7U);
}

TEST(ConfigOverrideTest, TheLastOfTwoHolds) {
  const auto config = ParseLeastAnd("", {"learner.steps=20", "learner.steps=30"});
  ASSERT_TRUE(config.ok()) << config.status();
  EXPECT_EQ(config->learner().steps(), 30);
}

TEST(ConfigOverrideTest, ValuesAreYaml) {
  const auto config =
      ParseLeastAnd("", {"verifiers=[{address: 'a:1'}, {address: 'b:2', deadline_seconds: 1}]",
                         "learner.optimizer={adam: {learning_rate: 0.5}}"});
  ASSERT_TRUE(config.ok()) << config.status();
  ASSERT_EQ(config->verifiers_size(), 2);
  EXPECT_EQ(config->verifiers(1).address(), "b:2");
  EXPECT_EQ(config->learner().optimizer().adam().learning_rate(), 0.5);
}

TEST(ConfigOverrideTest, ChoosesAnotherMemberThanTheFile) {
  const auto config = ParseLeastAnd("learner: {optimizer: {muon: {learning_rate: 0.5}}}\n",
                                    {"learner.optimizer.sgd.learning_rate=0.25"});
  ASSERT_TRUE(config.ok()) << config.status();
  ASSERT_TRUE(config->learner().optimizer().has_sgd());
  EXPECT_EQ(config->learner().optimizer().sgd().learning_rate(), 0.25);
}

TEST(ConfigOverrideTest, TwoOverridesMustNotChooseDifferentMembers) {
  const auto config = ParseLeastAnd(
      "", {"learner.optimizer.adam.beta1=0.5", "learner.optimizer.sgd.learning_rate=0.25"});
  EXPECT_THAT(
      ErrorOf(config),
      StartsWith(
          "--set learner.optimizer.sgd.learning_rate=0.25: learner.optimizer.sgd: cannot be given "
          "together with learner.optimizer.adam (--set learner.optimizer.adam.beta1=0.5)"));
}

TEST(ConfigOverrideTest, ErrorsNameTheOverride) {
  EXPECT_THAT(ErrorOf(ParseLeastAnd("learner: {epochs: 4}\n", {"learner.epochs=0"})),
              StartsWith("--set learner.epochs=0: learner.epochs: 0 is out of range"));
  EXPECT_THAT(
      ErrorOf(ParseLeastAnd("", {"learner.epoch=1"})),
      StartsWith("--set learner.epoch=1: learner.epoch: is no field; did you mean epochs?"));
  EXPECT_THAT(ErrorOf(ParseLeastAnd("", {"nowhere.at.all=1"})),
              StartsWith("--set nowhere.at.all=1: nowhere: is no field"));
  EXPECT_THAT(ErrorOf(ParseLeastAnd("", {"rollout.group_size=1"})),
              StartsWith("--set rollout.group_size=1: rollout.group_size: 1 is too few"));
}

TEST(ConfigOverrideTest, MalformedOverridesAreRefused) {
  EXPECT_THAT(ErrorOf(ParseLeastAnd("", {"learner.epochs"})),
              StartsWith("--set learner.epochs: expected PATH=VALUE"));
  EXPECT_THAT(ErrorOf(ParseLeastAnd("", {"learner.epochs="})),
              StartsWith("--set learner.epochs=: is empty"));
  EXPECT_THAT(ErrorOf(ParseLeastAnd("", {"learner.epochs=~"})), HasSubstr("found nothing"));
  EXPECT_THAT(ErrorOf(ParseLeastAnd("", {"learner..epochs=1"})),
              HasSubstr("a name in the path is empty"));
  EXPECT_THAT(ErrorOf(ParseLeastAnd("", {"=1"})), HasSubstr("a name in the path is empty"));
  EXPECT_THAT(ErrorOf(ParseLeastAnd("", {"learner.epochs=[1"})),
              HasSubstr("is a bracket left open?"));
  EXPECT_THAT(ErrorOf(ParseLeastAnd("", {"verifiers=[{address: 'a:1', name: caf\xe9}]"})),
              HasSubstr(": byte 0xe9 isn't UTF-8"));
}

TEST(ConfigOverrideTest, DoesNotReachIntoListsOrValues) {
  EXPECT_THAT(
      ErrorOf(ParseLeastAnd("verifiers: [{address: 'a:1'}]\n", {"verifiers.0.address=b:1"})),
      HasSubstr("set the whole list"));
  EXPECT_THAT(ErrorOf(ParseLeastAnd("seed: 1\n", {"seed.x=1"})),
              StartsWith("--set seed.x=1: x would be below a plain value, given at run.yaml:7"));
}

TEST(ConfigOverrideTest, DoesNotHideOtherErrorsOfTheFile) {
  EXPECT_THAT(ErrorOf(ParseLeastAnd("learner: {epochs: x}\n", {"learner.steps=1"})),
              StartsWith("run.yaml:7: learner.epochs: "));
}

}  // namespace
}  // namespace tpo
