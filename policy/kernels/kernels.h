// The element-wise parts of the transformer on a prefix tree, forward and backward; matrix products
// are ATen's.
//
// Two implementations of one table: fused loops for the CPU (compiled for several instruction sets,
// the best one that the processor has is chosen at start) and compositions of ATen operators, which
// run on any device and are what the fused ones are tested against. All take tensors of one dtype,
// float32 or float64, contiguous unless a row stride is named, preallocated by the caller. No
// autograd. Thread-safe: stateless; each call runs on the calling thread.
//
// Shapes: N nodes, d model width, h heads, P path stride (policy/prefix_tree.h).
#ifndef TPO_POLICY_KERNELS_KERNELS_H_
#define TPO_POLICY_KERNELS_KERNELS_H_

#include <string>

#include <ATen/core/Tensor.h>

#include "policy/prefix_tree.h"

namespace tpo {

// Which attention a call computes: node n of `nodes` is row first_row + n of the query-key-value
// buffer, and attends to the rows of its path, scores scaled by 1/sqrt(d / h).
struct TreeAttentionShape {
  const TreeNodes* nodes = nullptr;
  int first_row = 0;
  int heads = 0;
};

class TransformerKernels {
 public:
  virtual ~TransformerKernels() = default;

  // For the logs, e.g. "fused avx512".
  virtual std::string name() const = 0;

  // values [N, d] += bias [d] in place (no-op when bias isn't defined), then normalised =
  // LayerNorm(values) * scale + shift. mean, inverse_std [N] are kept for the backward pass.
  virtual void AddBiasLayerNorm(at::Tensor& values, const at::Tensor& bias, const at::Tensor& scale,
                                const at::Tensor& shift, double epsilon, at::Tensor& normalised,
                                at::Tensor& mean, at::Tensor& inverse_std) const = 0;

  // d_values [N, d] += gradient through the LayerNorm; d_scale, d_shift [d] += theirs.
  virtual void LayerNormBackward(const at::Tensor& d_normalised, const at::Tensor& values,
                                 const at::Tensor& scale, const at::Tensor& mean,
                                 const at::Tensor& inverse_std, at::Tensor& d_values,
                                 at::Tensor& d_scale, at::Tensor& d_shift) const = 0;

  // hidden [N, f] += bias [f] in place, then activated = gelu_tanh(hidden).
  virtual void AddBiasGelu(at::Tensor& hidden, const at::Tensor& bias,
                           at::Tensor& activated) const = 0;

  // gradient [N, f] (of `activated`) becomes the gradient of `hidden` in place; d_bias [f] += its
  // column sums.
  virtual void GeluBackward(const at::Tensor& hidden, at::Tensor& gradient,
                            at::Tensor& d_bias) const = 0;

  // query_key_value [rows, 3d] (query, key, value side by side) -> attended [N, d]; weights [N, h,
  // P] are kept for the backward pass.
  virtual void TreeAttention(const TreeAttentionShape& shape, const at::Tensor& query_key_value,
                             at::Tensor& attended, at::Tensor& weights) const = 0;

  // d_query_key_value [rows, 3d] is overwritten. REQUIRES: first_row == 0 and rows == N.
  virtual void TreeAttentionBackward(const TreeAttentionShape& shape,
                                     const at::Tensor& query_key_value, const at::Tensor& weights,
                                     const at::Tensor& attended, const at::Tensor& d_attended,
                                     at::Tensor& d_query_key_value) const = 0;

  // logits [N, V] become log_softmax(logits / temperature) in place.
  virtual void LogSoftmax(at::Tensor& logits, double temperature) const = 0;

  // sums [c] += column sums of values [N, c].
  virtual void AddColumnSums(const at::Tensor& values, at::Tensor& sums) const = 0;
};

// The fused kernels, for CPU tensors.
const TransformerKernels& FusedKernels();
// The composed kernels, for any device.
const TransformerKernels& ComposedKernels();

}  // namespace tpo

#endif  // TPO_POLICY_KERNELS_KERNELS_H_
