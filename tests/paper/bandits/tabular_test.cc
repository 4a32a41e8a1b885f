#include "bench/paper/bandits/tabular.h"

#include <cmath>
#include <numeric>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "bench/paper/bandits/loops.h"
#include "bench/paper/bandits/random_draws.h"
#include "tests/golden_data.h"

namespace tpo {
namespace {

constexpr double kTolerance = 1e-10;
// Where the reference's own value is rounding: 1 - cosine of two equal directions.
constexpr double kFloor = 1e-12;

std::vector<double> Softmax(std::vector<double> logits) {
  double sum = 0.0;
  for (double& value : logits) sum += value = std::exp(value);
  for (double& value : logits) value /= sum;
  return logits;
}

TEST(MultiContextTest, FollowsTheReferencesTrajectories) {
  const nlohmann::json golden = GoldenJsonOrDie("losses/golden_losses.json")["tabular"];
  ASSERT_EQ(golden.size(), MethodsOf(BanditStudy::kMulti).size());
  for (const nlohmann::json& example : golden) {
    const auto name = example["name"].get<std::string>();
    SCOPED_TRACE(name);
    const auto method = ParseMethod(BanditStudy::kMulti, name.substr(name.find('/') + 1));
    ASSERT_TRUE(method.ok()) << method.status();
    const MultiContextSettings settings{.contexts = example["N"],
                                        .arms = example["K"],
                                        .steps = example["steps"],
                                        .step_length = example["alpha"]};
    const GoldenArray logits = GoldenArrayOrDie(example["logits_init"]);
    const BanditCurves curves = RunMultiContext(*method, settings, logits.values);
    const std::vector<double> error = GoldenArrayOrDie(example["error"]).values;
    const std::vector<double> misalignment = GoldenArrayOrDie(example["misalign"]).values;
    ASSERT_EQ(curves.error.size(), error.size());
    ASSERT_EQ(curves.misalignment.size(), misalignment.size());
    for (size_t i = 0; i < error.size(); ++i) {
      EXPECT_NEAR(curves.error[i], error[i], kTolerance * error[i]) << "step " << i;
      EXPECT_NEAR(curves.misalignment[i], misalignment[i], kTolerance * misalignment[i] + kFloor)
          << "step " << i;
    }
  }
}

TEST(MultiContextTest, EveryInstructionSetHasTheSameSoftmax) {
  // An odd number of contexts, so that vectors aren't filled, and logits up to where exp
  // underflows.
  constexpr int kArms = 3;
  constexpr int kContexts = 37;
  std::vector<double> logits(kArms * kContexts);
  for (size_t i = 0; i < logits.size(); ++i) {
    logits[i] = 400.0 * NormalAt(1, 0, static_cast<uint32_t>(i)) / (1.0 + static_cast<double>(i));
  }
  logits[0] = -800.0;
  for (const TableLoops* loops : {&bandit_loops_baseline::kTableLoops, &BestTableLoops()}) {
    std::vector<double> policy(logits.size());
    std::vector<double> scratch(2 * kContexts);
    loops->softmax(logits.data(), kArms, kContexts, scratch.data(), policy.data());
    for (int n = 0; n < kContexts; ++n) {
      double largest = -1e300;
      double sum = 0.0;
      for (int arm = 0; arm < kArms; ++arm)
        largest = std::max(largest, logits[arm * kContexts + n]);
      for (int arm = 0; arm < kArms; ++arm) sum += std::exp(logits[arm * kContexts + n] - largest);
      for (int arm = 0; arm < kArms; ++arm) {
        const double expected = std::exp(logits[arm * kContexts + n] - largest) / sum;
        EXPECT_NEAR(policy[arm * kContexts + n], expected, 1e-14 * expected + 1e-300);
      }
    }
  }
}

// The surrogate whose gradient a step follows, the weights fixed: mean over draws of w(arm) log π.
double Surrogate(const std::vector<double>& logits, const std::vector<int>& draws,
                 const std::vector<double>& weights) {
  const std::vector<double> policy = Softmax(logits);
  const double total = std::accumulate(draws.begin(), draws.end(), 0);
  double sum = 0.0;
  for (size_t arm = 0; arm < logits.size(); ++arm) {
    sum += draws[arm] * weights[arm] * std::log(policy[arm]) / total;
  }
  return sum;
}

TEST(SingleContextTest, DirectionsAreGradientsOfTheWeightedLogProbs) {
  const std::vector<double> logits = {0.3, -0.7, 1.1, 0.0, -0.2};
  const std::vector<double> policy = Softmax(logits);
  const std::vector<int> draws = {3, 0, 4, 1, 2};
  const double mean = 0.3;  // three of ten draws were right
  const double deviation = std::sqrt(mean * (1.0 - mean) + 1e-8);
  for (const BanditMethod method : {BanditMethod::kPg, BanditMethod::kDg, BanditMethod::kGrpo}) {
    std::vector<double> weights;
    for (size_t arm = 0; arm < logits.size(); ++arm) {
      const double reward = arm == 0 ? 1.0 : 0.0;
      double weight = reward - 0.5;
      if (method == BanditMethod::kDg) {
        weight /= 1.0 + std::exp(weight * std::log(policy[arm]));
      } else if (method == BanditMethod::kGrpo) {
        weight = (reward - mean) / deviation;
      }
      weights.push_back(weight);
    }
    std::vector<double> direction(logits.size());
    SingleContextDirection(method, policy, draws, absl::MakeSpan(direction));
    for (size_t arm = 0; arm < logits.size(); ++arm) {
      constexpr double kStep = 1e-6;
      std::vector<double> up = logits;
      std::vector<double> down = logits;
      up[arm] += kStep;
      down[arm] -= kStep;
      const double slope =
          (Surrogate(up, draws, weights) - Surrogate(down, draws, weights)) / (2 * kStep);
      EXPECT_NEAR(direction[arm], slope, 1e-8) << MethodName(method) << " arm " << arm;
    }
  }
}

TEST(SingleContextTest, TpoMovesToTheTargetOfTheMeanScores) {
  const std::vector<double> policy = {0.2, 0.5, 0.25, 0.05};
  const std::vector<int> draws = {2, 5, 3, 0};
  // Scores 0.1, -0.25, -0.15, 0 of mean -0.075 and mean square 0.0188….
  const std::vector<double> centred = {0.175, -0.175, -0.075, 0.075};
  const double deviation = std::sqrt((2 * 0.175 * 0.175 + 2 * 0.075 * 0.075) / 4);
  std::vector<double> target;
  double sum = 0.0;
  for (size_t arm = 0; arm < policy.size(); ++arm) {
    target.push_back((policy[arm] + 1e-8) * std::exp(centred[arm] / deviation));
    sum += target.back();
  }
  std::vector<double> direction(policy.size());
  SingleContextDirection(BanditMethod::kTpo, policy, draws, absl::MakeSpan(direction));
  for (size_t arm = 0; arm < policy.size(); ++arm) {
    EXPECT_NEAR(direction[arm], target[arm] / sum - policy[arm], 1e-14);
  }
}

TEST(SingleContextTest, WithoutARightDrawGrpoStandsStill) {
  std::vector<double> direction(3);
  SingleContextDirection(BanditMethod::kGrpo, {{0.2, 0.3, 0.5}}, {{0, 4, 6}},
                         absl::MakeSpan(direction));
  for (const double value : direction) EXPECT_EQ(value, 0.0);
}

TEST(SingleContextTest, StartsFromTheUniformPolicyAndTakesStepsOfTheGivenLength) {
  const SingleContextSettings settings{.arms = 4, .samples = 50, .steps = 2, .step_length = 0.1};
  const BanditCurves curves = RunSingleContext(BanditMethod::kPg, settings, 7);
  EXPECT_DOUBLE_EQ(curves.error[0], 0.75);
  // No step of this length raises a probability of 1/4 by more, or lowers it by more.
  EXPECT_NEAR(curves.error[1], 0.75, 0.1 * 0.25 * std::sqrt(0.75) + 1e-3);
  EXPECT_LT(curves.error[1], 0.75);
}

TEST(SingleContextTest, IsAFunctionOfTheSeed) {
  const SingleContextSettings settings{.arms = 10, .samples = 20, .steps = 30};
  const BanditCurves first = RunSingleContext(BanditMethod::kTpo, settings, 3);
  EXPECT_EQ(first.error, RunSingleContext(BanditMethod::kTpo, settings, 3).error);
  EXPECT_NE(first.error, RunSingleContext(BanditMethod::kTpo, settings, 4).error);
}

TEST(RandomDrawsTest, ArmsAreDrawnByTheirShare) {
  const std::vector<double> cumulative = {0.25, 0.25, 0.75, 1.0};
  EXPECT_EQ(ArmAt(cumulative, 0.0), 0);
  EXPECT_EQ(ArmAt(cumulative, 0.2499), 0);
  EXPECT_EQ(ArmAt(cumulative, 0.25), 2) << "an arm of probability 0 was drawn";
  EXPECT_EQ(ArmAt(cumulative, 0.76), 3);
  EXPECT_EQ(ArmAt({{0.5, 0.999}}, std::nextafter(1.0, 0.0)), 1);
}

TEST(RandomDrawsTest, NormalNumbersHaveTheirMoments) {
  constexpr uint32_t kCount = 20000;
  double sum = 0.0;
  double squares = 0.0;
  double truncated_squares = 0.0;
  for (uint32_t i = 0; i < kCount; ++i) {
    const double value = NormalAt(5, 2, i);
    const double truncated = TruncatedNormalAt(5, 2, i);
    EXPECT_LE(std::abs(truncated), 2.0);
    sum += value;
    squares += value * value;
    truncated_squares += truncated * truncated;
  }
  // Four standard errors.
  EXPECT_NEAR(sum / kCount, 0.0, 0.03);
  EXPECT_NEAR(squares / kCount, 1.0, 0.04);
  EXPECT_NEAR(truncated_squares / kCount, 0.7737, 0.03);
}

}  // namespace
}  // namespace tpo
