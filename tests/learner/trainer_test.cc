#include "learner/trainer.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include <ATen/ATen.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "policy/transformer.h"
#include "rollout/sampler.h"

namespace tpo {
namespace {

constexpr int kLength = 4;
constexpr TransformerSpec kSpec = {.vocab_size = 2,
                                   .max_positions = 8,
                                   .d_model = 16,
                                   .layers = 2,
                                   .heads = 2,
                                   .feed_forward = 32};

// A policy with a batch that it sampled, and all that trains it.
struct TrainingFixture {
  explicit TrainingFixture(ObjectiveKind kind, int prompts, int members,
                           at::ScalarType dtype = at::kDouble) {
    policy = MakeTransformer(kSpec, {.dtype = dtype}).value();
    InitializeTransformer(3, *policy);
    objective = MakeObjective({.kind = kind}).value();
    optimizer = MakeOptimizer(MuonSpec{.learning_rate = 1e-2}, policy->parameters()).value();
    SampleGroups(prompts, members);
    batch = std::make_unique<Batch>(Batch::Create(groups, *objective).value());
  }

  void SampleGroups(int prompts, int members) {
    const SamplingSpec spec = {.completions_per_prompt = members,
                               .candidates_per_token = 0,
                               .temperature = 1.0F,
                               .max_tokens = kLength};
    std::vector<Prompt> all(prompts);
    for (int p = 0; p < prompts; ++p) {
      all[p].id = p;
      for (int t = 0; t < kLength; ++t) all[p].tokens.push_back((p >> t) & 1);
    }
    const auto decoder = policy->NewDecoder();
    const auto completions =
        SampleCompletions(spec, 1, RandomStream::kCompletion, *policy, 0, all, *decoder).value();
    for (int p = 0; p < prompts; ++p) {
      ReadyGroup& ready = groups.emplace_back();
      ready.prompt = all[p];
      ready.group.completions = completions[p];
      for (const Completion& completion : completions[p]) {
        Verdict verdict = Verdict::Scored(completion.tokens[0] + 0.5 * completion.tokens[2]);
        verdict.token_rewards.assign(kLength, static_cast<float>(verdict.score));
        ready.group.verdicts.push_back(verdict);
      }
    }
  }

  std::unique_ptr<Trainer> MakeTrainer(int epochs, int micro_batch_tokens, int threads) {
    return std::make_unique<Trainer>(
        Trainer::Options{
            .epochs = epochs, .micro_batch_tokens = micro_batch_tokens, .threads = threads},
        policy.get(), objective.get(), optimizer.get());
  }

  // All but the key biases: their gradient is zero but for rounding, which Muon makes a full-size
  // step of.
  std::vector<at::Tensor> Parameters() const {
    std::vector<at::Tensor> copies;
    for (const NamedParameter& parameter : policy->parameters()) {
      if (parameter.name.find("key.bias") == std::string::npos)
        copies.push_back(parameter.tensor.clone());
    }
    return copies;
  }

  std::vector<at::Tensor> AllParameters() const {
    std::vector<at::Tensor> copies;
    for (const NamedParameter& parameter : policy->parameters())
      copies.push_back(parameter.tensor.clone());
    return copies;
  }

