#include <algorithm>
#include <cmath>
#include <string>
#include <tuple>

#include <ATen/ATen.h>

#include "policy/kernels/kernels.h"

namespace tpo {
namespace {

// Path rows [N, P] and which of them hold [N, 1, P], on the device of `like`. Rows beyond a path's
// end name row 0.
std::tuple<at::Tensor, at::Tensor> PathTensors(const TreeNodes& nodes, const at::Tensor& like) {
  const auto options = at::TensorOptions().dtype(at::kInt);
  const int64_t n = nodes.size();
  const int64_t stride = nodes.path_stride;
  at::Tensor paths = at::from_blob(const_cast<int32_t*>(nodes.paths.data()), {n, stride}, options)
                         .to(like.device(), at::kLong);
  at::Tensor positions =
      at::from_blob(const_cast<int32_t*>(nodes.positions.data()), {n, 1}, options)
          .to(like.device(), at::kLong);
  at::Tensor holds =
      at::arange(stride, at::TensorOptions().dtype(at::kLong).device(like.device())).unsqueeze(0) <=
      positions;
  return {at::where(holds, paths, at::zeros_like(paths)), holds.unsqueeze(1)};
}

// Query [N, h, c], and the keys and values of each node's path [N, h, P, c].
struct PathAttention {
  at::Tensor query, keys, values, paths, holds;
  double scale;
};

PathAttention GatherPaths(const TreeAttentionShape& shape, const at::Tensor& query_key_value) {
  const int64_t n = shape.nodes->size();
  const int64_t width = query_key_value.size(1) / 3;
  const int64_t head_width = width / shape.heads;
  auto [paths, holds] = PathTensors(*shape.nodes, query_key_value);
  const at::Tensor gathered = query_key_value.index_select(0, paths.flatten())
                                  .view({n, shape.nodes->path_stride, 3, shape.heads, head_width});
  return {query_key_value.narrow(0, shape.first_row, n)
              .narrow(1, 0, width)
              .reshape({n, shape.heads, head_width}),
          gathered.select(2, 1).transpose(1, 2),
          gathered.select(2, 2).transpose(1, 2),
          paths,
          holds,
          1.0 / std::sqrt(static_cast<double>(head_width))};
}

class ComposedTransformerKernels : public TransformerKernels {
 public:
  std::string name() const override { return "composed"; }

  void AddBiasLayerNorm(at::Tensor& values, const at::Tensor& bias, const at::Tensor& scale,
                        const at::Tensor& shift, double epsilon, at::Tensor& normalised,
                        at::Tensor& mean, at::Tensor& inverse_std) const override {
    if (bias.defined()) values.add_(bias);
    auto [out, out_mean, out_inverse] =
        at::native_layer_norm(values, {values.size(1)}, scale, shift, epsilon);
    normalised.copy_(out);
    mean.copy_(out_mean.flatten());
    inverse_std.copy_(out_inverse.flatten());
  }

  void LayerNormBackward(const at::Tensor& d_normalised, const at::Tensor& values,
                         const at::Tensor& scale, const at::Tensor& mean,
                         const at::Tensor& inverse_std, at::Tensor& d_values, at::Tensor& d_scale,
                         at::Tensor& d_shift) const override {
    const auto [dx, dg, db] = at::native_layer_norm_backward(
        d_normalised, values, {values.size(1)}, mean.unsqueeze(1), inverse_std.unsqueeze(1), scale,
        at::zeros_like(scale), {true, true, true});
    d_values.add_(dx);
    d_scale.add_(dg);
    d_shift.add_(db);
  }

  void AddBiasGelu(at::Tensor& hidden, const at::Tensor& bias,
                   at::Tensor& activated) const override {
    hidden.add_(bias);
    activated.copy_(at::gelu(hidden, "tanh"));
  }

  void GeluBackward(const at::Tensor& hidden, at::Tensor& gradient,
                    at::Tensor& d_bias) const override {
    gradient.copy_(at::gelu_backward(gradient, hidden, "tanh"));
    d_bias.add_(gradient.sum(0));
  }

  void TreeAttention(const TreeAttentionShape& shape, const at::Tensor& query_key_value,
                     at::Tensor& attended, at::Tensor& weights) const override {
    const PathAttention a = GatherPaths(shape, query_key_value);
    const at::Tensor scores = at::matmul(a.keys, a.query.unsqueeze(-1)).squeeze(-1) * a.scale;
    weights.copy_(at::softmax(scores.masked_fill(a.holds.logical_not(), -INFINITY), -1));
    attended.copy_(at::matmul(weights.unsqueeze(2), a.values).reshape(attended.sizes()));
  }

  void TreeAttentionBackward(const TreeAttentionShape& shape, const at::Tensor& query_key_value,
                             const at::Tensor& weights, const at::Tensor& attended,
                             const at::Tensor& d_attended,
                             at::Tensor& d_query_key_value) const override {
    const PathAttention a = GatherPaths(shape, query_key_value);
    const at::Tensor d_out = d_attended.view(a.query.sizes());
    const at::Tensor w = weights.masked_fill(a.holds.logical_not(), 0.0);
    const at::Tensor d_weights = at::matmul(a.values, d_out.unsqueeze(-1)).squeeze(-1);
    const at::Tensor mean = (d_out * attended.view(a.query.sizes())).sum(-1, true);
    const at::Tensor d_scores = w * (d_weights - mean) * a.scale;
    const at::Tensor d_query = at::matmul(d_scores.unsqueeze(2), a.keys).squeeze(2);
    const at::Tensor d_keys = d_scores.unsqueeze(-1) * a.query.unsqueeze(2);
    const at::Tensor d_values = w.unsqueeze(-1) * d_out.unsqueeze(2);
    const int64_t width = attended.size(1);
    const auto scatter = [&](const at::Tensor& per_path, int64_t column) {
      d_query_key_value.narrow(1, column, width)
          .index_add_(0, a.paths.flatten(), per_path.transpose(1, 2).reshape({-1, width}));
    };
    d_query_key_value.zero_();
    d_query_key_value.narrow(1, 0, width).copy_(d_query.reshape(attended.sizes()));
    scatter(d_keys, width);
    scatter(d_values, 2 * width);
  }

  void LogSoftmax(at::Tensor& logits, double temperature) const override {
    logits.copy_(at::log_softmax(logits / temperature, -1));
  }

  void AddColumnSums(const at::Tensor& values, at::Tensor& sums) const override {
    sums.add_(values.sum(0));
  }
};

}  // namespace

const TransformerKernels& ComposedKernels() {
  static const ComposedTransformerKernels kernels;
  return kernels;
}

}  // namespace tpo
