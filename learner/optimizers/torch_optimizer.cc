#include "learner/optimizers/torch_optimizer.h"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <string>
#include <utility>

#include <ATen/core/grad_mode.h>
#include <ATen/ops/_fused_adam.h>
#include <ATen/ops/_fused_adamw.h>
#include <ATen/ops/_fused_sgd.h>
#include <ATen/ops/full.h>
#include <ATen/ops/zeros.h>
#include <ATen/ops/zeros_like.h>

namespace tpo {
namespace {

// A part of the step has at least so many elements, where there are as many: smaller ones aren't
// worth a thread.
constexpr int64_t kPartElements = 1 << 20;

// Parameters that are updated together.
struct Part {
  std::vector<size_t> indices;  // among the parameters
  std::vector<at::Tensor> parameters;
  // State: for each kind the parameters' tensors.
  std::vector<std::vector<at::Tensor>> moments;
  int64_t elements = 0;
};

// In order, each of at least kPartElements; the largest first.
std::vector<Part> MakeParts(const std::vector<NamedParameter>& parameters) {
  std::vector<Part> parts;
  for (size_t i = 0; i < parameters.size(); ++i) {
    if (parts.empty() || parts.back().elements >= kPartElements) parts.emplace_back();
    parts.back().indices.push_back(i);
    parts.back().parameters.push_back(parameters[i].tensor.detach());
    parts.back().elements += parameters[i].tensor.numel();
  }
  std::stable_sort(parts.begin(), parts.end(),
                   [](const Part& a, const Part& b) { return a.elements > b.elements; });
  return parts;
}

class TorchOptimizer : public Optimizer {
 public:
  void SetLearningRateFactor(double factor) override { factor_ = factor; }

  void BeginStep() override {
    const at::NoGradGuard no_grad;
    step_.add_(1);
  }

  int parts() const override { return static_cast<int>(parts_.size()); }

  void StepPart(int index, const std::vector<at::Tensor>& gradients) override {
    const at::NoGradGuard no_grad;
    const Part& part = parts_[index];
    std::vector<at::Tensor> of_part;
    // The operators take memory as it lies.
    for (const size_t i : part.indices) of_part.push_back(gradients.at(i).detach().contiguous());
    Update(part, of_part);
  }

  std::vector<NamedParameter> State() const override { return state_; }

  absl::Status LoadState(const TensorBundle& state) override { return LoadTensors(state, state_); }

 protected:
  // `moments`: what the state has of each parameter.
  TorchOptimizer(double learning_rate, const std::vector<NamedParameter>& parameters,
                 const std::vector<std::string>& moments)
      : learning_rate_(learning_rate),
        parts_(MakeParts(parameters)),
        state_(moments.size() * parameters.size()),
        step_(at::zeros({}, at::TensorOptions(at::kLong))) {
    for (Part& part : parts_) {
      part.moments.resize(moments.size());
      for (size_t m = 0; m < moments.size(); ++m) {
        for (const size_t i : part.indices) {
          part.moments[m].push_back(at::zeros_like(parameters[i].tensor.detach()));
          state_[i * moments.size() + m] = {parameters[i].name + "/" + moments[m],
                                            part.moments[m].back()};
        }
      }
    }
    state_.push_back({"step", step_});
  }

  double learning_rate() const { return learning_rate_ * factor_; }
  int64_t step() const { return step_.item<int64_t>(); }

 private:
  virtual void Update(const Part& part, const std::vector<at::Tensor>& gradients) = 0;

  const double learning_rate_;
  double factor_ = 1.0;
  std::vector<Part> parts_;
  std::vector<NamedParameter> state_;
  at::Tensor step_;  // int64 scalar: steps taken
};

class TorchAdam final : public TorchOptimizer {
 public:
  TorchAdam(const AdamSpec& spec, const std::vector<NamedParameter>& parameters)
      : TorchOptimizer(spec.learning_rate, parameters, {"first_moment", "second_moment"}),
        spec_(spec) {}

 private:
  void Update(const Part& part, const std::vector<at::Tensor>& gradients) override {
    const std::vector<at::Tensor> steps(
        part.parameters.size(), at::full({}, static_cast<double>(step()),
                                         part.parameters.front().options().dtype(at::kFloat)));
    const auto& first = part.moments[0];
    const auto& second = part.moments[1];
    if (spec_.decoupled) {
      at::_fused_adamw_(part.parameters, gradients, first, second, {}, steps, learning_rate(),
                        spec_.beta1, spec_.beta2, spec_.weight_decay, spec_.epsilon,
                        /*amsgrad=*/false, /*maximize=*/false);
    } else {
      at::_fused_adam_(part.parameters, gradients, first, second, {}, steps, learning_rate(),
                       spec_.beta1, spec_.beta2, spec_.weight_decay, spec_.epsilon,
                       /*amsgrad=*/false, /*maximize=*/false);
    }
  }

  const AdamSpec spec_;
};

class TorchSgd final : public TorchOptimizer {
 public:
  TorchSgd(const SgdSpec& spec, const std::vector<NamedParameter>& parameters)
      : TorchOptimizer(spec.learning_rate, parameters,
                       spec.momentum != 0.0 ? std::vector<std::string>{"momentum"}
                                            : std::vector<std::string>()),
        spec_(spec) {}

 private:
  void Update(const Part& part, const std::vector<at::Tensor>& gradients) override {
    at::_fused_sgd_(part.parameters, gradients,
                    part.moments.empty() ? std::vector<at::Tensor>() : part.moments[0],
                    spec_.weight_decay, spec_.momentum, learning_rate(), /*dampening=*/0.0,
                    /*nesterov=*/false, /*maximize=*/false,
                    // With zeros for momentum a first step is as any other.
                    /*is_first_step=*/false);
  }

  const SgdSpec spec_;
};

}  // namespace

std::unique_ptr<Optimizer> MakeTorchAdam(const AdamSpec& spec,
                                         const std::vector<NamedParameter>& parameters) {
  return std::make_unique<TorchAdam>(spec, parameters);
}

std::unique_ptr<Optimizer> MakeTorchSgd(const SgdSpec& spec,
                                        const std::vector<NamedParameter>& parameters) {
  return std::make_unique<TorchSgd>(spec, parameters);
}

}  // namespace tpo
