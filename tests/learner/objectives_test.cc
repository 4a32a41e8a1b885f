// What every objective promises, beyond agreeing with the reference (objectives_golden_test).
#include <algorithm>
#include <cmath>
#include <limits>
#include <memory>
#include <numeric>
#include <ostream>
#include <random>
#include <string>
#include <utility>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "core/verifier_api.h"
#include "learner/objectives/objective.h"
#include "learner/objectives/tpo.h"

namespace tpo {
namespace {

using ::testing::DoubleNear;
using ::testing::Each;
using ::testing::HasSubstr;
using ::testing::Pointwise;

constexpr double kNan = std::numeric_limits<double>::quiet_NaN();

struct Batch {
  int rows;
  int columns;
  std::vector<double> log_probs;
  std::vector<double> anchor_log_probs;
  std::vector<double> scores;
  std::vector<uint8_t> valid;

  ObjectiveInput input() const {
    return {rows, columns, log_probs, anchor_log_probs, scores, valid};
  }
  size_t Index(int row, int column) const { return static_cast<size_t>(row) * columns + column; }
};

Batch RandomBatch(int rows, int columns, uint32_t seed) {
  std::mt19937 random(seed);
  std::normal_distribution<double> normal;
  Batch batch{rows, columns, {}, {}, {}, {}};
  for (int i = 0; i < rows * columns; ++i) {
    const double anchor = -3.0 + normal(random);
    batch.anchor_log_probs.push_back(anchor);
    batch.log_probs.push_back(anchor + 0.2 * normal(random));
    batch.scores.push_back(normal(random));
    batch.valid.push_back(1);
  }
  return batch;
}

std::unique_ptr<Objective> Make(ObjectiveKind kind) {
  ObjectiveSpec spec;
  spec.kind = kind;
  return MakeObjective(spec).value();
}

struct NamedKind {
  ObjectiveKind kind;
  std::string name;

