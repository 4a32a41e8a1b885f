#include "policy/composed/composed_layers.h"

#include <algorithm>
#include <limits>
#include <vector>

#include <ATen/TensorOperators.h>
#include <ATen/ops/cat.h>
#include <ATen/ops/from_blob.h>
#include <ATen/ops/full.h>
#include <ATen/ops/linear.h>
#include <ATen/ops/rms_norm.h>
#include <ATen/ops/scaled_dot_product_attention.h>
#include <ATen/ops/silu.h>
#include <ATen/ops/tensor.h>

namespace tpo {
namespace {

at::Tensor Apply(const ComposedLinear& linear, double lora_scale, const at::Tensor& x) {
  const at::Tensor y = at::linear(x, linear.weight, linear.bias);
  if (!linear.lora_a.defined() || !x.requires_grad()) return y;
  // The merged weight computes; the adapter adds nothing but its gradient. That of x is the merged
  // weight's already.
  const auto type = x.scalar_type();
  const at::Tensor adapted =
      at::linear(at::linear(x.detach(), linear.lora_a.to(type)), linear.lora_b.to(type))
          .mul(lora_scale);
  return y + (adapted - adapted.detach());
}

at::Tensor Turned(const ComposedRotary& rotary, const at::Tensor& heads) {
  const int64_t half = heads.size(-1) / 2;
  const at::Tensor first = heads.narrow(-1, 0, half);
  const at::Tensor second = heads.narrow(-1, half, half);
  return at::cat({first * rotary.cosines - second * rotary.sines,
                  second * rotary.cosines + first * rotary.sines},
                 -1);
}

}  // namespace

at::Tensor IndexTensor(const int32_t* values, at::IntArrayRef shape, at::Device device) {
  // from_blob has no form for constant memory; it is only read.
  return at::from_blob(const_cast<int32_t*>(values), shape, at::TensorOptions(at::kInt))
      .to(device, at::kLong, /*non_blocking=*/false, /*copy=*/true);
}

ComposedRotary RotaryOf(const LanguageModelConfig& config, const at::Tensor& positions) {
  const at::Tensor frequencies = at::tensor(RotaryFrequencies(config)).to(positions.device());
  // The angle is rounded to float32, as in transformers.
  const at::Tensor angles =
      (positions.to(at::kFloat).view({-1, 1, 1}) * frequencies).to(at::kDouble);
  return {angles.cos().to(at::kFloat), angles.sin().to(at::kFloat)};
}

at::Tensor RootMeanSquareNorm(const LanguageModelConfig& config, const at::Tensor& x,
                              const at::Tensor& weight) {
  return at::rms_norm(x, {x.size(-1)}, weight, config.norm_epsilon);
}

at::Tensor ForwardLayer(const LanguageModelConfig& config, const ComposedLayer& layer,
                        double lora_scale, const ComposedRotary& rotary,
                        const ComposedAttention& attend, const at::Tensor& x) {
  const auto type = layer.query.weight.scalar_type();
  const auto product = [&](const ComposedLinear& linear, const at::Tensor& input) {
    return Apply(linear, lora_scale, input);
  };
  const auto turned = [&](at::Tensor heads, const at::Tensor& norm) {
    heads = heads.to(at::kFloat);
    if (norm.defined()) heads = RootMeanSquareNorm(config, heads, norm);
    return Turned(rotary, heads).to(type);
  };
  const auto split = [&](const at::Tensor& values) {
    return values.view({x.size(0), -1, config.head_dim});
  };
  at::Tensor input = RootMeanSquareNorm(config, x, layer.attention_norm).to(type);
  const at::Tensor queries = turned(split(product(layer.query, input)), layer.query_norm);
  const at::Tensor keys = turned(split(product(layer.key, input)), layer.key_norm);
  const at::Tensor values = split(product(layer.value, input));
  const at::Tensor attended =
      x + product(layer.attention_output, attend(queries, keys, values)).to(at::kFloat);
  input = RootMeanSquareNorm(config, attended, layer.feed_forward_norm).to(type);
  const at::Tensor gated =
      at::silu(product(layer.gate, input).to(at::kFloat)) * product(layer.up, input).to(at::kFloat);
  return attended + product(layer.down, gated.to(type)).to(at::kFloat);
}

at::Tensor AncestorMask(const TreeNodes& nodes, const at::TensorOptions& options) {
  const int64_t count = nodes.size();
  const int32_t depth = nodes.positions.empty()
                            ? 0
                            : *std::max_element(nodes.positions.begin(), nodes.positions.end()) + 1;
  // [N, depth]: a node and its ancestors; what is left of a row names the node itself again.
  std::vector<int32_t> rows(static_cast<size_t>(count) * depth);
  for (int32_t n = 0; n < count; ++n) {
    int32_t* const row = rows.data() + static_cast<size_t>(n) * depth;
    int32_t seen = n;
    for (int32_t i = 0; i < depth; ++i) {
      row[i] = seen;
      seen = nodes.parents[seen] < 0 ? n : nodes.parents[seen];
    }
  }
  const at::Tensor visible = IndexTensor(rows.data(), {count, depth}, options.device());
  return at::full({count, count}, -std::numeric_limits<double>::infinity(), options)
      .scatter_(1, visible, 0.0);
}

at::Tensor AttendToAncestors(const at::Tensor& mask, const at::Tensor& queries,
                             const at::Tensor& keys, const at::Tensor& values) {
  const int64_t rows = queries.size(0);
  const int64_t heads = queries.size(1);
  // Each key for all its queries: with a mask, LibTorch's kernels for CUDA that don't hold all
  // scores at once want as many heads of keys as of queries.
  const auto spread = [&](const at::Tensor& x) {
    return x.repeat_interleave(heads / x.size(1), 1).transpose(0, 1).unsqueeze(0);
  };
  return at::scaled_dot_product_attention(queries.transpose(0, 1).unsqueeze(0), spread(keys),
                                          spread(values), mask.view({1, 1, rows, rows}))
      .squeeze(0)
      .transpose(0, 1)
      .reshape({rows, -1});
}

}  // namespace tpo