  std::unique_ptr<Policy> policy;
  std::unique_ptr<Objective> objective;
  std::unique_ptr<Optimizer> optimizer;
  std::vector<ReadyGroup> groups;
  std::unique_ptr<Batch> batch;
};

double LargestDifference(const std::vector<at::Tensor>& a, const std::vector<at::Tensor>& b) {
  double largest = 0.0;
  for (size_t i = 0; i < a.size(); ++i) {
    largest = std::max(largest, (a[i] - b[i]).abs().max().item<double>());
  }
  return largest;
}

TEST(TrainerTest, GroupsOf256InTinyMicroBatchesGiveTheUnsplitGradient) {
  TrainingFixture setup(ObjectiveKind::kTpo, 8, 256);
  const auto whole = setup.MakeTrainer(1, 1 << 20, 1)->Gradient(*setup.batch).value();
  const auto split = setup.MakeTrainer(1, 8, 2)->Gradient(*setup.batch).value();
  double norm = 0.0;
  for (const at::Tensor& gradient : whole) norm += gradient.norm().item<double>();
  EXPECT_GT(norm, 1e-3);
  EXPECT_LT(LargestDifference(whole, split), 1e-13);
}

TEST(TrainerTest, TheGradientOfMeanLogProbsIsTheSlopeOfTheirLoss) {
  constexpr double kStep = 1e-5;
  // The loss with one weight of the head moved by `change`, and its gradient there.
  const auto at = [](double change) {
    TrainingFixture setup(ObjectiveKind::kTpo, 4, 8);
    setup.batch = std::make_unique<Batch>(
        Batch::Create(setup.groups, *setup.objective, /*length_exponent=*/1.0).value());
    size_t head = 0;
    while (setup.policy->parameters()[head].name != "head.kernel") ++head;
    at::Tensor weight = setup.policy->parameters()[head].tensor;
    weight[0][1] += change;
    const double slope =
        setup.MakeTrainer(1, 64, 1)->Gradient(*setup.batch).value()[head][0][1].item<double>();
    const auto trained = setup.MakeTrainer(1, 64, 1)->Train(*setup.batch, false);
    return std::make_pair(trained.value().loss, slope);
  };
  const double slope = (at(kStep).first - at(-kStep).first) / (2 * kStep);
  EXPECT_GT(std::abs(slope), 1e-4);
  EXPECT_NEAR(at(0.0).second, slope, 1e-8);
}

TEST(TrainerTest, FourEpochsInTinyMicroBatchesEndAtTheSameParameters) {
  TrainingFixture whole(ObjectiveKind::kTpo, 8, 64);
  TrainingFixture split(ObjectiveKind::kTpo, 8, 64);
  ASSERT_TRUE(whole.MakeTrainer(4, 1 << 20, 1)->Train(*whole.batch, /*on_policy=*/false).ok());
  ASSERT_TRUE(split.MakeTrainer(4, 8, 2)->Train(*split.batch, /*on_policy=*/false).ok());
  EXPECT_LT(LargestDifference(whole.Parameters(), split.Parameters()), 1e-9);
}

TEST(TrainerTest, ThreadsDoNotChangeABit) {
  for (const int micro_batch_tokens : {8, 64, 512}) {
    TrainingFixture one(ObjectiveKind::kGrpo, 16, 8, at::kFloat);
    TrainingFixture three(ObjectiveKind::kGrpo, 16, 8, at::kFloat);
    ASSERT_TRUE(one.MakeTrainer(3, micro_batch_tokens, 1)->Train(*one.batch, true).ok());
    ASSERT_TRUE(three.MakeTrainer(3, micro_batch_tokens, 3)->Train(*three.batch, true).ok());
    EXPECT_EQ(LargestDifference(one.AllParameters(), three.AllParameters()), 0.0)
        << micro_batch_tokens;
  }
}

TEST(TrainerTest, RecordedLogProbsStandInForTheFirstPassWhenOnPolicy) {
  TrainingFixture known(ObjectiveKind::kTpo, 8, 32);
  TrainingFixture computed(ObjectiveKind::kTpo, 8, 32);
  const auto a = known.MakeTrainer(1, 8, 1)->Train(*known.batch, /*on_policy=*/true).value();
  const auto b = computed.MakeTrainer(1, 8, 1)->Train(*computed.batch, /*on_policy=*/false).value();
  // Recorded in single precision.
  EXPECT_NEAR(a.loss, b.loss, 1e-6);
  EXPECT_NEAR(a.grad_norm, b.grad_norm, 1e-6);
}

TEST(TrainerTest, SamplerAndLearnerAgreeOnEveryTokensLogProb) {
  TrainingFixture setup(ObjectiveKind::kTpo, 16, 8, at::kFloat);
  const auto result = setup.MakeTrainer(1, 64, 2)->Train(*setup.batch, true).value();
  EXPECT_LT(result.logprob_mismatch, 1e-6);
}

TEST(TrainerTest, GroupsWithoutVarianceLeaveTheGradientAtZeroOnPolicy) {
  TrainingFixture setup(ObjectiveKind::kTpo, 4, 8);
  for (ReadyGroup& ready : setup.groups) {
    for (Verdict& verdict : ready.group.verdicts) verdict.score = 1.0;
  }
  setup.batch = std::make_unique<Batch>(Batch::Create(setup.groups, *setup.objective).value());
  // The recorded log-probs carry single precision's rounding.
  const auto result = setup.MakeTrainer(1, 512, 1)->Train(*setup.batch, true).value();
  EXPECT_LT(result.grad_norm, 1e-5);
  EXPECT_EQ(result.diagnostics.zero_variance_fraction, 1.0);
}

TEST(TrainerTest, SharedPrefixesAreForwardedOnce) {
  TrainingFixture setup(ObjectiveKind::kTpo, 4, 64);
  const auto result = setup.MakeTrainer(1, 512, 1)->Train(*setup.batch, true).value();
  EXPECT_EQ(result.forward_tokens, 4 * 64 * (2 * kLength - 1));
  // At most all binary strings up to a sequence's length but one.
  EXPECT_LT(result.forward_nodes, 1 << (2 * kLength));
}

TEST(TrainerTest, ANonFiniteGradientStopsBeforeItReachesTheParameters) {
  TrainingFixture setup(ObjectiveKind::kTpo, 4, 8);
  at::Tensor embedding = setup.policy->parameters()[0].tensor;
  embedding[0][0] = std::numeric_limits<double>::quiet_NaN();
  const auto before = setup.Parameters();
  const auto result = setup.MakeTrainer(2, 512, 1)->Train(*setup.batch, false);
  EXPECT_EQ(result.status().code(), absl::StatusCode::kInternal);
  EXPECT_THAT(std::string(result.status().message()), ::testing::HasSubstr("not finite"));
  const auto after = setup.Parameters();
  EXPECT_EQ(LargestDifference({before.begin() + 1, before.end()}, {after.begin() + 1, after.end()}),
            0.0);
}

TEST(TrainerTest, MismatchCountsEveryTokenAndErrorsDoNotCancel) {
  TrainingFixture setup(ObjectiveKind::kTpo, 2, 4);
  for (ReadyGroup& ready : setup.groups) {
    for (Completion& completion : ready.group.completions) {
      completion.behavior_log_probs[0] += 0.25F;
      completion.behavior_log_probs[1] -= 0.25F;
    }
  }
  setup.batch = std::make_unique<Batch>(Batch::Create(setup.groups, *setup.objective).value());
  const auto result = setup.MakeTrainer(1, 512, 1)->Train(*setup.batch, true).value();
  EXPECT_NEAR(result.logprob_mismatch, 0.5 / kLength, 1e-5);
}

TEST(TrainerTest, AnUpdateThatLeavesTheFiniteNumbersIsAnError) {
  TrainingFixture setup(ObjectiveKind::kTpo, 4, 8);
  AdamSpec diverging;
  diverging.learning_rate = 1e308;
  diverging.weight_decay = 1e308;
  diverging.decoupled = true;
  setup.optimizer = MakeOptimizer(diverging, setup.policy->parameters()).value();
  const auto result = setup.MakeTrainer(1, 512, 1)->Train(*setup.batch, true);
  EXPECT_EQ(result.status().code(), absl::StatusCode::kInternal);
}

class EveryObjectiveTest : public ::testing::TestWithParam<ObjectiveKind> {};

TEST_P(EveryObjectiveTest, TrainsAndMovesTheParameters) {
  TrainingFixture setup(GetParam(), 8, 4);
  const auto before = setup.Parameters();
  const auto result = setup.MakeTrainer(2, 64, 2)->Train(*setup.batch, true);
  ASSERT_TRUE(result.ok()) << result.status();
  EXPECT_GT(LargestDifference(before, setup.Parameters()), 0.0);
}

INSTANTIATE_TEST_SUITE_P(Objectives, EveryObjectiveTest,
                         ::testing::Values(ObjectiveKind::kTpo, ObjectiveKind::kTpoNoAnchor,
                                           ObjectiveKind::kGrpo, ObjectiveKind::kGrpoNoKl,
                                           ObjectiveKind::kGrpoMasked, ObjectiveKind::kPpo,
                                           ObjectiveKind::kDg, ObjectiveKind::kPg,
                                           ObjectiveKind::kGroupPg));

}  // namespace
}  // namespace tpo
