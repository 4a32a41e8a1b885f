#include "bench/paper/bandits/neural_objective.h"

#include <cmath>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "bench/paper/bandits/wrong_class.h"
#include "learner/objectives/objective_math.h"
#include "tests/golden_data.h"

namespace tpo {
namespace {

std::vector<double> LogSoftmaxRows(std::vector<double> logits, int classes) {
  for (size_t start = 0; start < logits.size(); start += static_cast<size_t>(classes)) {
    LogSoftmaxInPlace(absl::MakeSpan(logits).subspan(start, classes));
  }
  return logits;
}

TEST(NeuralObjectiveTest, MatchesTheReference) {
  const nlohmann::json golden = GoldenJsonOrDie("losses/golden_losses.json")["losses"];
  int cases = 0;
  for (const nlohmann::json& example : golden) {
    if (example["kind"] != "bandit") continue;
    SCOPED_TRACE(example["name"].get<std::string>());
    ASSERT_EQ(example["hyper"].value("eta", 1.0), 1.0);
    const auto method =
        ParseMethod(BanditStudy::kNeural, example["loss_name"].get<std::string>().substr(7));
    ASSERT_TRUE(method.ok()) << method.status();
    const GoldenArray logits = GoldenArrayOrDie(example["logits"]);
    const auto classes = static_cast<int>(logits.shape[1]);
    const std::vector<double> log_probs = LogSoftmaxRows(logits.values, classes);
    const auto actions = example["actions"].get<std::vector<int>>();
    const auto rewards = example["reward"].get<std::vector<double>>();
    std::vector<double> gradient(log_probs.size());
    const double loss = EvaluateBandit(*method,
                                       {.rows = static_cast<int>(logits.shape[0]),
                                        .classes = classes,
                                        .log_probs = log_probs,
                                        .actions = actions,
                                        .rewards = rewards},
                                       absl::MakeSpan(gradient));
    const double expected_loss = example["loss"];
    EXPECT_NEAR(loss, expected_loss, 1e-10 * std::abs(expected_loss) + 1e-12);
    const std::vector<double> expected = GoldenArrayOrDie(example["grad_logits"]).values;
    ASSERT_EQ(gradient.size(), expected.size());
    for (size_t i = 0; i < expected.size(); ++i) {
      EXPECT_NEAR(gradient[i], expected[i], 1e-10 * std::abs(expected[i]) + 1e-14) << i;
    }
    ++cases;
  }
  EXPECT_EQ(cases, 20);
}

// The update of one image's logits, averaged over the action that is drawn.
std::vector<double> EnumeratedUpdate(BanditMethod method, const std::vector<double>& policy,
                                     int label) {
  const auto classes = static_cast<int>(policy.size());
  std::vector<double> log_probs;
  for (const double probability : policy) log_probs.push_back(std::log(probability));
  std::vector<double> update(policy.size(), 0.0);
  for (int action = 0; action < classes; ++action) {
    const std::vector<int> actions = {action};
    const std::vector<double> rewards = {action == label ? 1.0 : 0.0};
    std::vector<double> gradient(policy.size());
    EvaluateBandit(method,
                   {.rows = 1,
                    .classes = classes,
                    .log_probs = log_probs,
                    .actions = actions,
                    .rewards = rewards},
                   absl::MakeSpan(gradient));
    for (int i = 0; i < classes; ++i) update[i] -= policy[action] * gradient[i];
  }
  return update;
}

const std::vector<double> kPolicy = {0.11, 0.45, 0.02, 0.07, 0.05, 0.09, 0.03, 0.04, 0.08, 0.06};
constexpr int kLabel = 3;
constexpr BanditMethod kWithGain[] = {BanditMethod::kPg, BanditMethod::kGroupPg, BanditMethod::kDg,
                                      BanditMethod::kTpo};

TEST(WrongClassTest, ExpectedUpdateIsTheObjectivesOwn) {
  for (const BanditMethod method : kWithGain) {
    ASSERT_TRUE(HasWrongClassGain(method));
    const std::vector<double> expected = EnumeratedUpdate(method, kPolicy, kLabel);
    const std::vector<double> update = ExpectedUpdate(method, kPolicy, kLabel);
    for (size_t i = 0; i < kPolicy.size(); ++i) {
      EXPECT_NEAR(update[i], expected[i], 1e-14) << MethodName(method) << " class " << i;
    }
  }
  EXPECT_FALSE(HasWrongClassGain(BanditMethod::kGrpo));
}

TEST(WrongClassTest, GainIsTheSlopeOfTheRightClassProbability) {
  constexpr double kStep = 1e-6;
  for (const BanditMethod method : kWithGain) {
    const std::vector<double> update = ExpectedUpdate(method, kPolicy, kLabel);
    const auto probability_at = [&](double step) {
      std::vector<double> log_probs;
      for (size_t i = 0; i < kPolicy.size(); ++i) {
        log_probs.push_back(std::log(kPolicy[i]) + step * update[i]);
      }
      return std::exp(LogSoftmaxRows(log_probs, 10)[kLabel]);
    };
    const double slope = (probability_at(kStep) - probability_at(-kStep)) / (2 * kStep);
    EXPECT_NEAR(GainOf(method, kPolicy, kLabel).gain, slope, 1e-9) << MethodName(method);
  }
}

TEST(WrongClassTest, WithEqualWrongClassesThereIsNoSurplus) {
  const double wrong = (1.0 - 0.19) / 9.0;
  std::vector<double> policy(10, wrong);
  policy[kLabel] = 0.19;
  for (const BanditMethod method : kWithGain) {
    const WrongClassGain gain = GainOf(method, policy, kLabel);
    EXPECT_GT(gain.gain, 0.0);
    EXPECT_NEAR(gain.gain, gain.one_versus_rest, 1e-14) << MethodName(method);
  }
}

TEST(WrongClassTest, OneDominantWrongClassGivesTpoASurplusAndDgNone) {
  std::vector<double> policy(10, 0.01);
  policy[kLabel] = 0.2;
  policy[7] = 0.72;
  const WrongClassGain tpo = GainOf(BanditMethod::kTpo, policy, kLabel);
  EXPECT_GT(tpo.gain, 1.1 * tpo.one_versus_rest);
  const WrongClassGain dg = GainOf(BanditMethod::kDg, policy, kLabel);
  EXPECT_LT(dg.gain, dg.one_versus_rest);
}

TEST(WrongClassTest, BinsByTheShareOfTheLargestWrongClass) {
  EXPECT_EQ(ConcentrationBin(std::vector<double>(10, 0.1), 0), 0);
  // A border belongs to the bin above it.
  EXPECT_EQ(ConcentrationBin(std::vector<double>{0.0, 0.25, 0.25, 0.25, 0.25}, 0), 1);
  EXPECT_EQ(ConcentrationBin(std::vector<double>{0.2, 0.56, 0.24}, 0), 2);
  EXPECT_EQ(ConcentrationBin(std::vector<double>{0.2, 0.8, 0.0}, 0), 3);
  EXPECT_EQ(ConcentrationBin(std::vector<double>{0.2, 0.8, 0.0}, 1), 3);
}

TEST(WrongClassTest, MeansAreOverTheImagesOfABin) {
  ConcentrationMeans sums{};
  AddToSums({.gain = 1.0, .one_versus_rest = 0.5}, 2, sums);
  AddToSums({.gain = 3.0, .one_versus_rest = 0.0}, 2, sums);
  FinishMeans(sums);
  EXPECT_EQ(sums[2].images, 2);
  EXPECT_DOUBLE_EQ(sums[2].gain, 2.0);
  EXPECT_DOUBLE_EQ(sums[2].one_versus_rest, 0.25);
  EXPECT_EQ(sums[0].images, 0);
  EXPECT_EQ(sums[0].gain, 0.0);
}

}  // namespace
}  // namespace tpo
