#include "verifier/routing/combine.h"

#include <limits>

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace tpo {
namespace {

using ::testing::ElementsAre;
using ::testing::Pair;

Opinion Score(std::string name, double score, double weight = 1.0) {
  return {.verifier = std::move(name),
          .role = VerifierRole::kScore,
          .weight = weight,
          .verdicts = {Verdict::Scored(score)}};
}

Opinion Gate(std::string name, double score) {
  return {.verifier = std::move(name),
          .role = VerifierRole::kGate,
          .weight = 1.0,
          .verdicts = {Verdict::Scored(score)}};
}

Opinion Unscored(std::string name, VerdictKind kind, std::string reason) {
  return {.verifier = std::move(name),
          .role = VerifierRole::kScore,
          .weight = 1.0,
          .verdicts = {Verdict::Unscored(kind, std::move(reason))}};
}

Verdict CombineOne(ScoreCombination combination, const std::vector<Opinion>& opinions) {
  const std::vector<Verdict> combined = Combine(combination, opinions, 1);
  EXPECT_EQ(combined.size(), 1U);
  return combined.front();
}

TEST(Combine, AWeightedSum) {
  const Verdict verdict =
      CombineOne(ScoreCombination::kWeightedSum, {Score("a", 0.5, 2.0), Score("b", 4.0, -0.25)});
  EXPECT_EQ(verdict.kind, VerdictKind::kScored);
  EXPECT_DOUBLE_EQ(verdict.score, 0.0);
}

TEST(Combine, AProductLeavesWeightsOut) {
  EXPECT_DOUBLE_EQ(
      CombineOne(ScoreCombination::kProduct, {Score("a", 0.5, 7.0), Score("b", -4.0)}).score, -2.0);
}

TEST(Combine, AGateLetsTheScorePassOrMakesItZero) {
  for (const ScoreCombination how : {ScoreCombination::kWeightedSum, ScoreCombination::kProduct}) {
    EXPECT_DOUBLE_EQ(CombineOne(how, {Score("a", 0.5), Gate("g", 0.01)}).score, 0.5);
    EXPECT_DOUBLE_EQ(CombineOne(how, {Score("a", 0.5), Gate("g", 100)}).score, 0.5);
    EXPECT_DOUBLE_EQ(CombineOne(how, {Score("a", -0.5), Gate("g", 0)}).score, 0.0);
    EXPECT_DOUBLE_EQ(CombineOne(how, {Gate("g", -1), Score("a", 0.5)}).score, 0.0);
    EXPECT_DOUBLE_EQ(CombineOne(how, {Gate("g", 1), Score("a", 0.5), Gate("h", 0)}).score, 0.0);
  }
}

TEST(Combine, NothingIsSummedInPart) {
  const Verdict verdict =
      CombineOne(ScoreCombination::kWeightedSum,
                 {Score("a", 0.5), Unscored("b", VerdictKind::kAbstained, "not mine"),
                  Unscored("c", VerdictKind::kTimedOut, "")});
  EXPECT_EQ(verdict.kind, VerdictKind::kTimedOut) << "the gravest";
  EXPECT_EQ(verdict.reason, "b abstained: not mine; c timed out");
  EXPECT_EQ(verdict.score, 0.0);
  EXPECT_TRUE(verdict.components.empty());
}

TEST(Combine, FailuresWeighMost) {
  EXPECT_EQ(CombineOne(ScoreCombination::kProduct, {Unscored("a", VerdictKind::kFailed, "x"),
                                                    Unscored("b", VerdictKind::kTimedOut, "y")})
                .kind,
            VerdictKind::kFailed);
}

TEST(Combine, AnUnscoredGateLeavesTheCompletionWithoutAScoreToo) {
  Opinion gate = Unscored("g", VerdictKind::kFailed, "down");
  gate.role = VerifierRole::kGate;
  EXPECT_EQ(CombineOne(ScoreCombination::kWeightedSum, {Score("a", 1.0), gate}).kind,
            VerdictKind::kFailed);
  EXPECT_EQ(CombineOne(ScoreCombination::kWeightedSum,
                       {Gate("closed", 0.0), Unscored("a", VerdictKind::kFailed, "down")})
                .kind,
            VerdictKind::kFailed)
      << "a closed gate doesn't make up for a missing score";
}

TEST(Combine, ComponentsCarryTheVerifiersName) {
  Opinion math = Score("math", 1.0);
  math.verdicts[0].components = {{"exact", 1.0}, {"steps", 3.0}};
  Opinion style = Gate("style", 0.25);
  style.verdicts[0].components = {{"exact", 0.0}};
  EXPECT_THAT(CombineOne(ScoreCombination::kWeightedSum, {math, style}).components,
              ElementsAre(Pair("math", 1.0), Pair("math/exact", 1.0), Pair("math/steps", 3.0),
                          Pair("style", 0.25), Pair("style/exact", 0.0)));
}

TEST(Combine, CostsAddUpAndExplanationsAreJoinedWhateverTheKinds) {
  Opinion paid = Score("paid", 1.0);
  paid.verdicts[0].cost = 0.5;
  paid.verdicts[0].explanation = "fine";
  Opinion failed = Unscored("judge", VerdictKind::kFailed, "refused");
  failed.verdicts[0].cost = 2.0;
  failed.verdicts[0].explanation = "no key";
  const Verdict verdict = CombineOne(ScoreCombination::kWeightedSum, {paid, failed});
  EXPECT_DOUBLE_EQ(verdict.cost, 2.5);
  EXPECT_EQ(verdict.explanation, "paid: fine\njudge: no key");
}

TEST(Combine, EachCompletionByItself) {
  Opinion a = Score("a", 1.0);
  a.verdicts.push_back(Verdict::Scored(2.0));
  Opinion b = Score("b", 10.0);
  b.verdicts.push_back(Verdict::Unscored(VerdictKind::kFailed, "x"));
  const std::vector<Verdict> combined = Combine(ScoreCombination::kWeightedSum, {a, b}, 2);
  EXPECT_EQ(combined[0].score, 11.0);
  EXPECT_EQ(combined[1].kind, VerdictKind::kFailed);
}

TEST(Combine, TokenRewardsAreScaledAsTheScoreIs) {
  Opinion a = Score("a", 0.5, 2.0);
  a.verdicts[0].token_rewards = {1.0F, 0.0F};
  EXPECT_THAT(CombineOne(ScoreCombination::kWeightedSum, {a, Gate("g", 1.0)}).token_rewards,
              ElementsAre(2.0F, 0.0F));
  EXPECT_THAT(CombineOne(ScoreCombination::kWeightedSum, {Gate("g", 0.0), a}).token_rewards,
              ElementsAre(0.0F, 0.0F));
}

TEST(Combine, AnOverflowIsNoScore) {
  const double huge = std::numeric_limits<double>::max();
  for (const ScoreCombination how : {ScoreCombination::kWeightedSum, ScoreCombination::kProduct}) {
    EXPECT_EQ(CombineOne(how, {Score("a", huge), Score("b", huge)}).kind, VerdictKind::kFailed);
  }
}

}  // namespace
}  // namespace tpo
