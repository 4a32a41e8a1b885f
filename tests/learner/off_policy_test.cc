// What TPO and the policy-gradient objectives do with groups that another policy sampled.
#include <algorithm>
#include <cmath>
#include <cstdint>
#include <limits>
#include <memory>
#include <numeric>
#include <random>
#include <string>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "learner/objectives/anchoring.h"
#include "learner/objectives/importance.h"
#include "learner/objectives/objective.h"

namespace tpo {
namespace {

using ::testing::Each;
using ::testing::HasSubstr;

struct Batch {
  int rows = 0;
  int columns = 0;
  std::vector<double> log_probs;
  std::vector<double> recorded;
  std::vector<double> proximal;
  std::vector<double> scores;
  std::vector<uint8_t> valid;

  ObjectiveInput input() const {
    return {rows, columns, log_probs, recorded, scores, valid, proximal};
  }
};

// Groups whose log-probs spread by `spread` nats, sampled by a policy that differs by `staleness`
// nats from the one that took them, which differs by `progress` from the current one.
Batch RandomBatch(int rows, int columns, double spread, double staleness, double progress,
                  uint32_t seed = 1) {
  std::mt19937 random(seed);
  std::normal_distribution<double> normal;
  Batch batch;
  batch.rows = rows;
  batch.columns = columns;
  for (int i = 0; i < rows * columns; ++i) {
    const double proximal = -20.0 + spread * normal(random);
    batch.proximal.push_back(proximal);
    batch.recorded.push_back(proximal + staleness * normal(random));
    batch.log_probs.push_back(proximal + progress * normal(random));
    batch.scores.push_back(normal(random));
    batch.valid.push_back(1);
  }
  return batch;
}

std::unique_ptr<Objective> MakeTpo(const AnchorSpec& anchor, double eta = 1.0,
                                   ObjectiveKind kind = ObjectiveKind::kTpo) {
  ObjectiveSpec spec;
  spec.kind = kind;
  spec.eta = eta;
  spec.anchor = anchor;
  return MakeObjective(spec).value();
}

std::vector<double> Coefficients(const AnchorSpec& anchor, const Batch& batch, double eta = 1.0) {
  return MakeTpo(anchor, eta)->Evaluate(batch.input()).coefficients;
}

double L1(const std::vector<double>& values) {
  return std::accumulate(values.begin(), values.end(), 0.0,
                         [](double sum, double value) { return sum + std::abs(value); });
}

// u of one group, standardized independently of the code under test.
std::vector<double> Standardized(const std::vector<double>& scores) {
  const double count = static_cast<double>(scores.size());
  const double mean = std::accumulate(scores.begin(), scores.end(), 0.0) / count;
  double squares = 0.0;
  for (const double score : scores) squares += (score - mean) * (score - mean);
  std::vector<double> standardized;
  for (const double score : scores)
    standardized.push_back((score - mean) / std::sqrt(squares / count));
  return standardized;
}

struct NamedAnchor {
  std::string name;
  AnchorSpec spec;
};

const std::vector<NamedAnchor>& Anchors() {
  static const auto& anchors = *new std::vector<NamedAnchor>{
      {"behavior", {}},
      {"proximal", {.anchor = Anchor::kProximal}},
      {"ratio_uncapped", {.anchor = Anchor::kRatio, .ratio_cap = 0.0}},
      {"ratio_capped", {.anchor = Anchor::kRatio, .ratio_cap = 2.0}},
      {"attenuated_proximal",
       {.anchor = Anchor::kProximal,
        .gate = EffectiveSampleGate::kAttenuate,
        .gate_fraction = 0.9}},
      {"attenuated_ratio",
       {.anchor = Anchor::kRatio, .gate = EffectiveSampleGate::kAttenuate, .gate_fraction = 0.9}}};
  return anchors;
}

class AnyAnchor : public ::testing::TestWithParam<NamedAnchor> {};

std::string NameOf(const ::testing::TestParamInfo<NamedAnchor>& info) { return info.param.name; }

INSTANTIATE_TEST_SUITE_P(Anchors, AnyAnchor, ::testing::ValuesIn(Anchors()), NameOf);

TEST_P(AnyAnchor, CoefficientsAreTheSlopesOfTheLoss) {
  constexpr double kStep = 1e-6;
  Batch batch = RandomBatch(3, 5, 1.0, 0.7, 0.3);
  batch.valid[2] = 0;
  batch.valid[7] = 0;
  batch.log_probs[7] = std::numeric_limits<double>::quiet_NaN();
  const auto objective = MakeTpo(GetParam().spec, 0.7);
  const ObjectiveOutput output = objective->Evaluate(batch.input());
  EXPECT_GT(L1(output.coefficients), 0.05);
  for (size_t i = 0; i < batch.log_probs.size(); ++i) {
    const auto loss_at = [&](double change) {
      Batch moved = batch;
      moved.log_probs[i] += change;
      return objective->Evaluate(moved.input()).loss;
    };
    if (batch.valid[i] == 0) {
      EXPECT_EQ(output.coefficients[i], 0.0);
    } else {
      EXPECT_NEAR(output.coefficients[i], (loss_at(kStep) - loss_at(-kStep)) / (2 * kStep), 1e-8);
    }
  }
}

TEST_P(AnyAnchor, CoefficientsOfAGroupSumToZero) {
  const std::vector<double> coefficients =
      Coefficients(GetParam().spec, RandomBatch(1, 16, 2.0, 1.0, 0.5));
  EXPECT_NEAR(std::accumulate(coefficients.begin(), coefficients.end(), 0.0), 0.0, 1e-12);
}

TEST_P(AnyAnchor, WithoutProximalLogProbsTheBatchCountsAsOnPolicy) {
  Batch batch = RandomBatch(2, 8, 1.0, 0.5, 0.2);
  Batch on_policy = batch;
  on_policy.proximal = on_policy.recorded;
  batch.proximal.clear();
  EXPECT_EQ(Coefficients(GetParam().spec, batch), Coefficients(GetParam().spec, on_policy));
}

TEST(AnchorTest, BehaviorAndProximalCoincideBitByBitOnPolicy) {
  const Batch batch = RandomBatch(4, 8, 3.0, 0.0, 0.4);
  EXPECT_EQ(Coefficients({}, batch), Coefficients({.anchor = Anchor::kProximal}, batch));
}

TEST(AnchorTest, BehaviorDoesNotLookAtTheProximalPolicy) {
  Batch batch = RandomBatch(4, 8, 3.0, 0.7, 0.4);
  const std::vector<double> coefficients = Coefficients({}, batch);
  for (double& log_prob : batch.proximal) log_prob -= 1.0;
  EXPECT_EQ(Coefficients({}, batch), coefficients);
}

TEST(AnchorTest, ProximalIsImmuneToWhateverTheSamplerRecorded) {
  Batch batch = RandomBatch(4, 8, 3.0, 0.0, 0.4);
  const AnchorSpec proximal = {.anchor = Anchor::kProximal};
  const std::vector<double> coefficients = Coefficients(proximal, batch);
  std::mt19937 random(2);
  for (double& log_prob : batch.recorded)
    log_prob += 3.0 * std::normal_distribution<double>()(random);
  EXPECT_EQ(Coefficients(proximal, batch), coefficients);
  EXPECT_NE(Coefficients({}, batch), coefficients);
}

// In the first epoch, when the current policy is the one that took the batch.
TEST(AnchorTest, AGroupWithoutVarianceLeavesTheFirstEpochExactlyAloneButForAStaleBehavior) {
  Batch batch = RandomBatch(1, 8, 3.0, 1.0, 0.0);
  batch.scores.assign(8, 0.3);
  for (const double cap : {0.0, 2.0}) {
    EXPECT_THAT(Coefficients({.anchor = Anchor::kRatio, .ratio_cap = cap}, batch), Each(0.0));
  }
  EXPECT_THAT(Coefficients({.anchor = Anchor::kProximal}, batch), Each(0.0));
  EXPECT_GT(L1(Coefficients({}, batch)), 0.1) << "it pulls back to the stale policy";
}

// off_policy.md, 1 and 2: log pi = log pi_prox + u / eta is the fixed point whatever sampled the
// set.
TEST(AnchorTest, TheTiltedProximalPolicyIsTheFixedPointForAnySampler) {
  const double eta = 0.5;
  for (const double staleness : {0.0, 0.5, 3.0}) {
    Batch batch = RandomBatch(1, 8, 2.0, staleness, 0.0);
    const std::vector<double> u = Standardized(batch.scores);
    for (size_t i = 0; i < u.size(); ++i) batch.log_probs[i] = batch.proximal[i] + u[i] / eta - 4.0;
    EXPECT_LT(L1(Coefficients({.anchor = Anchor::kProximal}, batch, eta)), 1e-12);
    for (const double cap : {0.0, 0.5, 2.0}) {
      const AnchorSpec ratio = {.anchor = Anchor::kRatio, .ratio_cap = cap};
      EXPECT_LT(L1(Coefficients(ratio, batch, eta)), 1e-12) << cap;
    }
    EXPECT_EQ(L1(Coefficients({}, batch, eta)) > 1e-3, staleness > 0.0);
    // The behavior anchor's own fixed point is the tilted stale policy.
    for (size_t i = 0; i < u.size(); ++i) batch.log_probs[i] = batch.recorded[i] + u[i] / eta;
    EXPECT_LT(L1(Coefficients({}, batch, eta)), 1e-12);
  }
}

TEST(AnchorTest, TheRatioFormWeighsMembersAlikeOnPolicyHoweverUnlikeTheirLengths) {
  for (const double spread : {0.0, 10.0, 100.0}) {
    const Batch batch = RandomBatch(1, 4, spread, 0.0, 0.0);
    const std::vector<double> u = Standardized(batch.scores);
    double sum = 0.0;
    for (const double value : u) sum += std::exp(value);
    const std::vector<double> coefficients = Coefficients({.anchor = Anchor::kRatio}, batch);
    for (size_t i = 0; i < u.size(); ++i) {
      EXPECT_NEAR(coefficients[i], 0.25 - std::exp(u[i]) / sum, 1e-12) << spread;
    }
  }
}

// off_policy.md, 3: groups of 16 of which 30 % succeed.
TEST(AnchorTest, SummedLogProbsOfLongCompletionsSaturateAndTheRatioFormDoesNot) {
  constexpr int kGroups = 2000;
  std::mt19937 random(5);
  const auto saturated = [&](const AnchorSpec& anchor, double spread) {
    Batch batch = RandomBatch(kGroups, 16, spread, 0.0, 0.0, random());
    for (double& score : batch.scores) score = std::bernoulli_distribution(0.3)(random) ? 1.0 : 0.0;
    const std::vector<double> coefficients = Coefficients(anchor, batch);
    int count = 0;
    for (int g = 0; g < kGroups; ++g) {
      double distance = 0.0;
      for (int k = 0; k < 16; ++k) distance += kGroups * std::abs(coefficients[g * 16 + k]);
      count += distance < 0.01;
    }
    return static_cast<double>(count) / kGroups;
  };
  EXPECT_NEAR(saturated({}, 10.0), 0.54, 0.05);
  EXPECT_NEAR(saturated({}, 20.0), 0.76, 0.05);
  // Only groups that have no variance: 0.7^16 + 0.3^16.
  EXPECT_LT(saturated({.anchor = Anchor::kRatio}, 20.0), 0.02);
}

TEST(AnchorTest, TheCapBoundsWhatOneMemberCountsFor) {
  Batch batch = RandomBatch(1, 4, 0.0, 0.0, 0.0);
  batch.scores = {1.0, 0.0, 0.0, 0.0};
  batch.recorded[1] = batch.proximal[1] - 50.0;  // the sampler would hardly ever have drawn it
  const auto share = [&](double cap) {
    const Batch at_fixed_scores = batch;
    const std::vector<double> c =
        Coefficients({.anchor = Anchor::kRatio, .ratio_cap = cap}, at_fixed_scores);
    return L1(c);
  };
  EXPECT_LT(share(0.0), 1e-9) << "one member takes all";
  EXPECT_GT(share(2.0), 0.1);
}

TEST(AnchorTest, TokenLevelTpoTakesTheSameAnchors) {
  const Batch batch = RandomBatch(3, 5, 1.0, 0.7, 0.3);
  for (const NamedAnchor& anchor : Anchors()) {
    EXPECT_EQ(
        MakeTpo(anchor.spec, 1.0, ObjectiveKind::kTpoToken)->Evaluate(batch.input()).coefficients,
        Coefficients(anchor.spec, batch))
        << anchor.name;
  }
}

TEST(AnchorTest, TheAblationWithoutAnchorHasNone) {
  const Batch batch = RandomBatch(3, 5, 1.0, 0.7, 0.3);
  const auto of = [&](const AnchorSpec& anchor) {
    return MakeTpo(anchor, 1.0, ObjectiveKind::kTpoNoAnchor)->Evaluate(batch.input()).coefficients;
  };
  EXPECT_EQ(
      of({}),
      of({.anchor = Anchor::kRatio, .gate = EffectiveSampleGate::kDrop, .gate_fraction = 1.0}));
}

TEST(AnchorTest, RefusesWhatMakesNoSense) {
  ObjectiveSpec spec;
  spec.anchor.ratio_cap = -1.0;
  EXPECT_THAT(std::string(MakeObjective(spec).status().message()), HasSubstr("ratio_cap"));
  spec.anchor = {.gate_fraction = 0.0};
  EXPECT_THAT(std::string(MakeObjective(spec).status().message()),
              HasSubstr("effective_sample_fraction"));
}

GroupMembers Members(const std::vector<double>& log_ratios) {
  GroupMembers group;
  for (size_t i = 0; i < log_ratios.size(); ++i) {
    group.entries.push_back(i);
    group.anchor_log_probs.push_back(-30.0);
    group.proximal_log_probs.push_back(-30.0 + log_ratios[i]);
    group.log_probs.push_back(-30.0);
    group.scores.push_back(0.0);
  }
  return group;
}

TEST(EffectiveSampleTest, IsOneForEqualWeightsAndOneMembersShareWhenItTakesAll) {
  EXPECT_DOUBLE_EQ(EffectiveSampleFraction({}, Members({0.0, 0.0, 0.0, 0.0})), 1.0);
  EXPECT_DOUBLE_EQ(EffectiveSampleFraction({}, Members({-800.0, -800.0})), 1.0);
  EXPECT_DOUBLE_EQ(EffectiveSampleFraction({}, Members({900.0, 0.0, 0.0, 0.0})), 0.25);
  const double two_to_one = std::log(2.0);
  EXPECT_DOUBLE_EQ(EffectiveSampleFraction({}, Members({two_to_one, 0.0})), 9.0 / (5.0 * 2.0));
}

TEST(EffectiveSampleTest, CountsCappedRatiosAsTheAnchorDoes) {
  const GroupMembers group = Members({900.0, std::log(2.0), 0.0, 0.0});
  const AnchorSpec capped = {.anchor = Anchor::kRatio, .ratio_cap = 2.0};
  EXPECT_NEAR(EffectiveSampleFraction(capped, group), 36.0 / (10.0 * 4.0), 1e-12);
}

// off_policy.md, 4: with T tokens and a KL of kappa per token, about e^(-2 T kappa).
TEST(EffectiveSampleTest, FallsExponentiallyWithTheDivergence) {
  constexpr int kMembers = 20000;
  for (const double divergence : {0.05, 0.2, 0.5}) {
    // Log-ratios of normal policies that far apart: N(-divergence, 2 divergence).
    std::mt19937 random(4);
    std::normal_distribution<double> normal(-divergence, std::sqrt(2.0 * divergence));
    std::vector<double> log_ratios(kMembers);
    for (double& value : log_ratios) value = normal(random);
    EXPECT_NEAR(EffectiveSampleFraction({}, Members(log_ratios)), std::exp(-2.0 * divergence),
                0.04);
  }
}

TEST(EffectiveSampleTest, TheGateDropsOrAttenuatesOnlyBelowItsFraction) {
  AnchorSpec spec = {.gate_fraction = 0.25};
  EXPECT_EQ(GateWeight(spec, 0.1), 1.0);
  spec.gate = EffectiveSampleGate::kDrop;
  EXPECT_EQ(GateWeight(spec, 0.25), 1.0);
  EXPECT_EQ(GateWeight(spec, 0.24), 0.0);
  spec.gate = EffectiveSampleGate::kAttenuate;
  EXPECT_EQ(GateWeight(spec, 0.5), 1.0);
  EXPECT_DOUBLE_EQ(GateWeight(spec, 0.125), 0.5);
}

TEST(EffectiveSampleTest, AGatedGroupLeavesTheOthersAsTheyAre) {
  Batch batch = RandomBatch(2, 4, 1.0, 0.1, 0.2);
  batch.recorded[5] = batch.proximal[5] - 40.0;  // so the second group's effective size is 1
  const AnchorSpec open = {.anchor = Anchor::kProximal};
  AnchorSpec gated = open;
  gated.gate = EffectiveSampleGate::kDrop;
  gated.gate_fraction = 0.5;
  const ObjectiveOutput free = MakeTpo(open)->Evaluate(batch.input());
  const ObjectiveOutput dropped = MakeTpo(gated)->Evaluate(batch.input());
  for (int i = 0; i < 4; ++i) {
    EXPECT_EQ(dropped.coefficients[i], free.coefficients[i]);
    EXPECT_EQ(dropped.coefficients[4 + i], 0.0);
    EXPECT_NE(free.coefficients[4 + i], 0.0);
  }
  EXPECT_EQ(free.diagnostics.gated_fraction, 0.0);
  EXPECT_EQ(dropped.diagnostics.gated_fraction, 0.5);
  EXPECT_NEAR(dropped.diagnostics.effective_sample_fraction, (1.0 + 0.25) / 2, 0.02);
}

TEST(ImportanceTest, TruncatesOrMasksAtTheCap) {
  const ImportanceSpec truncate = {.correction = ImportanceCorrection::kTruncate, .cap = 2.0};
  const ImportanceSpec mask = {.correction = ImportanceCorrection::kMask, .cap = 2.0};
  const auto weight = [](const ImportanceSpec& spec, double ratio) {
    return TokenImportance(spec, std::log(ratio)).weight;
  };
  for (const double ratio : {0.51, 1.0, 1.99}) {
    EXPECT_DOUBLE_EQ(weight(truncate, ratio), ratio);
    EXPECT_DOUBLE_EQ(weight(mask, ratio), ratio);
    EXPECT_FALSE(TokenImportance(truncate, std::log(ratio)).clipped);
    EXPECT_FALSE(TokenImportance(mask, std::log(ratio)).clipped);
  }
  EXPECT_EQ(weight(truncate, 2.1), 2.0);
  EXPECT_TRUE(TokenImportance(truncate, std::log(2.1)).clipped);
  EXPECT_EQ(weight(mask, 2.1), 0.0);
  EXPECT_DOUBLE_EQ(weight(truncate, 0.01), 0.01) << "small ratios are harmless";
  EXPECT_EQ(weight(mask, 0.49), 0.0);
  EXPECT_TRUE(TokenImportance(mask, std::log(0.49)).clipped);
  EXPECT_EQ(weight({}, 7.0), 1.0);
  EXPECT_EQ(TokenImportance(truncate, 1e6).weight, 2.0) << "overflow";
}

// What the weights are for: samples of one policy give another's gradient, in expectation.
TEST(ImportanceTest, UncappedWeightsTurnTheSamplersGradientIntoTheLearners) {
  const std::vector<double> sampler = {0.7, 0.2, 0.1};
  const std::vector<double> learner = {0.2, 0.3, 0.5};
  const std::vector<double> rewards = {1.0, -2.0, 0.5};
  const auto gradient = [&](const ImportanceSpec& spec) {
    // d / d logit_0 of Σ_a sampler(a) weight(a) reward(a) log learner(a).
    double sum = 0.0;
    for (size_t a = 0; a < 3; ++a) {
      const double weight = TokenImportance(spec, std::log(learner[a] / sampler[a])).weight;
      sum += sampler[a] * weight * rewards[a] * ((a == 0 ? 1.0 : 0.0) - learner[0]);
    }
    return sum;
  };
  double exact = 0.0;
  for (size_t a = 0; a < 3; ++a)
    exact += learner[a] * rewards[a] * ((a == 0 ? 1.0 : 0.0) - learner[0]);
  EXPECT_NEAR(gradient({.correction = ImportanceCorrection::kTruncate, .cap = 100.0}), exact,
              1e-12);
  EXPECT_NEAR(gradient({.correction = ImportanceCorrection::kMask, .cap = 100.0}), exact, 1e-12);
  EXPECT_GT(std::abs(gradient({}) - exact), 0.1);
}

}  // namespace
}  // namespace tpo
