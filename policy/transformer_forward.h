// Forward and backward computation of the transformer over one thread's preallocated memory.
// Internal to policy/.
#ifndef TPO_POLICY_TRANSFORMER_FORWARD_H_
#define TPO_POLICY_TRANSFORMER_FORWARD_H_

#include <vector>

#include <ATen/core/Tensor.h>

#include "core/run_spec.h"
#include "policy/kernels/kernels.h"
#include "policy/prefix_tree.h"
#include "policy/transformer_tensors.h"

namespace tpo {

// A matrix that keeps its memory when the number of rows changes.
class RowBuffer {
 public:
  // `rows` rows of `columns`, or a vector when columns is 0; contents undefined.
  at::Tensor& Resize(int64_t rows, at::IntArrayRef row_shape, const at::Tensor& like);
  at::Tensor& tensor() { return view_; }

 private:
  at::Tensor memory_;
  at::Tensor view_;
};

// Not thread-safe: one per thread. The parameters behind `tensors` are read at each call.
class TransformerComputation {
 public:
  TransformerComputation(const TransformerSpec& spec, const TransformerTensors* tensors,
                         const TransformerKernels* kernels);

  // Makes room for `rows` rows of queries, keys and values, and reads the parameters' packed copies
  // anew.
  void Reset(int64_t rows);

  // Forwards `nodes` as rows first_row, first_row + 1, … of the cache. Returns their log-probs [N,
  // V].
  at::Tensor& Forward(const TreeNodes& nodes, int64_t first_row, double temperature);

  // Adds the gradient of Σ d_logits · logits of the last Forward, which must have been the first
  // after Reset, to `gradients`. `d_logits` [N, V].
  void Backward(const TreeNodes& nodes, const at::Tensor& d_logits, TransformerTensors& gradients);

 private:
  struct Activations {
    RowBuffer input, normalised1, mean1, inverse_std1, attended, attention_weights;
    RowBuffer middle, normalised2, mean2, inverse_std2, hidden, activated;
    RowBuffer query_key_value;                                // [rows, 3d], the cache
    at::Tensor query_key_value_kernel, query_key_value_bias;  // [d, 3d], [3d]: packed
  };

  void Embed(const TreeNodes& nodes);
  at::Tensor& ForwardBlock(int layer, const TreeAttentionShape& shape, const at::Tensor& input_bias,
                           at::Tensor& input);
  void BackwardBlock(int layer, const TreeAttentionShape& shape, TransformerBlock& gradients);

  const TransformerSpec spec_;
  const TransformerTensors* const tensors_;
  const TransformerKernels* const kernels_;
  std::vector<Activations> layers_;
  RowBuffer output_, final_normalised_, final_mean_, final_inverse_std_, log_probs_,
      positions_part_;
  // Gradients of the pass at hand.
  RowBuffer d_stream_, d_normalised_, d_hidden_, d_attended_, d_query_key_value_;
  at::Tensor token_ids_, position_ids_;
};

}  // namespace tpo

#endif  // TPO_POLICY_TRANSFORMER_FORWARD_H_
