#include "learner/state_views.h"

#include <exception>
#include <utility>

#include <ATen/core/Tensor.h>
#include <ATen/core/grad_mode.h>

#include "absl/strings/str_cat.h"
#include "core/status_macros.h"

namespace tpo {
namespace {

absl::StatusOr<std::vector<SafetensorsView>> ViewTensors(const std::vector<NamedParameter>& tensors,
                                                         std::vector<at::Tensor>& owner) {
  std::vector<SafetensorsView> views;
  for (const NamedParameter& parameter : tensors) {
    SafetensorsView view;
    view.spec.name = parameter.name;
    view.spec.type = TensorTypeOf(parameter.tensor.scalar_type());
    view.spec.shape = parameter.tensor.sizes().vec();
    TPO_ASSIGN_OR_RETURN(view.spec.size_bytes, TensorSizeBytes(view.spec));
    // Neither copies what is like that already.
    owner.push_back(parameter.tensor.detach().cpu().contiguous());
    view.bytes = {static_cast<const char*>(owner.back().const_data_ptr()), view.spec.size_bytes};
    views.push_back(std::move(view));
  }
  return views;
}

}  // namespace

absl::StatusOr<std::shared_ptr<const TensorsInPlace>> ViewState(
    const std::vector<NamedParameter>& parameters,
    const std::vector<NamedParameter>& optimizer_state) {
  const auto owner = std::make_shared<std::vector<at::Tensor>>();
  const auto views = std::make_shared<TensorsInPlace>();
  const at::NoGradGuard no_grad;
  try {
    TPO_ASSIGN_OR_RETURN(views->model, ViewTensors(parameters, *owner));
    TPO_ASSIGN_OR_RETURN(views->optimizer, ViewTensors(optimizer_state, *owner));
  } catch (const std::exception& error) {
    return absl::InternalError(absl::StrCat("reading tensors failed: ", error.what()));
  }
  views->owner = owner;
  return views;
}

}  // namespace tpo
