#include "learner/optimizers/muon.h"

#include <algorithm>
#include <cmath>

#include <ATen/core/grad_mode.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/mul.h>
#include <ATen/ops/stack.h>
#include <ATen/ops/zeros.h>

#include "learner/optimizers/bias_correction.h"

namespace tpo {
namespace {

bool IsMatrix(const NamedParameter& parameter) { return parameter.tensor.dim() == 2; }

std::vector<size_t> IndicesOfOthers(const std::vector<NamedParameter>& parameters) {
  std::vector<size_t> indices;
  for (size_t i = 0; i < parameters.size(); ++i) {
    if (!IsMatrix(parameters[i])) indices.push_back(i);
  }
  return indices;
}

}  // namespace

Muon::Muon(const MuonSpec& spec, const std::vector<NamedParameter>& parameters)
    : spec_(spec),
      adam_(spec, parameters, IndicesOfOthers(parameters)),
      step_(at::zeros({}, at::TensorOptions(at::kLong))) {
  for (size_t i = 0; i < parameters.size(); ++i) {
    if (IsMatrix(parameters[i])) AddToStack(parameters[i], i);
  }
  AllocateBuffers(parameters.front().tensor.options().requires_grad(false));
}

void Muon::AddToStack(const NamedParameter& parameter, size_t index) {
  const int64_t rows = parameter.tensor.size(0);
  const int64_t columns = parameter.tensor.size(1);
  Matrix matrix;
  matrix.name = parameter.name;
  matrix.index = index;
  matrix.parameter = parameter.tensor;
  matrix.transposed = rows > columns;
  matrix.scale = std::sqrt(std::max(1.0, static_cast<double>(columns) / static_cast<double>(rows)));
  const int64_t short_side = std::min(rows, columns);
  const int64_t long_side = std::max(rows, columns);
  auto stack = std::find_if(stacks_.begin(), stacks_.end(), [&](const Stack& candidate) {
    return candidate.rows == short_side && candidate.columns == long_side;
  });
  if (stack == stacks_.end()) {
    stack = stacks_.emplace(stacks_.end());
    stack->rows = short_side;
    stack->columns = long_side;
  }
  stack->matrices.push_back(std::move(matrix));
}

void Muon::AllocateBuffers(const at::TensorOptions& options) {
  int64_t total = 0;
  for (const Stack& stack : stacks_) {
    total += static_cast<int64_t>(stack.matrices.size()) * stack.rows * stack.columns;
  }
  momentum_ = at::zeros({total}, options);
  gradient_ = at::empty({total}, options);
  update_ = at::empty({total}, options);
  int64_t offset = 0;
  for (Stack& stack : stacks_) {
    const int64_t count = static_cast<int64_t>(stack.matrices.size());
    const int64_t size = count * stack.rows * stack.columns;
    const auto view = [&](const at::Tensor& flat) {
      return flat.narrow(0, offset, size).view({count, stack.rows, stack.columns});
    };
    stack.momentum = view(momentum_);
    stack.gradient = view(gradient_);
    stack.update = view(update_);
    stack.orthogonalizer.emplace(count, stack.rows, stack.columns, options);
    offset += size;
  }
}

void Muon::Step(const std::vector<at::Tensor>& gradients) {
  const at::NoGradGuard no_grad;
  step_.add_(1);
  const int64_t step = step_.item<int64_t>();
  if (!stacks_.empty()) {
    for (Stack& stack : stacks_) GatherGradients(gradients, stack);
    momentum_.mul_(spec_.momentum).add_(gradient_, 1.0 - spec_.momentum);
    const MomentumWeights weights = BiasCorrectedWeights(spec_.momentum, spec_.nesterov, step);
    at::mul_out(update_, momentum_, at::Scalar(weights.momentum));
    update_.add_(gradient_, weights.gradient);
    for (Stack& stack : stacks_) {
      stack.orthogonalizer->Run(stack.update, stack.gradient);
      Apply(stack);
    }
  }
  adam_.Step(gradients, step);
}

void Muon::GatherGradients(const std::vector<at::Tensor>& gradients, Stack& stack) {
  std::vector<at::Tensor> oriented;
  oriented.reserve(stack.matrices.size());
  for (const Matrix& matrix : stack.matrices) {
    const at::Tensor& gradient = gradients[matrix.index];
    oriented.push_back(matrix.transposed ? gradient.t() : gradient);
  }
  at::stack_out(stack.gradient, oriented);
}

// REQUIRES: stack.gradient holds the orthogonalized update.
void Muon::Apply(const Stack& stack) const {
  for (size_t i = 0; i < stack.matrices.size(); ++i) {
    const Matrix& matrix = stack.matrices[i];
    const at::Tensor update = stack.gradient.select(0, static_cast<int64_t>(i));
    at::Tensor parameter = matrix.parameter;
    if (spec_.weight_decay != 0.0) {
      parameter.mul_(1.0 - spec_.learning_rate * spec_.weight_decay);
    }
    parameter.add_(matrix.transposed ? update.t() : update, -spec_.learning_rate * matrix.scale);
  }
}

std::vector<NamedParameter> Muon::State() const {
  std::vector<NamedParameter> state = {{"step", step_}};
  for (const Stack& stack : stacks_) {
    for (size_t i = 0; i < stack.matrices.size(); ++i) {
      const at::Tensor momentum = stack.momentum.select(0, static_cast<int64_t>(i));
      state.push_back({stack.matrices[i].name + "/momentum",
                       stack.matrices[i].transposed ? momentum.t() : momentum});
    }
  }
  adam_.AppendState(state);
  return state;
}

absl::StatusOr<TensorBundle> Muon::SaveState() const { return BundleTensors(State()); }

absl::Status Muon::LoadState(const TensorBundle& state) { return LoadTensors(state, State()); }

}  // namespace tpo
