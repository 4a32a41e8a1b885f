#include "learner/trainer.h"

#include <algorithm>
#include <cmath>
#include <functional>
#include <limits>

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include <ATen/ATen.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "learner/step_statistics.h"
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
    // Members of a group are completions of a prompt, or candidates for one token.
    const bool token_level = objective->token_level();
    const SamplingSpec spec = {.completions_per_prompt = token_level ? 1 : members,
                               .candidates_per_token = token_level ? members : 0,
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
        if (token_level) {
          verdict.token_rewards.assign(completion.candidate_tokens.begin(),
                                       completion.candidate_tokens.end());
        }
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

  std::unique_ptr<TransformerPolicy> policy;
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

void ExpectTheGradientToBeTheSlopeOfTheLoss(ObjectiveKind kind, double length_exponent) {
  constexpr double kStep = 1e-5;
  // The loss with one weight of the head moved by `change`, and its gradient there.
  const auto at = [&](double change) {
    TrainingFixture setup(kind, 4, 8);
    setup.batch = std::make_unique<Batch>(
        Batch::Create(setup.groups, *setup.objective, length_exponent).value());
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

TEST(TrainerTest, TheGradientOfMeanLogProbsIsTheSlopeOfTheirLoss) {
  ExpectTheGradientToBeTheSlopeOfTheLoss(ObjectiveKind::kTpo, /*length_exponent=*/1.0);
}

TEST(TrainerTest, TheGradientOfCandidatesForATokenIsTheSlopeOfTheirLoss) {
  ExpectTheGradientToBeTheSlopeOfTheLoss(ObjectiveKind::kTpoToken, /*length_exponent=*/0.0);
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

TEST(TrainerTest, TokenEntropyIsAMeanOverTheBatchBeforeItsFirstUpdate) {
  TrainingFixture setup(ObjectiveKind::kTpo, 16, 8);
  const auto whole = setup.MakeTrainer(1, 4096, 1)->Train(*setup.batch, true).value();
  EXPECT_GT(whole.token_entropy, 0.0);
  EXPECT_LT(whole.token_entropy, std::log(setup.policy->vocabulary_size()));
  // However the batch is cut, and whatever later epochs do.
  for (const int micro_batch_tokens : {8, 64}) {
    TrainingFixture cut(ObjectiveKind::kTpo, 16, 8);
    const auto result = cut.MakeTrainer(3, micro_batch_tokens, 2)->Train(*cut.batch, true).value();
    EXPECT_NEAR(result.token_entropy, whole.token_entropy, 1e-9) << micro_batch_tokens;
  }
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

TEST(TrainerTest, AnUpdateThatIsntFiniteIsLeftOut) {
  TrainingFixture setup(ObjectiveKind::kTpo, 4, 8);
  const auto before = setup.AllParameters();
  const auto trainer = setup.MakeTrainer(2, 512, 1);
  // What a sampler that overflowed would send; admission refuses it.
  std::vector<double> anchor(setup.batch->anchor_log_probs().begin(),
                             setup.batch->anchor_log_probs().end());
  std::vector<double> broken = anchor;
  broken[3] = std::numeric_limits<double>::quiet_NaN();
  setup.batch->set_anchor_log_probs(broken);
  const TrainResult skipped = trainer->Train(*setup.batch, false).value();
  EXPECT_THAT(skipped.skipped, ::testing::HasSubstr("epoch 0: loss nan"));
  EXPECT_EQ(LargestDifference(before, setup.AllParameters()), 0.0);
  // The next batch is trained on as if it were the first.
  setup.batch->set_anchor_log_probs(anchor);
  const TrainResult result = trainer->Train(*setup.batch, false).value();
  EXPECT_EQ(result.skipped, "");
  TrainingFixture other(ObjectiveKind::kTpo, 4, 8);
  ASSERT_TRUE(other.MakeTrainer(2, 512, 1)->Train(*other.batch, false).ok());
  EXPECT_EQ(LargestDifference(other.AllParameters(), setup.AllParameters()), 0.0);
}

// The log-probs of another policy, on one thread.
std::function<absl::Span<const double>(const PrefixTree&, double)> ReferenceOf(Policy* policy) {
  auto pass = std::shared_ptr<TreePass>(policy->NewPass());
  return [pass](const PrefixTree& tree, double temperature) {
    return pass->Forward(tree, temperature);
  };
}

TEST(TrainerTest, ThePenaltyPullsThePolicyTowardsTheReference) {
  TrainingFixture setup(ObjectiveKind::kTpo, 6, 8);
  // Nothing else to learn.
  for (ReadyGroup& ready : setup.groups) {
    for (Verdict& verdict : ready.group.verdicts) verdict.score = 1.0;
  }
  setup.batch = std::make_unique<Batch>(Batch::Create(setup.groups, *setup.objective).value());
  setup.optimizer =
      MakeOptimizer(SgdSpec{.learning_rate = 0.05}, setup.policy->parameters()).value();
  const auto reference = MakeTransformer(kSpec, {.dtype = at::kDouble}).value();
  InitializeTransformer(99, *reference);
  Trainer trainer(
      {.epochs = 1, .threads = 2, .reference_kl = 1.0, .reference = ReferenceOf(reference.get())},
      setup.policy.get(), setup.objective.get(), setup.optimizer.get());
  const double first = trainer.Train(*setup.batch, false).value().reference_kl;
  EXPECT_GT(first, 0.0);
  double last = first;
  for (int step = 0; step < 40; ++step)
    last = trainer.Train(*setup.batch, false).value().reference_kl;
  EXPECT_LT(last, 0.5 * first);
}

TEST(TrainerTest, TowardsItselfThereIsNoPenalty) {
  TrainingFixture with(ObjectiveKind::kTpo, 6, 8);
  TrainingFixture without(ObjectiveKind::kTpo, 6, 8);
  const auto same = MakeTransformer(kSpec, {.dtype = at::kDouble}).value();
  InitializeTransformer(3, *same);
  Trainer trainer(
      {.epochs = 1, .threads = 2, .reference_kl = 1.0, .reference = ReferenceOf(same.get())},
      with.policy.get(), with.objective.get(), with.optimizer.get());
  EXPECT_EQ(trainer.Train(*with.batch, false).value().reference_kl, 0.0);
  ASSERT_TRUE(without.MakeTrainer(1, 512, 2)->Train(*without.batch, false).ok());
  EXPECT_EQ(LargestDifference(with.AllParameters(), without.AllParameters()), 0.0);
}

// Σ coefficient · log-prob has the penalty's slope: seen on one parameter.
TEST(TrainerTest, ThePenaltysGradientIsItsSlope) {
  constexpr double kStep = 1e-5;
  const auto reference = MakeTransformer(kSpec, {.dtype = at::kDouble}).value();
  InitializeTransformer(99, *reference);
  const auto trained = [&](double change, double kl, std::vector<at::Tensor>* gradient) {
    TrainingFixture setup(ObjectiveKind::kTpo, 3, 4);
    at::Tensor embedding = setup.policy->parameters()[0].tensor;
    embedding[0][1] += change;
    Trainer::Options options = {.epochs = 1, .threads = 1};
    options.reference_kl = kl;
    options.reference = ReferenceOf(reference.get());
    Trainer trainer(options, setup.policy.get(), setup.objective.get(), setup.optimizer.get());
    if (gradient != nullptr) *gradient = trainer.Gradient(*setup.batch).value();
    return trainer.Train(*setup.batch, false).value().reference_kl;
  };
  std::vector<at::Tensor> with;
  std::vector<at::Tensor> without;
  trained(0.0, 1.0, &with);
  trained(0.0, 0.0, &without);
  const double slope = (trained(kStep, 1.0, nullptr) - trained(-kStep, 1.0, nullptr)) / (2 * kStep);
  const double gradient = (with[0][0][1] - without[0][0][1]).item<double>();
  EXPECT_NEAR(gradient, slope, 1e-6 * std::max(1.0, std::abs(slope)));
  EXPECT_GT(std::abs(slope), 1e-6);
}

// A policy that has left the reference for good isn't torn back by the one token that shows it.
TEST(TrainerTest, BeyondItsBoundThePenaltyIsConstant) {
  TrainingFixture setup(ObjectiveKind::kTpo, 3, 4);
  const auto same = MakeTransformer(kSpec, {.dtype = at::kDouble}).value();
  InitializeTransformer(3, *same);
  const auto gradient = [&](double kl, double above, double* divergence) {
    auto pass = std::shared_ptr<TreePass>(same->NewPass());
    std::vector<double> shifted;
    Trainer trainer({.epochs = 1,
                     .threads = 1,
                     .reference_kl = kl,
                     .reference =
                         [&](const PrefixTree& tree, double temperature) {
                           const auto log_probs = pass->Forward(tree, temperature);
                           shifted.assign(log_probs.begin(), log_probs.end());
                           for (double& value : shifted) value += above;
                           return absl::MakeConstSpan(shifted);
                         }},
                    setup.policy.get(), setup.objective.get(), setup.optimizer.get());
    std::vector<at::Tensor> gradients = trainer.Gradient(*setup.batch).value();
    if (divergence != nullptr)
      *divergence = trainer.Train(*setup.batch, false).value().reference_kl;
    return gradients;
  };
  const std::vector<at::Tensor> without = gradient(0.0, 0.0, nullptr);
  EXPECT_GT(LargestDifference(gradient(1.0, 19.0, nullptr), without), 1e3);
  double divergence = 0.0;
  EXPECT_EQ(LargestDifference(gradient(1.0, 25.0, &divergence), without), 0.0);
  EXPECT_NEAR(divergence, std::exp(20.0) - 21.0, 1.0);
}

TEST(TrainerTest, SequencesWhoseLogProbIsntFiniteAreNamed) {
  TrainingFixture setup(ObjectiveKind::kTpo, 4, 8);
  for (Completion& completion : setup.groups[2].group.completions)
    completion.behavior_log_probs[1] = std::numeric_limits<float>::infinity();
  setup.batch = std::make_unique<Batch>(Batch::Create(setup.groups, *setup.objective).value());
  const TrainResult result = setup.MakeTrainer(1, 512, 1)->Train(*setup.batch, false).value();
  EXPECT_NE(result.skipped, "");
  EXPECT_EQ(result.not_finite, (std::vector<int>{16, 17, 18, 19, 20, 21, 22, 23}));
}

TEST(TrainerTest, AParameterThatIsntFiniteEndsTheRun) {
  TrainingFixture setup(ObjectiveKind::kTpo, 4, 8);
  at::Tensor embedding = setup.policy->parameters()[0].tensor;
  embedding[0][0] = std::numeric_limits<double>::quiet_NaN();
  const auto result = setup.MakeTrainer(2, 512, 1)->Train(*setup.batch, false);
  EXPECT_EQ(result.status().code(), absl::StatusCode::kInternal);
  EXPECT_THAT(std::string(result.status().message()), ::testing::HasSubstr("not finite"));
}

TEST(TrainerTest, ALargeGradientIsScaledDownAndASmallOneLeftAlone) {
  const auto trained = [](double clip) {
    TrainingFixture setup(ObjectiveKind::kTpo, 4, 8);
    // Plain steps, so that the change of the parameters is the gradient's.
    setup.optimizer =
        MakeOptimizer(SgdSpec{.learning_rate = 1.0}, setup.policy->parameters()).value();
    const auto before = setup.AllParameters();
    Trainer trainer({.epochs = 1, .threads = 1, .gradient_clip_norm = clip}, setup.policy.get(),
                    setup.objective.get(), setup.optimizer.get());
    const double norm = trainer.Train(*setup.batch, false).value().grad_norm;
    double moved = 0.0;
    const auto after = setup.AllParameters();
    for (size_t i = 0; i < before.size(); ++i)
      moved += (after[i] - before[i]).square().sum().item<double>();
    return std::make_pair(norm, std::sqrt(moved));
  };
  const auto [norm, moved] = trained(0.0);
  EXPECT_NEAR(moved, norm, 1e-9 * norm);
  const auto [same_norm, clipped] = trained(norm / 3);
  EXPECT_EQ(same_norm, norm);
  EXPECT_NEAR(clipped, norm / 3, 1e-9 * norm);
  EXPECT_EQ(trained(2 * norm).second, moved);
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
  for (const bool on_policy : {true, false}) {
    TrainingFixture same(ObjectiveKind::kTpo, 2, 4);
    const auto result = same.MakeTrainer(1, 512, 1)->Train(*setup.batch, on_policy).value();
    EXPECT_NEAR(result.logprob_mismatch, 0.5 / kLength, 1e-5) << on_policy;
  }
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

// A batch that an older policy sampled: the one of `setup`, trained on by a policy that has moved
// on.
void MoveOn(TrainingFixture& setup) {
  for (const NamedParameter& parameter : setup.policy->parameters()) {
    at::Tensor tensor = parameter.tensor;
    if (parameter.name == "head.kernel") tensor.mul_(1.5);
  }
}

ObjectiveSpec SpecWith(ObjectiveKind kind, Anchor anchor) {
  ObjectiveSpec spec;
  spec.kind = kind;
  spec.anchor.anchor = anchor;
  return spec;
}

TEST(TrainerTest, TheProximalPolicyIsTheOneThatTookTheBatchInEveryEpoch) {
  TrainingFixture setup(ObjectiveKind::kTpo, 4, 8);
  MoveOn(setup);
  const auto now =
      setup.MakeTrainer(1, 512, 1)->Train(*setup.batch, false).value().proximal_log_probs;
  TrainingFixture again(ObjectiveKind::kTpo, 4, 8);
  MoveOn(again);
  const auto result = again.MakeTrainer(3, 512, 1)->Train(*again.batch, false).value();
  EXPECT_EQ(result.proximal_log_probs, now);
  EXPECT_NE(result.last_log_probs, now);
  EXPECT_NE(std::vector<double>(again.batch->anchor_log_probs().begin(),
                                again.batch->anchor_log_probs().end()),
            now);
}

TEST(TrainerTest, TheProximalAnchorHoldsAGroupWithoutVarianceWhereItIs) {
  const auto norm = [](Anchor anchor, int micro_batch_tokens) {
    TrainingFixture setup(ObjectiveKind::kTpo, 4, 8);
    setup.objective = MakeObjective(SpecWith(ObjectiveKind::kTpo, anchor)).value();
    for (ReadyGroup& ready : setup.groups) {
      for (Verdict& verdict : ready.group.verdicts) verdict.score = 1.0;
    }
    setup.batch = std::make_unique<Batch>(Batch::Create(setup.groups, *setup.objective).value());
    MoveOn(setup);
    return setup.MakeTrainer(1, micro_batch_tokens, 1)
        ->Train(*setup.batch, false)
        .value()
        .grad_norm;
  };
  for (const int micro_batch_tokens : {8, 512}) {
    EXPECT_EQ(norm(Anchor::kProximal, micro_batch_tokens), 0.0);
    EXPECT_EQ(norm(Anchor::kRatio, micro_batch_tokens), 0.0);
    EXPECT_GT(norm(Anchor::kBehavior, micro_batch_tokens), 1e-3);
  }
}

TEST(TrainerTest, AnchorsGiveTheSameGradientInMicroBatchesOverAllEpochs) {
  for (const Anchor anchor : {Anchor::kProximal, Anchor::kRatio}) {
    TrainingFixture whole(ObjectiveKind::kTpo, 8, 64);
    TrainingFixture split(ObjectiveKind::kTpo, 8, 64);
    for (TrainingFixture* setup : {&whole, &split}) {
      setup->objective = MakeObjective(SpecWith(ObjectiveKind::kTpo, anchor)).value();
      MoveOn(*setup);
    }
    ASSERT_TRUE(whole.MakeTrainer(3, 1 << 20, 1)->Train(*whole.batch, /*on_policy=*/false).ok());
    ASSERT_TRUE(split.MakeTrainer(3, 8, 2)->Train(*split.batch, /*on_policy=*/false).ok());
    EXPECT_LT(LargestDifference(whole.Parameters(), split.Parameters()), 1e-9);
  }
}

TEST(TrainerTest, ImportanceWeightsScaleEachTokensPartOfTheGradient) {
  constexpr double kStep = 1e-5;
  const ImportanceSpec importance = {.correction = ImportanceCorrection::kTruncate, .cap = 1.05};
  // -mean over completions of Σ_tokens weight · advantage · log-prob, with what the trainer's
  // forward pass says of the log-probs; d / d one weight of the head by differences. Token rewards
  // are the completion's score, the same at each position.
  const auto log_probs_at = [](double change) {
    TrainingFixture setup(ObjectiveKind::kPg, 4, 8);
    MoveOn(setup);
    size_t head = 0;
    while (setup.policy->parameters()[head].name != "head.kernel") ++head;
    setup.policy->parameters()[head].tensor[0][1] += change;
    return setup.MakeTrainer(1, 512, 1)->Train(*setup.batch, false).value().proximal_log_probs;
  };
  TrainingFixture setup(ObjectiveKind::kPg, 4, 8);
  MoveOn(setup);
  size_t head = 0;
  while (setup.policy->parameters()[head].name != "head.kernel") ++head;
  const std::vector<double> proximal = log_probs_at(0.0);
  const std::vector<double> above = log_probs_at(kStep);
  const std::vector<double> below = log_probs_at(-kStep);
  const auto recorded = setup.batch->anchor_log_probs();
  double mean = 0.0;
  std::vector<double> scores;
  for (const ReadyGroup& ready : setup.groups) {
    for (const Verdict& verdict : ready.group.verdicts) scores.push_back(verdict.score);
  }
  for (const double score : scores) mean += score / static_cast<double>(scores.size());
  double expected = 0.0;
  int clipped = 0;
  for (size_t i = 0; i < proximal.size(); ++i) {
    const double ratio = std::exp(proximal[i] - recorded[i]);
    clipped += ratio > importance.cap;
    const double weighted = std::min(ratio, importance.cap) * (scores[i / kLength] - mean);
    expected -= weighted * (above[i] - below[i]) / (2 * kStep) / static_cast<double>(scores.size());
  }
  ASSERT_GT(clipped, 0);
  ASSERT_LT(clipped, static_cast<int>(proximal.size()));
  for (const int micro_batch_tokens : {8, 512}) {
    Trainer trainer({.epochs = 1,
                     .micro_batch_tokens = micro_batch_tokens,
                     .threads = 2,
                     .importance = importance},
                    setup.policy.get(), setup.objective.get(), setup.optimizer.get());
    const double slope = trainer.Gradient(*setup.batch).value()[head][0][1].item<double>();
    EXPECT_NEAR(slope, expected, 1e-7);
  }
  EXPECT_GT(
      std::abs(
          expected -
          setup.MakeTrainer(1, 512, 1)->Gradient(*setup.batch).value()[head][0][1].item<double>()),
      1e-4)
      << "the weights matter";
  Trainer trainer({.epochs = 1, .threads = 1, .importance = importance}, setup.policy.get(),
                  setup.objective.get(), setup.optimizer.get());
  const auto result = trainer.Train(*setup.batch, false).value();
  EXPECT_DOUBLE_EQ(result.importance_clip_fraction,
                   static_cast<double>(clipped) / static_cast<double>(proximal.size()));
}

TEST(TrainerTest, WithImportanceCorrectionTheClipLooksAtTheProximalRatio) {
  const auto clip_fraction = [](ImportanceCorrection correction) {
    TrainingFixture setup(ObjectiveKind::kPpo, 4, 8);
    MoveOn(setup);
    Trainer trainer(
        {.epochs = 1, .threads = 1, .importance = {.correction = correction, .cap = 10.0}},
        setup.policy.get(), setup.objective.get(), setup.optimizer.get());
    return trainer.Train(*setup.batch, false).value().diagnostics.clip_fraction;
  };
  EXPECT_GT(clip_fraction(ImportanceCorrection::kNone), 0.0)
      << "stale groups are clipped from the start";
  EXPECT_EQ(clip_fraction(ImportanceCorrection::kTruncate), 0.0);
}

TEST(TrainerTest, ImportanceWeightsOfAnOnPolicyBatchAreOne) {
  TrainingFixture with(ObjectiveKind::kGrpo, 8, 4);
  TrainingFixture without(ObjectiveKind::kGrpo, 8, 4);
  Trainer trainer({.epochs = 3,
                   .micro_batch_tokens = 64,
                   .threads = 1,
                   .importance = {.correction = ImportanceCorrection::kMask, .cap = 1.5}},
                  with.policy.get(), with.objective.get(), with.optimizer.get());
  const auto result = trainer.Train(*with.batch, true).value();
  ASSERT_TRUE(without.MakeTrainer(3, 64, 1)->Train(*without.batch, true).ok());
  // Recorded in single precision.
  EXPECT_LT(LargestDifference(with.Parameters(), without.Parameters()), 1e-4);
  EXPECT_EQ(result.importance_clip_fraction, 0.0);
}

TEST(InspectGroupsTest, ShowsTheTargetThatTheAnchorGives) {
  TrainingFixture setup(ObjectiveKind::kTpo, 2, 8);
  MoveOn(setup);
  const auto result = setup.MakeTrainer(1, 512, 1)->Train(*setup.batch, false).value();
  const auto inspect = [&](Anchor anchor) {
    const ObjectiveSpec objective = SpecWith(ObjectiveKind::kTpo, anchor);
    return InspectGroups(setup.groups, 0, 1, &objective, result.last_log_probs,
                         result.proximal_log_probs)
        .front()
        .completions;
  };
  // In the first epoch the policy is the proximal one.
  for (const Anchor anchor : {Anchor::kProximal, Anchor::kRatio}) {
    for (const InspectedCompletion& completion : inspect(anchor)) {
      EXPECT_NEAR(completion.anchor_probability.value(), completion.policy_probability.value(),
                  1e-12);
    }
  }
  const InspectedCompletion behavior = inspect(Anchor::kBehavior).front();
  EXPECT_GT(std::abs(*behavior.anchor_probability - *behavior.policy_probability), 1e-3);
}

TEST(InspectGroupsTest, ShowsWhatTheObjectiveHas) {
  TrainingFixture setup(ObjectiveKind::kTpo, 2, 8);
  const auto result = setup.MakeTrainer(1, 512, 1)->Train(*setup.batch, true).value();
  const auto inspect = [&](const ObjectiveSpec* objective) {
    return InspectGroups(setup.groups, 0, 1, objective, result.last_log_probs,
                         result.proximal_log_probs)
        .front()
        .completions;
  };
  ObjectiveSpec no_anchor;
  no_anchor.kind = ObjectiveKind::kTpoNoAnchor;
  no_anchor.eta = 0.5;
  const std::vector<InspectedCompletion> without_anchor = inspect(&no_anchor);
  double sum = 0.0;
  for (const InspectedCompletion& completion : without_anchor) {
    sum += std::exp(completion.standardized_score.value() / no_anchor.eta);
  }
  for (const InspectedCompletion& completion : without_anchor) {
    EXPECT_NEAR(completion.target_probability.value(),
                std::exp(*completion.standardized_score / no_anchor.eta) / sum, 1e-12);
  }
  ObjectiveSpec grpo;
  grpo.kind = ObjectiveKind::kGrpo;
  for (const InspectedCompletion& completion : inspect(&grpo)) {
    EXPECT_FALSE(completion.target_probability.has_value());
    EXPECT_TRUE(completion.policy_probability.has_value());
  }
  for (const InspectedCompletion& completion : inspect(nullptr)) {
    EXPECT_FALSE(completion.anchor_probability.has_value());
    EXPECT_FALSE(completion.standardized_score.has_value());
  }
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
                                           ObjectiveKind::kGroupPg, ObjectiveKind::kTpoToken,
                                           ObjectiveKind::kGrpoToken));

}  // namespace
}  // namespace tpo
