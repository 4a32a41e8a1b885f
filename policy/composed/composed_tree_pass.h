// Passes over prefix trees in LibTorch's operators. Internal to policy/composed/.
//
//   Forward     layer by layer without a graph; keeps each layer's input
//   Backward    last layer first: forwards the layer again, with a graph, and lets autograd take
//               its gradient
//
// So a pass holds the layers' inputs, what one layer needs, and a mask [N, N] of the tree's nodes,
// whatever the number of completions; the head works by chunks of rows (composed_head.h).
#ifndef TPO_POLICY_COMPOSED_COMPOSED_TREE_PASS_H_
#define TPO_POLICY_COMPOSED_COMPOSED_TREE_PASS_H_

#include <cstddef>
#include <memory>
#include <vector>

#include <ATen/core/Tensor.h>

#include "policy/composed/composed_weights.h"
#include "policy/hugging_face/model_config.h"
#include "policy/policy.h"

namespace tpo {

// Parameters in the order of the gradients, as they stand in the weights.
struct ComposedLeaves {
  std::vector<at::Tensor> leaves;          // those of layers require gradients
  std::vector<std::vector<int>> of_layer;  // indices into them
  int embedding = -1;                      // -1: isn't trained
  int head = -1;                           // the embedding's, when it is tied
  int final_norm = -1;
};

class ComposedTreePass : public TreePass {
 public:
  // Borrows all. `leaves`: null for passes that are never taken backward, which keep nothing.
  ComposedTreePass(const LanguageModelConfig* config, const ComposedWeights* weights,
                   const ComposedLeaves* leaves, int head_rows);
  ~ComposedTreePass() override;

  // Both may be called in LibTorch's inference mode, but gradients are none of its tensors.
  absl::Span<const double> Forward(const PrefixTree& tree, double temperature) override;
  absl::Span<const double> Entropies() override;
  void Backward(absl::Span<const double> coefficients, std::vector<at::Tensor>& gradients) override;

  // Kept for Backward.
  size_t kept_bytes() const;

 private:
  struct Kept;

  at::Tensor ForwardLayerAt(int layer, const at::Tensor& x) const;
  at::Tensor FinalHidden(const at::Tensor& x) const;
  at::Tensor HeadBackward(absl::Span<const double> coefficients,
                          std::vector<at::Tensor>& gradients);
  at::Tensor LayerBackward(int layer, const at::Tensor& gradient,
                           std::vector<at::Tensor>& gradients);

  const LanguageModelConfig& config_;
  const ComposedWeights& weights_;
  const ComposedLeaves* const leaves_;
  const std::unique_ptr<Kept> kept_;
  std::vector<double> log_probs_;
  std::vector<double> entropies_;
};

}  // namespace tpo

#endif  // TPO_POLICY_COMPOSED_COMPOSED_TREE_PASS_H_
