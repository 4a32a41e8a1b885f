#include "learner/optimizers/optimizer.h"

#include <set>
#include <string>
#include <variant>

#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "core/status_macros.h"
#include "learner/field_checks.h"
#include "learner/optimizers/muon.h"
#include "learner/optimizers/torch_optimizer.h"

namespace tpo {
namespace {

absl::Status CheckDecay(absl::string_view field, double value) {
  if (value >= 0.0 && value < 1.0) return absl::OkStatus();
  return absl::InvalidArgumentError(absl::StrCat(field, " must be in [0, 1), not ", value));
}

absl::Status Validate(const MuonSpec& spec) {
  TPO_RETURN_IF_ERROR(CheckPositive("optimizer learning_rate", spec.learning_rate));
  TPO_RETURN_IF_ERROR(CheckDecay("optimizer momentum", spec.momentum));
  TPO_RETURN_IF_ERROR(CheckNotNegative("optimizer weight_decay", spec.weight_decay));
  TPO_RETURN_IF_ERROR(CheckDecay("optimizer adam_beta1", spec.adam_beta1));
  TPO_RETURN_IF_ERROR(CheckDecay("optimizer adam_beta2", spec.adam_beta2));
  return CheckNotNegative("optimizer adam_weight_decay", spec.adam_weight_decay);
}

absl::Status Validate(const AdamSpec& spec) {
  TPO_RETURN_IF_ERROR(CheckPositive("optimizer learning_rate", spec.learning_rate));
  TPO_RETURN_IF_ERROR(CheckDecay("optimizer beta1", spec.beta1));
  TPO_RETURN_IF_ERROR(CheckDecay("optimizer beta2", spec.beta2));
  TPO_RETURN_IF_ERROR(CheckPositive("optimizer epsilon", spec.epsilon));
  return CheckNotNegative("optimizer weight_decay", spec.weight_decay);
}

absl::Status Validate(const SgdSpec& spec) {
  TPO_RETURN_IF_ERROR(CheckPositive("optimizer learning_rate", spec.learning_rate));
  TPO_RETURN_IF_ERROR(CheckDecay("optimizer momentum", spec.momentum));
  return CheckNotNegative("optimizer weight_decay", spec.weight_decay);
}

absl::Status ValidateParameters(const std::vector<NamedParameter>& parameters) {
  if (parameters.empty()) return absl::InvalidArgumentError("no parameters to optimize");
  std::set<std::string> names;
  const at::Tensor& first = parameters.front().tensor;
  for (const NamedParameter& parameter : parameters) {
    if (!names.insert(parameter.name).second) {
      return absl::InvalidArgumentError(
          absl::StrCat("two parameters have the name ", parameter.name));
    }
    const at::Tensor& tensor = parameter.tensor;
    if (!tensor.is_floating_point() || tensor.scalar_type() != first.scalar_type() ||
        tensor.device() != first.device()) {
      return absl::InvalidArgumentError(absl::StrCat(
          "parameter ", parameter.name, " is ", c10::toString(tensor.scalar_type()), " on ",
          tensor.device().str(), "; all have to be of one floating-point type on one device"));
    }
  }
  return absl::OkStatus();
}

std::unique_ptr<Optimizer> Make(const MuonSpec& spec,
                                const std::vector<NamedParameter>& parameters) {
  return std::make_unique<Muon>(spec, parameters);
}
std::unique_ptr<Optimizer> Make(const AdamSpec& spec,
                                const std::vector<NamedParameter>& parameters) {
  return MakeTorchAdam(spec, parameters);
}
std::unique_ptr<Optimizer> Make(const SgdSpec& spec,
                                const std::vector<NamedParameter>& parameters) {
  return MakeTorchSgd(spec, parameters);
}

}  // namespace

absl::StatusOr<std::unique_ptr<Optimizer>> MakeOptimizer(
    const OptimizerSpec& spec, const std::vector<NamedParameter>& parameters) {
  TPO_RETURN_IF_ERROR(ValidateParameters(parameters));
  return std::visit(
      [&](const auto& options) -> absl::StatusOr<std::unique_ptr<Optimizer>> {
        TPO_RETURN_IF_ERROR(Validate(options));
        return Make(options, parameters);
      },
      spec);
}

}  // namespace tpo
