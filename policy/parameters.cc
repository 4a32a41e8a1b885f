#include "policy/parameters.h"

#include <cstddef>
#include <cstdint>
#include <exception>
#include <utility>

#include <ATen/core/grad_mode.h>
#include <ATen/ops/from_blob.h>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "core/status_macros.h"

namespace tpo {
namespace {

// The bytes of a bundle as a tensor that doesn't own them.
at::Tensor View(const std::byte* bytes, const TensorSpec& spec) {
  // from_blob has no form for constant memory; callers only read from such a view.
  return at::from_blob(const_cast<std::byte*>(bytes), spec.shape,
                       at::TensorOptions(ScalarTypeOf(spec.type)));
}

std::string Describe(TensorType type, absl::Span<const int64_t> shape) {
  return absl::StrCat(c10::toString(ScalarTypeOf(type)), " [", absl::StrJoin(shape, ", "), "]");
}

absl::Status CheckMatches(const TensorBundle& bundle, const NamedParameter& parameter) {
  const TensorSpec* spec = bundle.Find(parameter.name);
  if (spec == nullptr) {
    return absl::InvalidArgumentError(absl::StrCat("tensor ", parameter.name, " is missing"));
  }
  const TensorType type = TensorTypeOf(parameter.tensor.scalar_type());
  const at::IntArrayRef sizes = parameter.tensor.sizes();
  const absl::Span<const int64_t> shape(sizes.data(), sizes.size());
  if (spec->type == type && shape == absl::MakeConstSpan(spec->shape)) return absl::OkStatus();
  return absl::InvalidArgumentError(absl::StrCat("tensor ", parameter.name, " is ",
                                                 Describe(spec->type, spec->shape), ", expected ",
                                                 Describe(type, shape)));
}

absl::Status CheckNoSurplus(const TensorBundle& bundle,
                            const std::vector<NamedParameter>& tensors) {
  if (bundle.tensors().size() == tensors.size()) return absl::OkStatus();
  for (const TensorSpec& spec : bundle.tensors()) {
    bool known = false;
    for (const NamedParameter& tensor : tensors) known = known || tensor.name == spec.name;
    if (!known) {
      return absl::InvalidArgumentError(absl::StrCat("tensor ", spec.name, " is not expected"));
    }
  }
  return absl::InvalidArgumentError("two of the tensors to load have the same name");
}

}  // namespace

absl::StatusOr<TensorBundle> BundleTensors(const std::vector<NamedParameter>& tensors,
                                           std::optional<at::ScalarType> type) {
  std::vector<TensorSpec> specs;
  specs.reserve(tensors.size());
  for (const NamedParameter& tensor : tensors) {
    TensorSpec spec;
    spec.name = tensor.name;
    spec.type = TensorTypeOf(type.value_or(tensor.tensor.scalar_type()));
    spec.shape = tensor.tensor.sizes().vec();
    if (spec.type == TensorType::kUnspecified) {
      return absl::InvalidArgumentError(absl::StrCat("tensor ", tensor.name, " has element type ",
                                                     c10::toString(tensor.tensor.scalar_type()),
                                                     ", which cannot be sent"));
    }
    specs.push_back(std::move(spec));
  }
  TPO_ASSIGN_OR_RETURN(TensorBundle bundle, TensorBundle::Create(std::move(specs)));
  const at::NoGradGuard no_grad;
  try {
    for (size_t i = 0; i < tensors.size(); ++i) {
      const TensorSpec& spec = bundle.tensors()[i];
      if (spec.size_bytes > 0) View(bundle.bytes(spec).data(), spec).copy_(tensors[i].tensor);
    }
  } catch (const std::exception& error) {
    return absl::InternalError(absl::StrCat("copying tensors failed: ", error.what()));
  }
  return bundle;
}

absl::Status LoadTensors(const TensorBundle& bundle, const std::vector<NamedParameter>& tensors) {
  for (const NamedParameter& tensor : tensors) {
    TPO_RETURN_IF_ERROR(CheckMatches(bundle, tensor));
  }
  TPO_RETURN_IF_ERROR(CheckNoSurplus(bundle, tensors));
  const at::NoGradGuard no_grad;
  for (const NamedParameter& tensor : tensors) {
    const TensorSpec& spec = *bundle.Find(tensor.name);
    if (spec.size_bytes == 0) continue;
    at::Tensor target = tensor.tensor;
    target.copy_(View(bundle.bytes(spec).data(), spec));
  }
  return absl::OkStatus();
}

TensorType TensorTypeOf(at::ScalarType type) {
  switch (type) {
    case at::kFloat:
      return TensorType::kFloat32;
    case at::kDouble:
      return TensorType::kFloat64;
    case at::kBFloat16:
      return TensorType::kBfloat16;
    case at::kHalf:
      return TensorType::kFloat16;
    case at::kLong:
      return TensorType::kInt64;
    default:
      return TensorType::kUnspecified;
  }
}

at::ScalarType ScalarTypeOf(TensorType type) {
  switch (type) {
    case TensorType::kFloat32:
      return at::kFloat;
    case TensorType::kFloat64:
      return at::kDouble;
    case TensorType::kBfloat16:
      return at::kBFloat16;
    case TensorType::kFloat16:
      return at::kHalf;
    case TensorType::kInt64:
      return at::kLong;
    case TensorType::kUnspecified:
      break;
  }
  return at::ScalarType::Undefined;
}

}  // namespace tpo
