// The composed form on a device that isn't the host: parameters, weights, caches and all operators
// there, and the numbers of the CPU.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <memory>
#include <numeric>
#include <optional>
#include <string>
#include <tuple>
#include <vector>

#include <ATen/ATen.h>

#include "policy/composed/composed_language_model.h"
#include "policy/language_model_policy.h"
#include "policy/threads.h"
#include "tests/policy/composed/foreign_device.h"
#include "tests/policy/hugging_face/golden_tensors.h"
#include "tests/policy/language_model/whole_sequence.h"

namespace tpo {
namespace {

PrefixTree MakeTree() {
  const std::vector<TokenId> prompt = {3, 1, 4, 1, 5};
  const std::vector<TokenId> completions[] = {{9, 2, 6, 5}, {9, 2, 7, 1, 8}, {2, 8}};
  std::vector<TreeSequence> sequences;
  for (const std::vector<TokenId>& completion : completions)
    sequences.push_back({prompt, completion, {}});
  return BuildPrefixTree(sequences, 32);
}

struct Result {
  std::vector<double> log_probs;
  std::vector<at::Tensor> gradients;  // on the host
};

Result Compute(const Policy& policy) {
  const PrefixTree tree = MakeTree();
  const auto pass = policy.NewPass();
  const auto log_probs = pass->Forward(tree, 0.7);
  Result result{{log_probs.begin(), log_probs.end()}, {}};
  std::vector<double> coefficients;
  for (size_t e = 0; e < log_probs.size(); ++e) coefficients.push_back(0.3 * (e % 4) - 0.4);
  std::vector<at::Tensor> gradients;
  for (const NamedParameter& parameter : policy.parameters())
    gradients.push_back(at::zeros_like(parameter.tensor));
  pass->Backward(coefficients, gradients);
  for (const at::Tensor& gradient : gradients) result.gradients.push_back(gradient.cpu());
  return result;
}

// By model, type and whether adapters are trained.
class ComposedDeviceTest : public testing::TestWithParam<std::tuple<std::string, bool, bool>> {
 protected:
  ComposedDeviceTest() : directory_(ModelDirectory::Open(std::get<0>(GetParam())).value()) {
    PrepareComputingThread();
  }

  static bool bfloat16() { return std::get<1>(GetParam()); }
  LanguageModelPolicyOptions Options(c10::Device device) const {
    LanguageModelPolicyOptions options;
    options.bfloat16 = bfloat16();
    options.device = device;
    options.composed = true;
    if (std::get<2>(GetParam())) options.lora = LoraSpec{.rank = 3, .alpha = 6.0};
    return options;
  }
  // LibTorch's attention takes another kernel there; logits that are bfloat16 are some 0.03 apart.
  static double Tolerance() { return bfloat16() ? 0.15 : 1e-5; }

  const std::unique_ptr<ModelDirectory> directory_;
};

TEST_P(ComposedDeviceTest, TrainsAsOnTheCpu) {
  const auto expected = MakeLanguageModelPolicy(*directory_, Options(c10::DeviceType::CPU)).value();
  const auto policy = MakeLanguageModelPolicy(*directory_, Options(ForeignDevice())).value();
  EXPECT_NE(policy->description().find(ForeignDevice().str() + " composed"), std::string::npos);
  for (const bool updated : {false, true}) {
    if (updated) {
      for (Policy* const each :
           {static_cast<Policy*>(expected.get()), static_cast<Policy*>(policy.get())}) {
        for (const NamedParameter& parameter : each->parameters()) {
          at::Tensor tensor = parameter.tensor;
          tensor.add_(0.01);
        }
        each->OnParametersChanged();
      }
    }
    const int64_t before = ForeignOperators();
    const Result actual = Compute(*policy);
    EXPECT_GT(ForeignOperators() - before, 100);
    const Result wanted = Compute(*expected);
    for (size_t e = 0; e < wanted.log_probs.size(); ++e)
      EXPECT_NEAR(actual.log_probs[e], wanted.log_probs[e], Tolerance());
    double whole = 0.0;
    for (const at::Tensor& gradient : wanted.gradients)
      whole = std::max(whole, gradient.norm().item<double>());
    for (size_t p = 0; p < wanted.gradients.size(); ++p) {
      EXPECT_EQ(policy->parameters()[p].tensor.device(), ForeignDevice());
      EXPECT_LT((actual.gradients[p] - wanted.gradients[p]).norm().item<double>(),
                Tolerance() * (wanted.gradients[p].norm().item<double>() + 0.01 * whole))
          << policy->parameters()[p].name;
    }
  }
  const TensorBundle snapshot = policy->Snapshot().value();
  const TensorBundle wanted = expected->Snapshot().value();
  for (size_t i = 0; i < wanted.tensors().size(); ++i) {
    EXPECT_TRUE(snapshot.bytes(snapshot.tensors()[i]) == wanted.bytes(wanted.tensors()[i]))
        << wanted.tensors()[i].name;
  }
  // A checkpoint's way back.
  if (!bfloat16() || std::get<2>(GetParam())) {
    EXPECT_TRUE(LoadTensors(wanted, policy->parameters()).ok());
  }
}

TEST_P(ComposedDeviceTest, TheReferenceIsThatOfTheCpu) {
  const PrefixTree tree = MakeTree();
  const auto expected = MakeReference(*directory_, Options(c10::DeviceType::CPU));
  const auto reference = MakeReference(*directory_, Options(ForeignDevice()));
  const auto wanted = expected(tree, 1.0);
  const auto actual = reference(tree, 1.0);
  for (size_t e = 0; e < wanted.size(); ++e) EXPECT_NEAR(actual[e], wanted[e], Tolerance());
}

TEST_P(ComposedDeviceTest, GeneratesAsOnTheCpu) {
  if (std::get<2>(GetParam())) GTEST_SKIP() << "workers merge adapters before";
  const auto make = [&](c10::Device device) {
    return LanguageModelFactoryFor(device, true)(
        directory_->config(), [&](const std::string& name) { return directory_->tensor(name); },
        bfloat16());
  };
  std::vector<TokenId> tokens(40);
  for (size_t i = 0; i < tokens.size(); ++i) tokens[i] = static_cast<TokenId>(i * 37 % 200);
  const auto wanted = LogitsOf(make(c10::DeviceType::CPU), tokens);
  const auto actual = LogitsOf(make(ForeignDevice()), tokens);
  for (size_t i = 0; i < tokens.size(); ++i) {
    for (size_t token = 0; token < wanted[i].size(); ++token)
      ASSERT_NEAR(actual[i][token], wanted[i][token], Tolerance());
  }
}

INSTANTIATE_TEST_SUITE_P(Models, ComposedDeviceTest,
                         testing::Combine(testing::ValuesIn(GoldenModels()), testing::Bool(),
                                          testing::Bool()),
                         [](const auto& parameter) {
                           return CaseName(std::get<0>(parameter.param)) +
                                  (std::get<1>(parameter.param) ? "_bfloat16" : "_float32") +
                                  (std::get<2>(parameter.param) ? "_lora" : "");
                         });

}  // namespace
}  // namespace tpo
