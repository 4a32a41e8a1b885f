#include "learner/optimizers/torch_optimizer.h"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <string>
#include <utility>

#include <ATen/core/grad_mode.h>
#include <ATen/ops/zeros.h>
#include <ATen/ops/zeros_like.h>
#include <torch/optim/adam.h>
#include <torch/optim/adamw.h>
#include <torch/optim/sgd.h>

#include "core/status_macros.h"

namespace tpo {
namespace {

// A part of the step has at least so many elements, where there are as many: smaller ones aren't
// worth a thread.
constexpr int64_t kPartElements = 1 << 20;

// Parameters that are updated together, by an optimizer of their own.
struct Part {
  std::vector<size_t> indices;      // among the parameters
  std::vector<at::Tensor> aliases;  // share the parameters' storage but not their `.grad`
  int64_t elements = 0;
  std::unique_ptr<torch::optim::Optimizer> optimizer;
};

// In order, each of at least kPartElements; the largest first.
std::vector<Part> MakeParts(const std::vector<NamedParameter>& parameters) {
  std::vector<Part> parts;
  for (size_t i = 0; i < parameters.size(); ++i) {
    if (parts.empty() || parts.back().elements >= kPartElements) parts.emplace_back();
    parts.back().indices.push_back(i);
    parts.back().aliases.push_back(parameters[i].tensor.detach());
    parts.back().elements += parameters[i].tensor.numel();
  }
  std::stable_sort(parts.begin(), parts.end(),
                   [](const Part& a, const Part& b) { return a.elements > b.elements; });
  return parts;
}

class TorchOptimizer final : public Optimizer {
 public:
  // `state` are the tensors inside of the parts' optimizers; `set_step` gives their per-parameter
  // counters the value that was loaded.
  TorchOptimizer(double learning_rate, std::vector<Part> parts, std::vector<NamedParameter> state,
                 std::function<void(int64_t)> set_step)
      : learning_rate_(learning_rate),
        parts_(std::move(parts)),
        state_(std::move(state)),
        set_step_(std::move(set_step)),
        step_(at::zeros({}, at::TensorOptions(at::kLong))) {
    state_.push_back({"step", step_});
  }

  void SetLearningRateFactor(double factor) override {
    for (Part& part : parts_) {
      for (torch::optim::OptimizerParamGroup& group : part.optimizer->param_groups())
        group.options().set_lr(learning_rate_ * factor);
    }
  }

  void BeginStep() override {
    const at::NoGradGuard no_grad;
    step_.add_(1);
  }

  int parts() const override { return static_cast<int>(parts_.size()); }

  void StepPart(int index, const std::vector<at::Tensor>& gradients) override {
    Part& part = parts_[index];
    for (size_t i = 0; i < part.aliases.size(); ++i)
      part.aliases[i].mutable_grad() = gradients.at(part.indices[i]).detach();
    part.optimizer->step();
    for (at::Tensor& alias : part.aliases) alias.mutable_grad().reset();
  }

  std::vector<NamedParameter> State() const override { return state_; }

  absl::Status LoadState(const TensorBundle& state) override {
    TPO_RETURN_IF_ERROR(LoadTensors(state, state_));
    set_step_(step_.item<int64_t>());
    return absl::OkStatus();
  }

 private:
  const double learning_rate_;
  std::vector<Part> parts_;
  std::vector<NamedParameter> state_;
  const std::function<void(int64_t)> set_step_;
  at::Tensor step_;  // int64 scalar: steps taken
};

// Makes the optimizers of the parts, and the state that torch::optim would otherwise make at the
// first step, so that it can be loaded before.
template <typename AdamOptimizer, typename State, typename Options>
std::unique_ptr<Optimizer> MakeAdam(const AdamSpec& spec,
                                    const std::vector<NamedParameter>& parameters) {
  const Options options = Options(spec.learning_rate)
                              .betas({spec.beta1, spec.beta2})
                              .eps(spec.epsilon)
                              .weight_decay(spec.weight_decay);
  std::vector<Part> parts = MakeParts(parameters);
  std::vector<NamedParameter> tensors(2 * parameters.size());
  std::vector<State*> states;
  for (Part& part : parts) {
    part.optimizer = std::make_unique<AdamOptimizer>(part.aliases, options);
    for (size_t i = 0; i < part.aliases.size(); ++i) {
      auto state = std::make_unique<State>();
      state->step(0);
      state->exp_avg(at::zeros_like(part.aliases[i]));
      state->exp_avg_sq(at::zeros_like(part.aliases[i]));
      const size_t index = part.indices[i];
      tensors[2 * index] = {parameters[index].name + "/first_moment", state->exp_avg()};
      tensors[2 * index + 1] = {parameters[index].name + "/second_moment", state->exp_avg_sq()};
      states.push_back(state.get());
      part.optimizer->state()[part.aliases[i].unsafeGetTensorImpl()] = std::move(state);
    }
  }
  auto set_step = [states](int64_t step) {
    for (State* state : states) state->step(step);
  };
  return std::make_unique<TorchOptimizer>(spec.learning_rate, std::move(parts), std::move(tensors),
                                          std::move(set_step));
}

}  // namespace

std::unique_ptr<Optimizer> MakeTorchAdam(const AdamSpec& spec,
                                         const std::vector<NamedParameter>& parameters) {
  return spec.decoupled ? MakeAdam<torch::optim::AdamW, torch::optim::AdamWParamState,
                                   torch::optim::AdamWOptions>(spec, parameters)
                        : MakeAdam<torch::optim::Adam, torch::optim::AdamParamState,
                                   torch::optim::AdamOptions>(spec, parameters);
}

std::unique_ptr<Optimizer> MakeTorchSgd(const SgdSpec& spec,
                                        const std::vector<NamedParameter>& parameters) {
  const auto options = torch::optim::SGDOptions(spec.learning_rate)
                           .momentum(spec.momentum)
                           .weight_decay(spec.weight_decay);
  std::vector<Part> parts = MakeParts(parameters);
  std::vector<NamedParameter> tensors(spec.momentum != 0.0 ? parameters.size() : 0);
  for (Part& part : parts) {
    part.optimizer = std::make_unique<torch::optim::SGD>(part.aliases, options);
    if (spec.momentum == 0.0) continue;
    for (size_t i = 0; i < part.aliases.size(); ++i) {
      auto state = std::make_unique<torch::optim::SGDParamState>();
      state->momentum_buffer(at::zeros_like(part.aliases[i]));
      tensors[part.indices[i]] = {parameters[part.indices[i]].name + "/momentum",
                                  state->momentum_buffer()};
      part.optimizer->state()[part.aliases[i].unsafeGetTensorImpl()] = std::move(state);
    }
  }
  return std::make_unique<TorchOptimizer>(spec.learning_rate, std::move(parts), std::move(tensors),
                                          [](int64_t) {});
}

}  // namespace tpo
