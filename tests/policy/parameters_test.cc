#include "policy/parameters.h"

#include <string>
#include <vector>

#include <ATen/ops/arange.h>
#include <ATen/ops/equal.h>
#include <ATen/ops/full.h>
#include <ATen/ops/zeros.h>
#include <ATen/ops/zeros_like.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace tpo {
namespace {

using ::testing::HasSubstr;

std::vector<NamedParameter> OfEveryType() {
  std::vector<NamedParameter> tensors;
  for (const TensorType type : {TensorType::kFloat32, TensorType::kFloat64, TensorType::kBfloat16,
                                TensorType::kFloat16, TensorType::kInt64}) {
    const at::ScalarType scalar_type = ScalarTypeOf(type);
    EXPECT_EQ(TensorTypeOf(scalar_type), type);
    tensors.push_back(
        {std::string(c10::toString(scalar_type)), at::arange(-3, 3).view({2, 3}).to(scalar_type)});
  }
  tensors.push_back({"scalar", at::full({}, 2.5)});
  tensors.push_back({"empty", at::zeros({0, 4})});
  return tensors;
}

std::vector<NamedParameter> ZerosLike(const std::vector<NamedParameter>& tensors) {
  std::vector<NamedParameter> zeros;
  for (const NamedParameter& tensor : tensors) {
    zeros.push_back({tensor.name, at::zeros_like(tensor.tensor)});
  }
  return zeros;
}

TEST(Parameters, ReturnFromABundleUnchanged) {
  const std::vector<NamedParameter> tensors = OfEveryType();
  const auto bundle = BundleTensors(tensors);
  ASSERT_TRUE(bundle.ok()) << bundle.status();
  const std::vector<NamedParameter> loaded = ZerosLike(tensors);
  const absl::Status status = LoadTensors(*bundle, loaded);
  ASSERT_TRUE(status.ok()) << status;
  for (size_t i = 0; i < tensors.size(); ++i) {
    EXPECT_TRUE(at::equal(loaded[i].tensor, tensors[i].tensor)) << tensors[i].name;
  }
}

TEST(Parameters, LieInTheBundleInRowMajorOrder) {
  const at::Tensor matrix = at::arange(6).view({3, 2}).t();  // rows 0 2 4 and 1 3 5
  const auto bundle = BundleTensors({{"w", matrix}}).value();
  const auto* values = reinterpret_cast<const int64_t*>(bundle.bytes(*bundle.Find("w")).data());
  EXPECT_THAT(std::vector<int64_t>(values, values + 6), ::testing::ElementsAre(0, 2, 4, 1, 3, 5));
}

TEST(Parameters, AreLoadedInPlaceIntoLeavesThatRequireGradients) {
  const auto bundle = BundleTensors({{"w", at::full({2}, 3.0)}}).value();
  const at::Tensor leaf = at::zeros({2}).requires_grad_();
  ASSERT_TRUE(LoadTensors(bundle, {{"w", leaf}}).ok());
  EXPECT_TRUE(at::equal(leaf, at::full({2}, 3.0)));
  EXPECT_TRUE(leaf.is_leaf());
}

TEST(Parameters, OfATypeThatTheWireDoesNotKnowAreRefused) {
  const auto bundle = BundleTensors({{"flags", at::zeros({2}, at::TensorOptions(at::kBool))}});
  EXPECT_EQ(bundle.status().code(), absl::StatusCode::kInvalidArgument);
  EXPECT_THAT(std::string(bundle.status().message()), HasSubstr("flags"));
}

TEST(Parameters, ThatDoNotMatchAreNamedAndNothingIsChanged) {
  const auto bundle = BundleTensors({{"a", at::full({2}, 1.0)}, {"b", at::full({2}, 1.0)}}).value();
  const at::Tensor first = at::zeros({2});
  const auto error_of = [&](std::vector<NamedParameter> targets) {
    targets.insert(targets.begin(), {"a", first});
    const absl::Status status = LoadTensors(bundle, targets);
    EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument);
    EXPECT_TRUE(at::equal(first, at::zeros({2})));
    return std::string(status.message());
  };
  EXPECT_THAT(error_of({{"c", at::zeros({2})}}), HasSubstr("c is missing"));
  EXPECT_THAT(error_of({}), HasSubstr("b is not expected"));
  EXPECT_THAT(error_of({{"b", at::zeros({3})}}), HasSubstr("b is Float [2], expected Float [3]"));
  EXPECT_THAT(error_of({{"b", at::zeros({2}, at::TensorOptions(at::kDouble))}}),
              HasSubstr("expected Double"));
}

}  // namespace
}  // namespace tpo
