// A layer of a language model in LibTorch's operators, on any device and with its autograd.
// Internal to policy/composed/.
//
// As in the kernels of the CPU, what enters a product is rounded to the type of the computation,
// and all between the products is float32: the residual stream x [rows, hidden], norms, the rotary
// embedding. Unlike there a product's result is rounded to that type too.
//
// Stateless. LibTorch's exceptions pass through.
#ifndef TPO_POLICY_COMPOSED_COMPOSED_LAYERS_H_
#define TPO_POLICY_COMPOSED_COMPOSED_LAYERS_H_

#include <functional>

#include <ATen/core/Tensor.h>

#include "policy/composed/composed_weights.h"
#include "policy/hugging_face/model_config.h"
#include "policy/prefix_tree.h"

namespace tpo {

// float32, of each row [rows, 1, head_dim / 2].
struct ComposedRotary {
  at::Tensor cosines;
  at::Tensor sines;
};
// `positions`: integers [rows].
ComposedRotary RotaryOf(const LanguageModelConfig& config, const at::Tensor& positions);

// float32 of `x` float32.
at::Tensor RootMeanSquareNorm(const LanguageModelConfig& config, const at::Tensor& x,
                              const at::Tensor& weight);

// The attended values [rows, heads · head_dim] of queries [rows, heads, head_dim] over keys and
// values [rows, key-value heads, head_dim], which are the rows' own.
using ComposedAttention = std::function<at::Tensor(
    const at::Tensor& queries, const at::Tensor& keys, const at::Tensor& values)>;

// x after a layer.
at::Tensor ForwardLayer(const LanguageModelConfig& config, const ComposedLayer& layer,
                        double lora_scale, const ComposedRotary& rotary,
                        const ComposedAttention& attend, const at::Tensor& x);

// What is added to the scores of a tree's nodes [N, N], of the type of the computation: 0 for a
// node's ancestors and itself, else -∞.
at::Tensor AncestorMask(const TreeNodes& nodes, const at::TensorOptions& options);
// Attention over a tree with it.
at::Tensor AttendToAncestors(const at::Tensor& mask, const at::Tensor& queries,
                             const at::Tensor& keys, const at::Tensor& values);

// Integers of the host as int64 on a device.
at::Tensor IndexTensor(const int32_t* values, at::IntArrayRef shape, at::Device device);

}  // namespace tpo

#endif  // TPO_POLICY_COMPOSED_COMPOSED_LAYERS_H_