  friend void PrintTo(const NamedKind& named, std::ostream* out) { *out << named.name; }
};

const std::vector<NamedKind>& GroupedKinds() {
  static const auto& kinds =
      *new std::vector<NamedKind>{{ObjectiveKind::kTpo, "tpo"},
                                  {ObjectiveKind::kTpoNoAnchor, "tpo_no_anchor"},
                                  {ObjectiveKind::kTpoToken, "tpo_token"},
                                  {ObjectiveKind::kGrpo, "grpo"},
                                  {ObjectiveKind::kGrpoNoKl, "grpo_no_kl"},
                                  {ObjectiveKind::kGrpoMasked, "grpo_masked"},
                                  {ObjectiveKind::kGrpoToken, "grpo_token"},
                                  {ObjectiveKind::kGroupPg, "group_pg"}};
  return kinds;
}

const std::vector<NamedKind>& AllKinds() {
  static const auto& kinds = *[] {
    auto* all = new std::vector<NamedKind>(GroupedKinds());
    all->push_back({ObjectiveKind::kPpo, "ppo"});
    all->push_back({ObjectiveKind::kDg, "dg"});
    all->push_back({ObjectiveKind::kPg, "pg"});
    return all;
  }();
  return kinds;
}

std::string NameOf(const ::testing::TestParamInfo<NamedKind>& info) { return info.param.name; }

class AnyObjective : public ::testing::TestWithParam<NamedKind> {
 protected:
  const std::unique_ptr<Objective> objective_ = Make(GetParam().kind);
};
class GroupedObjective : public AnyObjective {};
class DifferentiableObjective : public AnyObjective {};

// DG holds its weights constant, so its coefficients are not the derivative of its loss.
std::vector<NamedKind> KindsButDg() {
  std::vector<NamedKind> kinds = AllKinds();
  std::erase_if(kinds, [](const NamedKind& kind) { return kind.kind == ObjectiveKind::kDg; });
  return kinds;
}

INSTANTIATE_TEST_SUITE_P(Kinds, AnyObjective, ::testing::ValuesIn(AllKinds()), NameOf);
INSTANTIATE_TEST_SUITE_P(Kinds, GroupedObjective, ::testing::ValuesIn(GroupedKinds()), NameOf);
INSTANTIATE_TEST_SUITE_P(Kinds, DifferentiableObjective, ::testing::ValuesIn(KindsButDg()), NameOf);

TEST_P(DifferentiableObjective, CoefficientsAreTheDerivativeOfTheLoss) {
  Batch batch = RandomBatch(3, 5, 1);
  batch.valid[batch.Index(0, 2)] = 0;
  batch.valid[batch.Index(2, 4)] = 0;
  const ObjectiveOutput output = objective_->Evaluate(batch.input());
  constexpr double kStep = 1e-6;
  for (size_t i = 0; i < batch.log_probs.size(); ++i) {
    const double log_prob = batch.log_probs[i];
    batch.log_probs[i] = log_prob + kStep;
    const double above = objective_->Evaluate(batch.input()).loss;
    batch.log_probs[i] = log_prob - kStep;
    const double below = objective_->Evaluate(batch.input()).loss;
    batch.log_probs[i] = log_prob;
    EXPECT_NEAR(output.coefficients[i], (above - below) / (2 * kStep), 1e-8) << "entry " << i;
  }
}

TEST_P(AnyObjective, InvalidEntriesAreIgnoredEvenIfNan) {
  Batch batch = RandomBatch(4, 6, 2);
  std::vector<size_t> hidden = {batch.Index(0, 0), batch.Index(1, 5), batch.Index(1, 2)};
  for (const size_t i : hidden) batch.valid[i] = 0;
  const ObjectiveOutput expected = objective_->Evaluate(batch.input());
  for (const size_t i : hidden) {
    batch.log_probs[i] = batch.anchor_log_probs[i] = batch.scores[i] = kNan;
  }
  const ObjectiveOutput output = objective_->Evaluate(batch.input());
  EXPECT_EQ(output.loss, expected.loss);
  EXPECT_EQ(output.coefficients, expected.coefficients);
  for (const size_t i : hidden) EXPECT_EQ(output.coefficients[i], 0.0);
  EXPECT_TRUE(std::isfinite(output.diagnostics.anchor_entropy));
  EXPECT_TRUE(std::isfinite(output.diagnostics.target_kl));
}

TEST_P(AnyObjective, AValidNanReachesTheLoss) {
  Batch batch = RandomBatch(2, 4, 3);
  batch.log_probs[1] = kNan;
  EXPECT_TRUE(std::isnan(objective_->Evaluate(batch.input()).loss));
}

TEST_P(AnyObjective, NothingValidGivesNothing) {
  Batch batch = RandomBatch(2, 3, 4);
  std::fill(batch.valid.begin(), batch.valid.end(), uint8_t{0});
  const ObjectiveOutput output = objective_->Evaluate(batch.input());
  EXPECT_EQ(output.loss, 0.0);
  EXPECT_THAT(output.coefficients, Each(0.0));
  EXPECT_EQ(output.diagnostics.zero_variance_fraction, 0.0);
}

TEST_P(GroupedObjective, PermutingMembersPermutesCoefficients) {
  const Batch batch = RandomBatch(3, 8, 5);
  const ObjectiveOutput output = objective_->Evaluate(batch.input());
  std::vector<int> order(8);
  std::iota(order.begin(), order.end(), 0);
  std::mt19937 random(6);
  std::shuffle(order.begin(), order.end(), random);
  Batch permuted = batch;
  for (int row = 0; row < batch.rows; ++row) {
    for (int column = 0; column < batch.columns; ++column) {
      const size_t from = batch.Index(row, order[static_cast<size_t>(column)]);
      const size_t to = batch.Index(row, column);
      permuted.log_probs[to] = batch.log_probs[from];
      permuted.anchor_log_probs[to] = batch.anchor_log_probs[from];
      permuted.scores[to] = batch.scores[from];
    }
  }
  const ObjectiveOutput permuted_output = objective_->Evaluate(permuted.input());
  EXPECT_NEAR(permuted_output.loss, output.loss, 1e-13);
  for (int row = 0; row < batch.rows; ++row) {
    for (int column = 0; column < batch.columns; ++column) {
      EXPECT_NEAR(permuted_output.coefficients[batch.Index(row, column)],
                  output.coefficients[batch.Index(row, order[static_cast<size_t>(column)])], 1e-14);
    }
  }
}

TEST_P(GroupedObjective, TheLargestScoresThatAreLetInActAsSmallOnesInProportion) {
  Batch batch = RandomBatch(3, 8, 5);
  for (double& score : batch.scores) score = std::clamp(score, -1.0, 1.0);
  const ObjectiveOutput expected = objective_->Evaluate(batch.input());
  for (double& score : batch.scores) score *= kMaxScoreMagnitude;
  const ObjectiveOutput output = objective_->Evaluate(batch.input());
  EXPECT_NEAR(output.loss, expected.loss, 1e-6);
  EXPECT_THAT(output.coefficients, Pointwise(DoubleNear(1e-6), expected.coefficients));
}

TEST_P(GroupedObjective, AnInvalidMemberIsAsGoodAsAbsent) {
  const Batch small = RandomBatch(1, 4, 7);
  Batch padded = small;
  padded.columns = 5;
  padded.log_probs.insert(padded.log_probs.begin() + 2, -1.0);
  padded.anchor_log_probs.insert(padded.anchor_log_probs.begin() + 2, -2.0);
  padded.scores.insert(padded.scores.begin() + 2, 3.0);
  padded.valid.insert(padded.valid.begin() + 2, uint8_t{0});
  const ObjectiveOutput expected = objective_->Evaluate(small.input());
  ObjectiveOutput output = objective_->Evaluate(padded.input());
  EXPECT_EQ(output.loss, expected.loss);
  output.coefficients.erase(output.coefficients.begin() + 2);
  EXPECT_EQ(output.coefficients, expected.coefficients);
}

TEST_P(GroupedObjective, AGroupOfOneHasNoLoss) {
  Batch batch = RandomBatch(1, 3, 8);
  batch.valid = {0, 1, 0};
  const ObjectiveOutput output = objective_->Evaluate(batch.input());
  EXPECT_EQ(output.loss, 0.0);
  EXPECT_THAT(output.coefficients, Each(0.0));
}

TEST_P(GroupedObjective, ReportsAnchorEntropyAndZeroVariance) {
  Batch batch = RandomBatch(2, 4, 9);
  std::fill_n(batch.anchor_log_probs.begin(), 4, -7.0);
  std::fill_n(batch.anchor_log_probs.begin() + 4, 4, -2.0);
  std::fill_n(batch.scores.begin(), 4, 0.1);
  const ObjectiveDiagnostics diagnostics = objective_->Evaluate(batch.input()).diagnostics;
  EXPECT_NEAR(diagnostics.anchor_entropy, std::log(4.0), 1e-14);
  batch.log_probs = batch.anchor_log_probs;
  EXPECT_NEAR(objective_->Evaluate(batch.input()).diagnostics.policy_entropy, std::log(4.0), 1e-14);
  EXPECT_EQ(diagnostics.zero_variance_fraction, 0.5);
}

// 0.1 three times has a rounded mean that differs from 0.1.
TEST(TpoObjective, ZeroVarianceGroupHasExactlyZeroGradientAtTheAnchor) {
  Batch batch = RandomBatch(5, 3, 10);
  std::fill(batch.scores.begin(), batch.scores.end(), 0.1);
  batch.log_probs = batch.anchor_log_probs;
  for (const ObjectiveKind kind : {ObjectiveKind::kTpo, ObjectiveKind::kTpoToken}) {
    const ObjectiveOutput output = Make(kind)->Evaluate(batch.input());
    EXPECT_THAT(output.coefficients, Each(0.0));
    EXPECT_EQ(output.diagnostics.target_distance, 0.0);
    EXPECT_EQ(output.diagnostics.zero_variance_fraction, 1.0);
  }
}

TEST(TpoObjective, ZeroVarianceGroupPullsBackToTheAnchor) {
  Batch batch = RandomBatch(1, 3, 11);
  std::fill(batch.scores.begin(), batch.scores.end(), 1.0);
  batch.log_probs = batch.anchor_log_probs;
  batch.log_probs[0] += 0.5;
  const ObjectiveOutput output = Make(ObjectiveKind::kTpo)->Evaluate(batch.input());
  EXPECT_GT(output.coefficients[0], 0.01);  // descending lowers the log-prob that has grown
  EXPECT_LT(output.coefficients[1], 0.0);
  EXPECT_LT(output.coefficients[2], 0.0);
}

TEST(TpoObjective, DescendingEndsAtTheTarget) {
  Batch batch = RandomBatch(1, 4, 12);
  const auto objective = Make(ObjectiveKind::kTpo);
  // Follow the gradient of the group's logits to the minimum: the policy ends at q, where the loss
  // is q's entropy.
  for (int step = 0; step < 4000; ++step) {
    const ObjectiveOutput output = objective->Evaluate(batch.input());
    for (size_t i = 0; i < 4; ++i) batch.log_probs[i] -= output.coefficients[i];
  }
  const ObjectiveOutput output = objective->Evaluate(batch.input());
  EXPECT_NEAR(output.diagnostics.target_distance, 0.0, 1e-12);
  EXPECT_NEAR(output.loss, output.diagnostics.target_entropy, 1e-12);
  EXPECT_NEAR(output.diagnostics.target_policy_kl, 0.0, 1e-12);
  EXPECT_NEAR(output.diagnostics.policy_entropy, output.diagnostics.target_entropy, 1e-12);
}

TEST(TpoObjective, DiagnosticsOfAKnownGroup) {
  const Batch batch{1, 2, {-1.0, -1.0}, {-3.0, -3.0}, {1.0, 0.0}, {1, 1}};
  const ObjectiveDiagnostics diagnostics =
      Make(ObjectiveKind::kTpo)->Evaluate(batch.input()).diagnostics;
  const double q = 1.0 / (1.0 + std::exp(-2.0));  // u = ±1
  const double entropy = -q * std::log(q) - (1 - q) * std::log(1 - q);
  EXPECT_NEAR(diagnostics.target_entropy, entropy, 1e-14);
  EXPECT_NEAR(diagnostics.target_kl, std::log(2.0) - entropy, 1e-14);
  EXPECT_NEAR(diagnostics.policy_entropy, std::log(2.0), 1e-14);
  EXPECT_NEAR(diagnostics.target_policy_kl, std::log(2.0) - entropy, 1e-14);
  EXPECT_NEAR(diagnostics.target_distance, 2.0 * (q - 0.5), 1e-14);
  EXPECT_EQ(diagnostics.zero_variance_fraction, 0.0);
}

// One score is 0.001 better than the others: worth a full standard deviation, or nearly nothing.
TEST(TpoObjective, AFloorOrShrinkageKeepsTinyDifferencesTiny) {
  const Batch batch{1, 4, {-1, -1, -1, -1}, {-1, -1, -1, -1}, {0.001, 0.0, 0.0, 0.0}, {1, 1, 1, 1}};
  const auto target_of_the_best = [&](double floor, double shrinkage) {
    return TpoTargets(batch.input(), 1.0, TpoAnchor::kSnapshot, {floor, shrinkage})[0];
  };
  EXPECT_GT(target_of_the_best(0.0, 0.0), 0.7);
  EXPECT_NEAR(target_of_the_best(0.1, 0.0), 0.25, 0.003);
  EXPECT_NEAR(target_of_the_best(0.0, 0.1), 0.25, 0.003);
}

TEST(TpoObjective, AFloorBelowTheDeviationChangesNothing) {
  const Batch batch = RandomBatch(3, 4, 15);
  ObjectiveSpec spec{.kind = ObjectiveKind::kTpo};
  spec.score_standardization.deviation_floor = 1e-5;
  EXPECT_EQ(MakeObjective(spec).value()->Evaluate(batch.input()).coefficients,
            Make(ObjectiveKind::kTpo)->Evaluate(batch.input()).coefficients);
}

TEST(TpoObjective, ShrinkageIsAddedToTheVariance) {
  const Batch batch{1, 2, {-1, -1}, {-1, -1}, {6.0, 0.0}, {1, 1}};  // deviation 3
  const double q = TpoTargets(batch.input(), 1.0, TpoAnchor::kSnapshot, {0.0, 4.0})[0];
  EXPECT_NEAR(q, 1.0 / (1.0 + std::exp(-2.0 * 3.0 / 5.0)), 1e-14);
}

TEST(GrpoMaskedObjective, AveragesOverGroupsWithVarianceOnly) {
  Batch batch = RandomBatch(3, 4, 13);
  std::fill_n(batch.scores.begin() + 4, 4, 0.3);
  // A deviation of at most 1e-6 counts as none.
  batch.scores[8] = batch.scores[9] = 0.5 + 1e-6;
  batch.scores[10] = batch.scores[11] = 0.5 - 0.9e-6;
  Batch first = batch;
  first.rows = 1;
  for (auto* values : {&first.log_probs, &first.anchor_log_probs, &first.scores}) values->resize(4);
  first.valid.resize(4);

  const ObjectiveOutput output = Make(ObjectiveKind::kGrpoMasked)->Evaluate(batch.input());
  const ObjectiveOutput alone = Make(ObjectiveKind::kGrpo)->Evaluate(first.input());
  EXPECT_EQ(output.loss, alone.loss);
  for (size_t i = 0; i < 4; ++i) EXPECT_EQ(output.coefficients[i], alone.coefficients[i]);
  for (size_t i = 4; i < 12; ++i) EXPECT_EQ(output.coefficients[i], 0.0);
}

TEST(GrpoObjective, KlPullsBackWhereScoresSayNothing) {
  const Batch batch{1, 2, {-1.0, -2.0}, {-1.5, -1.5}, {1.0, 1.0}, {1, 1}};
  const ObjectiveOutput with_kl = Make(ObjectiveKind::kGrpo)->Evaluate(batch.input());
  EXPECT_GT(with_kl.coefficients[0], 0.0);
  EXPECT_LT(with_kl.coefficients[1], 0.0);
  EXPECT_THAT(Make(ObjectiveKind::kGrpoNoKl)->Evaluate(batch.input()).coefficients, Each(0.0));
}

TEST(ClippedObjectives, CountEntriesThatTheClipHoldsBack) {
  // Ratios e^0.5, e^0.5, 1, 1 with advantages above, below, above, below 0: the first is held back,
  // the second is not.
  const Batch group{
      1, 4, {-0.5, -0.5, -1.0, -1.0}, {-1.0, -1.0, -1.0, -1.0}, {1, 0, 1, 0}, {1, 1, 1, 1}};
  EXPECT_EQ(Make(ObjectiveKind::kGrpo)->Evaluate(group.input()).diagnostics.clip_fraction, 0.25);
  const Batch tokens{4, 1, group.log_probs, group.anchor_log_probs, group.scores, group.valid};
  const ObjectiveOutput output = Make(ObjectiveKind::kPpo)->Evaluate(tokens.input());
  EXPECT_EQ(output.diagnostics.clip_fraction, 0.25);
  EXPECT_EQ(output.coefficients[0], 0.0);
  EXPECT_GT(output.coefficients[1], 0.0);
}

TEST(PpoObjective, ZeroAdvantageStaysZeroWhenTheRatioOverflows) {
  const Batch batch{2, 1, {0.0, 0.0}, {-5000.0, -5000.0}, {1.0, 1.0}, {1, 1}};
  const ObjectiveOutput output = Make(ObjectiveKind::kPpo)->Evaluate(batch.input());
  EXPECT_EQ(output.loss, 0.0);
  EXPECT_THAT(output.coefficients, Each(0.0));
}

TEST(TokenObjectives, BaselineIsTheMeanOfValidRewardsAtThePosition) {
  Batch batch = RandomBatch(3, 2, 14);
  batch.scores = {1.0, 5.0, 0.0, 7.0, 0.5, 6.0};
  batch.valid[batch.Index(2, 0)] = 0;
  const ObjectiveOutput output = Make(ObjectiveKind::kPg)->Evaluate(batch.input());
  const std::vector<double> advantages = {0.5, -1.0, -0.5, 1.0, 0.0, 0.0};
  for (size_t i = 0; i < 6; ++i) EXPECT_NEAR(output.coefficients[i], -advantages[i] / 3, 1e-15);
}

TEST(TokenObjectives, ZeroVarianceIsCountedOverPositions) {
  Batch batch = RandomBatch(3, 4, 15);
  for (int row = 0; row < 3; ++row) {
    batch.scores[batch.Index(row, 1)] = 0.7;
    batch.valid[batch.Index(row, 3)] = 0;  // a position that no completion reaches
  }
  for (const ObjectiveKind kind : {ObjectiveKind::kPpo, ObjectiveKind::kDg, ObjectiveKind::kPg}) {
    EXPECT_NEAR(Make(kind)->Evaluate(batch.input()).diagnostics.zero_variance_fraction, 1.0 / 3,
                1e-15);
  }
}

TEST(DgObjective, GatesTheAdvantageByTheSurprisal) {
  const Batch batch{2, 1, {-2.0, -2.0}, {kNan, kNan}, {1.0, 0.0}, {1, 1}};  // no anchor needed
  ObjectiveSpec spec;
  spec.kind = ObjectiveKind::kDg;
  spec.eta = 0.5;
  const ObjectiveOutput output = MakeObjective(spec).value()->Evaluate(batch.input());
  // Advantages ±0.5, so delight ±1 and gates sigmoid(±2).
  const double gate = 1.0 / (1.0 + std::exp(-2.0));
  EXPECT_NEAR(output.coefficients[0], -gate * 0.5 / 2, 1e-15);
  EXPECT_NEAR(output.coefficients[1], (1 - gate) * 0.5 / 2, 1e-15);
}

TEST(MakeObjective, LayoutEpochsAndLevelFollowTheKind) {
  for (const NamedKind& named : AllKinds()) {
    SCOPED_TRACE(named.name);
    const auto objective = Make(named.kind);
    const bool per_token = named.name == "ppo" || named.name == "dg" || named.name == "pg";
    EXPECT_EQ(objective->layout(), per_token ? ObjectiveLayout::kTokens : ObjectiveLayout::kGroups);
    EXPECT_EQ(objective->single_epoch(), named.name == "dg");
    EXPECT_EQ(objective->token_level(), named.name == "tpo_token" || named.name == "grpo_token");
  }
}

TEST(MakeObjective, RefusesHyperparametersOutOfRange) {
  const auto error_of = [](auto change) {
    ObjectiveSpec spec;
    change(spec);
    return std::string(MakeObjective(spec).status().message());
  };
  EXPECT_THAT(error_of([](ObjectiveSpec& spec) { spec.eta = 0.0; }), HasSubstr("eta"));
  EXPECT_THAT(error_of([](ObjectiveSpec& spec) { spec.eta = kNan; }), HasSubstr("eta"));
  EXPECT_THAT(error_of([](ObjectiveSpec& spec) { spec.clip_epsilon = -0.2; }),
              HasSubstr("clip_epsilon"));
  EXPECT_THAT(
      error_of([](ObjectiveSpec& spec) { spec.score_standardization.deviation_floor = -1; }),
      HasSubstr("score_deviation_floor"));
  EXPECT_THAT(error_of([](ObjectiveSpec& spec) { spec.score_standardization.shrinkage = kNan; }),
              HasSubstr("score_shrinkage"));
  EXPECT_THAT(error_of([](ObjectiveSpec& spec) { spec.length_exponent = -0.5; }),
              HasSubstr("length_exponent"));
  EXPECT_THAT(error_of([](ObjectiveSpec& spec) { spec.kl_beta = -1e-9; }), HasSubstr("kl_beta"));
}

}  // namespace
}  // namespace tpo
