// The transformer's tensors by role, in the order in which the policy names them. The same view
// serves the parameters and their gradients. Internal to policy/.
#ifndef TPO_POLICY_TRANSFORMER_TENSORS_H_
#define TPO_POLICY_TRANSFORMER_TENSORS_H_

#include <string>
#include <vector>

#include <ATen/core/Tensor.h>

#include "core/run_spec.h"

namespace tpo {

// How a parameter starts (paper.md §3).
enum class Initialization { kZero, kOne, kLecunKernel, kTokenEmbedding, kPositionEmbedding };

struct TransformerParameterSpec {
  std::string name;
  std::vector<int64_t> shape;
  Initialization initialization = Initialization::kZero;
  int64_t fan_in = 0;  // of a kernel
};

// All parameters in order.
std::vector<TransformerParameterSpec> TransformerParameters(const TransformerSpec& spec);

// Views of one block's tensors with kernels as matrices [in, out] and biases as vectors; they share
// storage with the tensors they were made from.
struct TransformerBlock {
  at::Tensor norm1_scale, norm1_shift;
  at::Tensor query_kernel, query_bias, key_kernel, key_bias, value_kernel, value_bias;
  at::Tensor out_kernel, out_bias;
  at::Tensor norm2_scale, norm2_shift;
  at::Tensor in_kernel, in_bias, back_kernel,
      back_bias;  // feed-forward: width -> feed_forward -> width
};

struct TransformerTensors {
  at::Tensor token_embedding, position_embedding;
  std::vector<TransformerBlock> blocks;
  at::Tensor final_scale, final_shift;
  at::Tensor head_kernel, head_bias;

  // REQUIRES: `tensors` are those of TransformerParameters(spec), in order.
  static TransformerTensors View(const TransformerSpec& spec,
                                 const std::vector<at::Tensor>& tensors);
};

}  // namespace tpo

#endif  // TPO_POLICY_TRANSFORMER_TENSORS_H_
