// Training a language model on a device that isn't the host: passes, reference, clipping,
// optimizers and what a checkpoint takes, with the numbers of the CPU.
#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include <ATen/ATen.h>

#include "learner/state_views.h"
#include "learner/trainer.h"
#include "policy/language_model_policy.h"
#include "tests/policy/composed/foreign_device.h"
#include "tests/policy/hugging_face/golden_tensors.h"

namespace tpo {
namespace {

std::vector<ReadyGroup> Groups() {
  std::vector<ReadyGroup> groups(2);
  for (size_t g = 0; g < groups.size(); ++g) {
    groups[g].prompt.id = g;
    groups[g].prompt.tokens = {3, 1, 4, static_cast<TokenId>(g)};
    for (int k = 0; k < 4; ++k) {
      Completion completion;
      for (int t = 0; t < 3 + k; ++t)
        completion.tokens.push_back(static_cast<TokenId>((7 * k + 5 * t * t + g) % 60));
      completion.behavior_log_probs.assign(completion.tokens.size(), -4.0F);
      groups[g].group.completions.push_back(std::move(completion));
      groups[g].group.verdicts.push_back(Verdict::Scored(k % 3));
    }
  }
  return groups;
}

// A learner without its services.
struct Training {
  Training(const ModelDirectory& directory, c10::Device device, const OptimizerSpec& spec) {
    const LanguageModelPolicyOptions options = {
        .bfloat16 = false, .device = device, .composed = true};
    policy = MakeLanguageModelPolicy(directory, options).value();
    optimizer = MakeOptimizer(spec, policy->parameters()).value();
    trainer =
        std::make_unique<Trainer>(Trainer::Options{.epochs = 3,
                                                   .micro_batch_tokens = 24,
                                                   .threads = 2,
                                                   .reference_kl = 0.1,
                                                   .reference = MakeReference(directory, options),
                                                   .gradient_clip_norm = 0.5},
                                  policy.get(), objective.get(), optimizer.get());
  }

  std::unique_ptr<LanguageModelPolicy> policy;
  std::unique_ptr<Objective> objective = MakeObjective({.kind = ObjectiveKind::kTpo}).value();
  std::unique_ptr<Optimizer> optimizer;
  std::unique_ptr<Trainer> trainer;
};

class DeviceTrainingTest : public testing::TestWithParam<std::string> {};

TEST_P(DeviceTrainingTest, StepsAndCheckpointsAreThoseOfTheCpu) {
  const auto directory = ModelDirectory::Open(GetParam()).value();
  // Plain steps, so that rounding stays rounding: the others make steps of full size of it.
  Training expected(*directory, c10::DeviceType::CPU,
                    SgdSpec{.learning_rate = 0.05, .momentum = 0.9});
  Training training(*directory, ForeignDevice(), SgdSpec{.learning_rate = 0.05, .momentum = 0.9});
  const std::vector<ReadyGroup> groups = Groups();
  const Batch batch = Batch::Create(groups, *training.objective, 1.0).value();
  for (int step = 0; step < 2; ++step) {
    const TrainResult wanted = expected.trainer->Train(batch, false).value();
    const TrainResult actual = training.trainer->Train(batch, false).value();
    EXPECT_EQ(actual.skipped, "");
    EXPECT_NEAR(actual.loss, wanted.loss, 1e-5);
    EXPECT_NEAR(actual.grad_norm, wanted.grad_norm, 1e-4 * wanted.grad_norm);
    EXPECT_NEAR(actual.reference_kl, wanted.reference_kl, 1e-6);
  }
  const auto wanted = ViewState(expected.policy->parameters(), expected.optimizer->State()).value();
  const auto actual = ViewState(training.policy->parameters(), training.optimizer->State()).value();
  ASSERT_EQ(actual->model.size(), wanted->model.size());
  ASSERT_EQ(actual->optimizer.size(), wanted->optimizer.size());
  for (size_t i = 0; i < wanted->model.size(); ++i) {
    const size_t count = wanted->model[i].bytes.size() / sizeof(float);
    std::vector<float> ours(count);
    std::vector<float> theirs(count);
    ConvertElements(actual->model[i], 0, count, ours.data());
    ConvertElements(wanted->model[i], 0, count, theirs.data());
    for (size_t j = 0; j < count; ++j)
      ASSERT_NEAR(ours[j], theirs[j], 1e-5) << wanted->model[i].spec.name;
  }
}

TEST(DeviceOptimizersTest, EachStepsThere) {
  const auto directory = ModelDirectory::Open(GoldenModels().front()).value();
  const std::vector<ReadyGroup> groups = Groups();
  for (const OptimizerSpec& spec :
       {OptimizerSpec(MuonSpec{.learning_rate = 1e-3}),
        OptimizerSpec(AdamSpec{.learning_rate = 1e-3, .weight_decay = 0.1, .decoupled = true}),
        OptimizerSpec(AdamSpec{.learning_rate = 1e-3})}) {
    Training training(*directory, ForeignDevice(), spec);
    const Batch batch = Batch::Create(groups, *training.objective, 1.0).value();
    const double before = training.trainer->Train(batch, false).value().loss;
    for (int step = 0; step < 4; ++step) ASSERT_TRUE(training.trainer->Train(batch, false).ok());
    EXPECT_LT(training.trainer->Train(batch, false).value().loss, before);
    EXPECT_TRUE(ViewState(training.policy->parameters(), training.optimizer->State()).ok());
  }
}

INSTANTIATE_TEST_SUITE_P(Models, DeviceTrainingTest, testing::ValuesIn(GoldenModels()),
                         [](const auto& parameter) { return CaseName(parameter.param); });

}  // namespace
}  // namespace tpo
