// Muon against traces of Optax (losses/golden_losses.json: `muon`, `newton_schulz`).
#include <algorithm>
#include <cmath>
#include <cstdio>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include <ATen/TensorOperators.h>
#include <ATen/core/Tensor.h>
#include <ATen/ops/empty_like.h>
#include <ATen/ops/from_blob.h>
#include <gtest/gtest.h>

#include "learner/optimizers/optimizer.h"
#include "learner/optimizers/orthogonalize.h"
#include "tests/golden_data.h"

namespace tpo {
namespace {

using Json = nlohmann::json;

const Json& Golden() {
  static const Json& golden = *new Json(GoldenJsonOrDie("losses/golden_losses.json"));
  return golden;
}

at::Tensor ToTensor(const Json& json, at::ScalarType type) {
  GoldenArray array = GoldenArrayOrDie(json);
  return at::from_blob(array.values.data(), array.shape, at::TensorOptions(at::kDouble))
      .clone()
      .to(type);
}

double LargestMagnitude(const at::Tensor& tensor) {
  return tensor.numel() == 0 ? 0.0 : tensor.abs().max().item<double>();
}

MuonSpec SpecOf(const Json& trace) {
  const Json& arguments = trace["kwargs"];
  MuonSpec spec;
  spec.learning_rate = trace["lr"];
  spec.weight_decay = arguments.value("weight_decay", 0.0);
  spec.adam_weight_decay = arguments.value("adam_weight_decay", 0.0);
  spec.nesterov = arguments.value("nesterov", true);
  return spec;
}

// Compares what the steps so far have changed, not the parameters: their size would hide an error
// in the updates.
double ExpectSameChange(const Json& trace, const NamedParameter& parameter, const Json& golden,
                        double tolerance) {
  const at::Tensor start = ToTensor(trace["param0"][parameter.name], at::kDouble);
  const at::Tensor change = ToTensor(golden, at::kDouble) - start;
  const at::Tensor actual = parameter.tensor.to(at::kDouble) - start;
  const double error = LargestMagnitude(actual - change) / LargestMagnitude(change);
  EXPECT_LE(error, tolerance) << parameter.name;
  return error;
}

TEST(Muon, FollowsTheTracesOfTheReference) {
  int traces = 0;
  for (const Json& trace : Golden()["muon"]) {
    SCOPED_TRACE(trace["name"].get<std::string>());
    const bool is_float32 = trace["dtype"] == "float32";
    const at::ScalarType type = is_float32 ? at::kFloat : at::kDouble;
    // In float32, five iterations that each stretch small singular values by 3.4 stretch rounding
    // as well.
    const double tolerance = is_float32 ? 3e-4 : 1e-8;
    std::vector<NamedParameter> parameters;
    for (const auto& [name, value] : trace["param0"].items()) {
      parameters.push_back({name, ToTensor(value, type).requires_grad_()});
    }
    auto optimizer = MakeOptimizer(SpecOf(trace), parameters);
    ASSERT_TRUE(optimizer.ok()) << optimizer.status();
    double largest_error = 0.0;
    for (const Json& step : trace["steps"]) {
      std::vector<at::Tensor> gradients;
      for (const NamedParameter& parameter : parameters) {
        gradients.push_back(ToTensor(step["grad"][parameter.name], type));
      }
      (*optimizer)->Step(gradients);
      for (const NamedParameter& parameter : parameters) {
        const Json& golden = step["param_after"][parameter.name];
        largest_error =
            std::max(largest_error, ExpectSameChange(trace, parameter, golden, tolerance));
      }
    }
    std::printf("largest error: %s %.2g\n", trace["name"].get<std::string>().c_str(),
                largest_error);
    ++traces;
  }
  EXPECT_EQ(traces, 4);
}

TEST(Orthogonalizer, AgreesWithTheReference) {
  int pairs = 0;
  for (const Json& pair : Golden()["newton_schulz"]) {
    SCOPED_TRACE(pairs);
    at::Tensor input = ToTensor(pair["x"], at::kDouble);
    at::Tensor golden = ToTensor(pair["y"], at::kDouble);
    if (input.size(0) > input.size(1)) {
      input = input.t();
      golden = golden.t();
    }
    at::Tensor stack = input.contiguous().unsqueeze(0);
    at::Tensor result = at::empty_like(stack);
    Orthogonalizer orthogonalizer(1, stack.size(1), stack.size(2), stack.options());
    orthogonalizer.Run(stack, result);
    EXPECT_LE(LargestMagnitude(result.squeeze(0) - golden), 1e-10 * LargestMagnitude(golden));
    ++pairs;
  }
  EXPECT_EQ(pairs, 6);
}

}  // namespace
}  // namespace tpo
