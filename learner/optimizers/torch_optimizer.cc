#include "learner/optimizers/torch_optimizer.h"

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

class TorchOptimizer final : public Optimizer {
 public:
  // `aliases` are what `optimizer` was made with; `state` are the tensors inside of it; `set_step`
  // gives its per-parameter counters the value that was loaded.
  TorchOptimizer(std::unique_ptr<torch::optim::Optimizer> optimizer,
                 std::vector<at::Tensor> aliases, std::vector<NamedParameter> state,
                 std::function<void(int64_t)> set_step)
      : optimizer_(std::move(optimizer)),
        aliases_(std::move(aliases)),
        state_(std::move(state)),
        set_step_(std::move(set_step)),
        step_(at::zeros({}, at::TensorOptions(at::kLong))) {
    state_.push_back({"step", step_});
  }

  void BeginStep() override {}
  int parts() const override { return 1; }
  void StepPart(int, const std::vector<at::Tensor>& gradients) override {
    TORCH_CHECK(gradients.size() == aliases_.size(), "one gradient per parameter");
    for (size_t i = 0; i < aliases_.size(); ++i) aliases_[i].mutable_grad() = gradients[i].detach();
    optimizer_->step();
    for (at::Tensor& alias : aliases_) alias.mutable_grad().reset();
    step_.add_(1);
  }

  absl::StatusOr<TensorBundle> SaveState() const override { return BundleTensors(state_); }

  absl::Status LoadState(const TensorBundle& state) override {
    TPO_RETURN_IF_ERROR(LoadTensors(state, state_));
    set_step_(step_.item<int64_t>());
    return absl::OkStatus();
  }

 private:
  const std::unique_ptr<torch::optim::Optimizer> optimizer_;
  std::vector<at::Tensor> aliases_;
  std::vector<NamedParameter> state_;
  const std::function<void(int64_t)> set_step_;
  at::Tensor step_;  // int64 scalar: steps taken
};

// Tensors that share the parameters' storage but not their `.grad`.
std::vector<at::Tensor> Aliases(const std::vector<NamedParameter>& parameters) {
  std::vector<at::Tensor> aliases;
  for (const NamedParameter& parameter : parameters) {
    aliases.push_back(parameter.tensor.detach());
  }
  return aliases;
}

// Makes the state that torch::optim would otherwise make at the first step, so that it can be
// loaded before.
template <typename State>
std::unique_ptr<Optimizer> WrapAdam(std::unique_ptr<torch::optim::Optimizer> optimizer,
                                    std::vector<at::Tensor> aliases,
                                    const std::vector<NamedParameter>& parameters) {
  std::vector<NamedParameter> tensors;
  std::vector<State*> states;
  for (size_t i = 0; i < aliases.size(); ++i) {
    auto state = std::make_unique<State>();
    state->step(0);
    state->exp_avg(at::zeros_like(aliases[i]));
    state->exp_avg_sq(at::zeros_like(aliases[i]));
    tensors.push_back({parameters[i].name + "/first_moment", state->exp_avg()});
    tensors.push_back({parameters[i].name + "/second_moment", state->exp_avg_sq()});
    states.push_back(state.get());
    optimizer->state()[aliases[i].unsafeGetTensorImpl()] = std::move(state);
  }
  auto set_step = [states](int64_t step) {
    for (State* state : states) state->step(step);
  };
  return std::make_unique<TorchOptimizer>(std::move(optimizer), std::move(aliases),
                                          std::move(tensors), std::move(set_step));
}

}  // namespace

std::unique_ptr<Optimizer> MakeTorchAdam(const AdamSpec& spec,
                                         const std::vector<NamedParameter>& parameters) {
  std::vector<at::Tensor> aliases = Aliases(parameters);
  if (spec.decoupled) {
    auto options = torch::optim::AdamWOptions(spec.learning_rate)
                       .betas({spec.beta1, spec.beta2})
                       .eps(spec.epsilon)
                       .weight_decay(spec.weight_decay);
    auto optimizer = std::make_unique<torch::optim::AdamW>(aliases, options);
    return WrapAdam<torch::optim::AdamWParamState>(std::move(optimizer), std::move(aliases),
                                                   parameters);
  }
  auto options = torch::optim::AdamOptions(spec.learning_rate)
                     .betas({spec.beta1, spec.beta2})
                     .eps(spec.epsilon)
                     .weight_decay(spec.weight_decay);
  auto optimizer = std::make_unique<torch::optim::Adam>(aliases, options);
  return WrapAdam<torch::optim::AdamParamState>(std::move(optimizer), std::move(aliases),
                                                parameters);
}

std::unique_ptr<Optimizer> MakeTorchSgd(const SgdSpec& spec,
                                        const std::vector<NamedParameter>& parameters) {
  std::vector<at::Tensor> aliases = Aliases(parameters);
  auto options = torch::optim::SGDOptions(spec.learning_rate)
                     .momentum(spec.momentum)
                     .weight_decay(spec.weight_decay);
  auto optimizer = std::make_unique<torch::optim::SGD>(aliases, options);
  std::vector<NamedParameter> tensors;
  if (spec.momentum != 0.0) {
    for (size_t i = 0; i < aliases.size(); ++i) {
      auto state = std::make_unique<torch::optim::SGDParamState>();
      state->momentum_buffer(at::zeros_like(aliases[i]));
      tensors.push_back({parameters[i].name + "/momentum", state->momentum_buffer()});
      optimizer->state()[aliases[i].unsafeGetTensorImpl()] = std::move(state);
    }
  }
  return std::make_unique<TorchOptimizer>(std::move(optimizer), std::move(aliases),
                                          std::move(tensors), [](int64_t) {});
}

}  // namespace tpo
