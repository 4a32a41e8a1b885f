#include "learner/optimizers/nesterov_adam.h"

#include <cmath>
#include <utility>

#include <ATen/core/grad_mode.h>
#include <ATen/ops/_foreach_add.h>
#include <ATen/ops/_foreach_mul.h>
#include <ATen/ops/cat.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/sqrt.h>
#include <ATen/ops/zeros.h>

#include "learner/optimizers/bias_correction.h"

namespace tpo {
namespace {

constexpr double kEpsilon = 1e-8;

// The slices of a flat buffer that belong to the parameters, in their shapes.
std::vector<at::Tensor> SplitLike(const at::Tensor& flat,
                                  const std::vector<at::Tensor>& parameters) {
  std::vector<at::Tensor> views;
  int64_t offset = 0;
  for (const at::Tensor& parameter : parameters) {
    views.push_back(flat.narrow(0, offset, parameter.numel()).view(parameter.sizes()));
    offset += parameter.numel();
  }
  return views;
}

}  // namespace

NesterovAdam::NesterovAdam(const MuonSpec& spec, const std::vector<NamedParameter>& parameters,
                           std::vector<size_t> indices)
    : spec_(spec), indices_(std::move(indices)) {
  int64_t total = 0;
  for (const size_t index : indices_) {
    names_.push_back(parameters[index].name);
    parameters_.push_back(parameters[index].tensor);
    total += parameters_.back().numel();
  }
  if (indices_.empty()) return;
  const at::TensorOptions options = parameters_.front().options().requires_grad(false);
  first_moment_ = at::zeros({total}, options);
  second_moment_ = at::zeros({total}, options);
  update_ = at::empty({total}, options);
  denominator_ = at::empty({total}, options);
  update_views_ = SplitLike(update_, parameters_);
}

void NesterovAdam::Step(const std::vector<at::Tensor>& gradients, int64_t step,
                        double learning_rate) {
  if (indices_.empty()) return;
  const at::NoGradGuard no_grad;
  std::vector<at::Tensor> flat_gradients;
  flat_gradients.reserve(indices_.size());
  for (const size_t index : indices_) flat_gradients.push_back(gradients[index].reshape({-1}));
  at::cat_out(update_, flat_gradients);

  first_moment_.mul_(spec_.adam_beta1).add_(update_, 1.0 - spec_.adam_beta1);
  second_moment_.mul_(spec_.adam_beta2).addcmul_(update_, update_, 1.0 - spec_.adam_beta2);
  const MomentumWeights weights = BiasCorrectedWeights(spec_.adam_beta1, spec_.nesterov, step);
  at::sqrt_out(denominator_, second_moment_);
  denominator_.mul_(1.0 / std::sqrt(BiasOfZeroInit(spec_.adam_beta2, step))).add_(kEpsilon);
  update_.mul_(weights.gradient).add_(first_moment_, weights.momentum).div_(denominator_);

  if (spec_.adam_weight_decay != 0.0) {
    at::_foreach_mul_(parameters_, 1.0 - learning_rate * spec_.adam_weight_decay);
  }
  at::_foreach_add_(parameters_, update_views_, -learning_rate);
}

void NesterovAdam::AppendState(std::vector<NamedParameter>& state) const {
  if (indices_.empty()) return;
  const std::vector<at::Tensor> first = SplitLike(first_moment_, parameters_);
  const std::vector<at::Tensor> second = SplitLike(second_moment_, parameters_);
  for (size_t i = 0; i < names_.size(); ++i) {
    state.push_back({names_[i] + "/first_moment", first[i]});
    state.push_back({names_[i] + "/second_moment", second[i]});
  }
}

}  // namespace tpo
