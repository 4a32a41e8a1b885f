#include "policy/composed/composed_tree_pass.h"

#include <utility>

#include <ATen/core/grad_mode.h>
#include <ATen/ops/zeros_like.h>
#include <c10/core/InferenceMode.h>
#include <torch/csrc/autograd/autograd.h>

#include "policy/composed/composed_head.h"
#include "policy/composed/composed_layers.h"

namespace tpo {

// Of the last Forward.
struct ComposedTreePass::Kept {
  explicit Kept(int head_rows) : head(head_rows) {}

  at::Tensor tokens;
  ComposedRotary rotary;
  at::Tensor mask;
  std::vector<at::Tensor> inputs;  // of the layers, then the last one's output
  ScoredTokens scored;
  ComposedHead head;
};

ComposedTreePass::ComposedTreePass(const LanguageModelConfig* config,
                                   const ComposedWeights* weights, const ComposedLeaves* leaves,
                                   int head_rows)
    : config_(*config),
      weights_(*weights),
      leaves_(leaves),
      kept_(std::make_unique<Kept>(head_rows)) {}

ComposedTreePass::~ComposedTreePass() = default;

at::Tensor ComposedTreePass::ForwardLayerAt(int layer, const at::Tensor& x) const {
  const auto attend = [&](const at::Tensor& queries, const at::Tensor& keys,
                          const at::Tensor& values) {
    return AttendToAncestors(kept_->mask, queries, keys, values);
  };
  return ForwardLayer(config_, weights_.layers[layer], weights_.lora_scale, kept_->rotary, attend,
                      x);
}

// Of the rows that are scored, as the head takes them.
at::Tensor ComposedTreePass::FinalHidden(const at::Tensor& x) const {
  return RootMeanSquareNorm(config_, x.index_select(0, kept_->scored.rows()), weights_.final_norm)
      .to(weights_.head.scalar_type());
}

absl::Span<const double> ComposedTreePass::Forward(const PrefixTree& tree, double temperature) {
  // The learner computes in inference mode, whose tensors autograd wouldn't take.
  const c10::InferenceMode normal(false);
  const at::NoGradGuard no_graph;
  const at::Device device = weights_.embedding.device();
  kept_->inputs.clear();
  kept_->mask = at::Tensor();  // before the new one: it is large
  kept_->mask = AncestorMask(tree.nodes, weights_.embedding.options());
  const int64_t count = tree.nodes.size();
  kept_->tokens = IndexTensor(tree.nodes.tokens.data(), {count}, device);
  kept_->rotary = RotaryOf(config_, IndexTensor(tree.nodes.positions.data(), {count}, device));
  std::vector<ScoredRow> scored;
  for (const ScoredToken& token : tree.scored) scored.push_back({token.node, token.token});
  kept_->scored = ScoredTokens(scored, device);
  at::Tensor x = weights_.embedding.index_select(0, kept_->tokens).to(at::kFloat);
  for (int layer = 0; layer < config_.layers; ++layer) {
    if (leaves_ != nullptr) kept_->inputs.push_back(x);
    x = ForwardLayerAt(layer, x);
  }
  kept_->inputs.push_back(x);
  log_probs_.resize(tree.scored.size());
  kept_->scored.ToGivenOrder(
      kept_->head.Forward(kept_->scored, FinalHidden(x), weights_.head, temperature),
      absl::MakeSpan(log_probs_));
  return log_probs_;
}

absl::Span<const double> ComposedTreePass::Entropies() {
  entropies_.resize(log_probs_.size());
  kept_->scored.ToGivenOrder(kept_->head.entropies(), absl::MakeSpan(entropies_));
  return entropies_;
}

// Returns the gradient of the last layer's output.
at::Tensor ComposedTreePass::HeadBackward(absl::Span<const double> coefficients,
                                          std::vector<at::Tensor>& gradients) {
  at::Tensor x = kept_->inputs.back().detach();
  x.requires_grad_(true);
  at::Tensor hidden;
  {
    const at::AutoGradMode graph(true);
    hidden = FinalHidden(x);
  }
  const at::Tensor d_hidden = kept_->head.Backward(
      kept_->scored, hidden.detach(), weights_.head, kept_->scored.FromGivenOrder(coefficients),
      leaves_->head < 0 ? at::Tensor() : gradients[leaves_->head]);
  std::vector<at::Tensor> inputs = {x};
  if (leaves_->final_norm >= 0) inputs.push_back(leaves_->leaves[leaves_->final_norm]);
  const auto results = torch::autograd::grad({hidden}, inputs, {d_hidden});
  if (leaves_->final_norm >= 0) gradients[leaves_->final_norm].add_(results[1]);
  return results[0];
}

// Returns the gradient of the layer's input.
at::Tensor ComposedTreePass::LayerBackward(int layer, const at::Tensor& gradient,
                                           std::vector<at::Tensor>& gradients) {
  std::vector<at::Tensor> inputs = {kept_->inputs[layer].detach()};
  inputs[0].requires_grad_(true);
  for (const int index : leaves_->of_layer[layer]) inputs.push_back(leaves_->leaves[index]);
  at::Tensor output;
  {
    const at::AutoGradMode graph(true);
    output = ForwardLayerAt(layer, inputs[0]);
  }
  const auto results = torch::autograd::grad({output}, inputs, {gradient});
  for (size_t i = 1; i < inputs.size(); ++i)
    gradients[leaves_->of_layer[layer][i - 1]].add_(results[i]);
  return results[0];
}

void ComposedTreePass::Backward(absl::Span<const double> coefficients,
                                std::vector<at::Tensor>& gradients) {
  const c10::InferenceMode normal(false);
  const at::NoGradGuard no_graph;
  at::Tensor gradient = HeadBackward(coefficients, gradients);
  for (int layer = config_.layers - 1; layer >= 0; --layer)
    gradient = LayerBackward(layer, gradient, gradients);
  if (leaves_->embedding >= 0) gradients[leaves_->embedding].index_add_(0, kept_->tokens, gradient);
}

size_t ComposedTreePass::kept_bytes() const {
  size_t bytes = kept_->mask.defined() ? kept_->mask.nbytes() : 0;
  for (const at::Tensor& input : kept_->inputs) bytes += input.nbytes();
  return bytes;
}

}  // namespace tpo
