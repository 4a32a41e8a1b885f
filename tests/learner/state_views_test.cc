#include "learner/state_views.h"

#include <string>
#include <string_view>
#include <vector>

#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include "learner/optimizers/optimizer.h"

namespace tpo {
namespace {

// One of them tall, so that Muon keeps its momentum transposed.
std::vector<NamedParameter> Parameters() {
  at::manual_seed(1);
  return {{"wide", at::randn({3, 8})}, {"tall", at::randn({8, 3})}, {"bias", at::randn({5})}};
}

std::unique_ptr<Optimizer> Stepped(const OptimizerSpec& spec,
                                   const std::vector<NamedParameter>& parameters) {
  auto optimizer = MakeOptimizer(spec, parameters).value();
  std::vector<at::Tensor> gradients;
  for (const NamedParameter& parameter : parameters)
    gradients.push_back(at::randn(parameter.tensor.sizes()));
  optimizer->Step(gradients);
  return optimizer;
}

void ExpectViewsOf(const TensorBundle& bundle, const std::vector<SafetensorsView>& views) {
  ASSERT_EQ(views.size(), bundle.tensors().size());
  for (size_t i = 0; i < views.size(); ++i) {
    const TensorSpec& spec = bundle.tensors()[i];
    EXPECT_EQ(views[i].spec.name, spec.name);
    EXPECT_EQ(views[i].spec.type, spec.type) << spec.name;
    EXPECT_EQ(views[i].spec.shape, spec.shape) << spec.name;
    const absl::Span<const std::byte> bytes = bundle.bytes(spec);
    EXPECT_EQ(views[i].bytes,
              std::string_view(reinterpret_cast<const char*>(bytes.data()), bytes.size()))
        << spec.name;
  }
}

TEST(StateViews, AreTheBytesThatACopyHas) {
  for (const OptimizerSpec& spec :
       {OptimizerSpec(AdamSpec{.learning_rate = 0.1}),
        OptimizerSpec(MuonSpec{.learning_rate = 0.1}),
        OptimizerSpec(SgdSpec{.learning_rate = 0.1, .momentum = 0.9})}) {
    const std::vector<NamedParameter> parameters = Parameters();
    const auto optimizer = Stepped(spec, parameters);
    const auto views = ViewState(parameters, optimizer->State()).value();
    ExpectViewsOf(BundleTensors(parameters).value(), views->model);
    ExpectViewsOf(optimizer->SaveState().value(), views->optimizer);
  }
}

TEST(StateViews, TensorsInOnePieceAreNotCopied) {
  const std::vector<NamedParameter> parameters = Parameters();
  const auto optimizer = Stepped(AdamSpec{.learning_rate = 0.1}, parameters);
  const auto views = ViewState(parameters, optimizer->State()).value();
  EXPECT_EQ(views->model[1].bytes.data(), parameters[1].tensor.const_data_ptr());
  EXPECT_EQ(views->optimizer[0].bytes.data(), optimizer->State()[0].tensor.const_data_ptr());
}

TEST(StateViews, ADtypeThatFilesDontKnowIsRefused) {
  const auto views = ViewState({{"mask", at::zeros({2}, at::kBool)}}, {});
  EXPECT_EQ(views.status().code(), absl::StatusCode::kInvalidArgument);
  EXPECT_NE(views.status().message().find("mask"), absl::string_view::npos);
}

}  // namespace
}  // namespace tpo
