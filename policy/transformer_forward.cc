#include "policy/transformer_forward.h"

#include <algorithm>

#include <ATen/ATen.h>

namespace tpo {
namespace {

constexpr double kLayerNormEpsilon = 1e-6;

at::Tensor IndexTensor(const std::vector<int32_t>& values, const at::Tensor& like) {
  return at::from_blob(const_cast<int32_t*>(values.data()), {static_cast<int64_t>(values.size())},
                       at::TensorOptions().dtype(at::kInt))
      .to(like.device(), at::kInt, /*non_blocking=*/false, /*copy=*/true);
}

// gradient += left^T · right.
void AddTransposedProduct(const at::Tensor& left, const at::Tensor& right, at::Tensor& gradient) {
  gradient.addmm_(left.t(), right);
}

}  // namespace

at::Tensor& RowBuffer::Resize(int64_t rows, at::IntArrayRef row_shape, const at::Tensor& like) {
  if (!memory_.defined() || memory_.size(0) < rows) {
    std::vector<int64_t> shape = {memory_.defined() ? std::max(rows, memory_.size(0) * 3 / 2)
                                                    : rows};
    shape.insert(shape.end(), row_shape.begin(), row_shape.end());
    memory_ = at::empty(shape, like.options());
    view_ = at::Tensor();
  }
  if (!view_.defined() || view_.size(0) != rows) view_ = memory_.narrow(0, 0, rows);
  return view_;
}

TransformerComputation::TransformerComputation(const TransformerSpec& spec,
                                               const TransformerTensors* tensors,
                                               const TransformerKernels* kernels)
    : spec_(spec), tensors_(tensors), kernels_(kernels), layers_(spec.layers) {}

void TransformerComputation::Reset(int64_t rows) {
  for (int layer = 0; layer < spec_.layers; ++layer) {
    const TransformerBlock& block = tensors_->blocks[layer];
    Activations& a = layers_[layer];
    if (!a.query_key_value_kernel.defined()) {
      a.query_key_value_kernel =
          at::empty({spec_.d_model, 3L * spec_.d_model}, block.query_kernel.options());
      a.query_key_value_bias = at::empty({3L * spec_.d_model}, block.query_bias.options());
    }
    at::cat_out(a.query_key_value_kernel,
                {block.query_kernel, block.key_kernel, block.value_kernel}, 1);
    at::cat_out(a.query_key_value_bias, {block.query_bias, block.key_bias, block.value_bias}, 0);
    a.query_key_value.Resize(rows, {3L * spec_.d_model}, block.query_kernel);
  }
}

void TransformerComputation::Embed(const TreeNodes& nodes) {
  const at::Tensor& like = tensors_->token_embedding;
  token_ids_ = IndexTensor(nodes.tokens, like);
  position_ids_ = IndexTensor(nodes.positions, like);
  at::Tensor& input = layers_[0].input.Resize(nodes.size(), {spec_.d_model}, like);
  at::Tensor& positions = positions_part_.Resize(nodes.size(), {spec_.d_model}, like);
  at::index_select_out(input, tensors_->token_embedding, 0, token_ids_);
  at::index_select_out(positions, tensors_->position_embedding, 0, position_ids_);
  input.add_(positions);
}

at::Tensor& TransformerComputation::ForwardBlock(int layer, const TreeAttentionShape& shape,
                                                 const at::Tensor& input_bias, at::Tensor& input) {
  const TransformerBlock& block = tensors_->blocks[layer];
  Activations& a = layers_[layer];
  const int64_t n = shape.nodes->size();
  const int64_t d = spec_.d_model;
  at::Tensor& normalised1 = a.normalised1.Resize(n, {d}, input);
  kernels_->AddBiasLayerNorm(input, input_bias, block.norm1_scale, block.norm1_shift,
                             kLayerNormEpsilon, normalised1, a.mean1.Resize(n, {}, input),
                             a.inverse_std1.Resize(n, {}, input));
  at::Tensor rows = a.query_key_value.tensor().narrow(0, shape.first_row, n);
  at::addmm_out(rows, a.query_key_value_bias, normalised1, a.query_key_value_kernel);
  at::Tensor& attended = a.attended.Resize(n, {d}, input);
  kernels_->TreeAttention(
      shape, a.query_key_value.tensor(), attended,
      a.attention_weights.Resize(n, {spec_.heads, shape.nodes->path_stride}, input));

  at::Tensor& middle = a.middle.Resize(n, {d}, input);
  at::addmm_out(middle, input, attended, block.out_kernel);
  at::Tensor& normalised2 = a.normalised2.Resize(n, {d}, input);
  kernels_->AddBiasLayerNorm(middle, block.out_bias, block.norm2_scale, block.norm2_shift,
                             kLayerNormEpsilon, normalised2, a.mean2.Resize(n, {}, input),
                             a.inverse_std2.Resize(n, {}, input));
  at::Tensor& hidden = a.hidden.Resize(n, {spec_.feed_forward}, input);
  at::mm_out(hidden, normalised2, block.in_kernel);
  at::Tensor& activated = a.activated.Resize(n, {spec_.feed_forward}, input);
  kernels_->AddBiasGelu(hidden, block.in_bias, activated);
  RowBuffer& output = layer + 1 < spec_.layers ? layers_[layer + 1].input : output_;
  at::Tensor& next = output.Resize(n, {d}, input);
  at::addmm_out(next, middle, activated, block.back_kernel);
  return next;
}

at::Tensor& TransformerComputation::Forward(const TreeNodes& nodes, int64_t first_row,
                                            double temperature) {
  const TreeAttentionShape shape{&nodes, static_cast<int>(first_row), spec_.heads};
  const int64_t n = nodes.size();
  Embed(nodes);
  // A block's last bias is added where its output is read: by the next LayerNorm.
  at::Tensor* stream = &layers_[0].input.tensor();
  at::Tensor bias;
  for (int layer = 0; layer < spec_.layers; ++layer) {
    stream = &ForwardBlock(layer, shape, bias, *stream);
    bias = tensors_->blocks[layer].back_bias;
  }
  at::Tensor& normalised = final_normalised_.Resize(n, {spec_.d_model}, *stream);
  kernels_->AddBiasLayerNorm(*stream, bias, tensors_->final_scale, tensors_->final_shift,
                             kLayerNormEpsilon, normalised, final_mean_.Resize(n, {}, *stream),
                             final_inverse_std_.Resize(n, {}, *stream));
  at::Tensor& log_probs = log_probs_.Resize(n, {spec_.vocab_size}, *stream);
  at::addmm_out(log_probs, tensors_->head_bias, normalised, tensors_->head_kernel);
  kernels_->LogSoftmax(log_probs, temperature);
  return log_probs;
}

void TransformerComputation::BackwardBlock(int layer, const TreeAttentionShape& shape,
                                           TransformerBlock& gradients) {
  const TransformerBlock& block = tensors_->blocks[layer];
  Activations& a = layers_[layer];
  const int64_t n = shape.nodes->size();
  const int64_t d = spec_.d_model;
  at::Tensor& d_stream = d_stream_.tensor();
  at::Tensor& d_normalised = d_normalised_.tensor();

  kernels_->AddColumnSums(d_stream, gradients.back_bias);
  AddTransposedProduct(a.activated.tensor(), d_stream, gradients.back_kernel);
  at::Tensor& d_hidden = d_hidden_.Resize(n, {spec_.feed_forward}, d_stream);
  at::mm_out(d_hidden, d_stream, block.back_kernel.t());
  kernels_->GeluBackward(a.hidden.tensor(), d_hidden, gradients.in_bias);
  AddTransposedProduct(a.normalised2.tensor(), d_hidden, gradients.in_kernel);
  at::mm_out(d_normalised, d_hidden, block.in_kernel.t());
  kernels_->LayerNormBackward(d_normalised, a.middle.tensor(), block.norm2_scale, a.mean2.tensor(),
                              a.inverse_std2.tensor(), d_stream, gradients.norm2_scale,
                              gradients.norm2_shift);

  kernels_->AddColumnSums(d_stream, gradients.out_bias);
  AddTransposedProduct(a.attended.tensor(), d_stream, gradients.out_kernel);
  at::Tensor& d_attended = d_attended_.Resize(n, {d}, d_stream);
  at::mm_out(d_attended, d_stream, block.out_kernel.t());
  at::Tensor& d_query_key_value = d_query_key_value_.Resize(n, {3 * d}, d_stream);
  kernels_->TreeAttentionBackward(shape, a.query_key_value.tensor(), a.attention_weights.tensor(),
                                  a.attended.tensor(), d_attended, d_query_key_value);
  const at::Tensor d_kernel = at::mm(a.normalised1.tensor().t(), d_query_key_value);
  at::Tensor d_bias = at::zeros({3 * d}, d_stream.options());
  kernels_->AddColumnSums(d_query_key_value, d_bias);
  at::Tensor* kernels[] = {&gradients.query_kernel, &gradients.key_kernel, &gradients.value_kernel};
  at::Tensor* biases[] = {&gradients.query_bias, &gradients.key_bias, &gradients.value_bias};
  for (int part = 0; part < 3; ++part) {
    kernels[part]->add_(d_kernel.narrow(1, part * d, d));
    biases[part]->add_(d_bias.narrow(0, part * d, d));
  }
  at::mm_out(d_normalised, d_query_key_value, a.query_key_value_kernel.t());
  kernels_->LayerNormBackward(d_normalised, a.input.tensor(), block.norm1_scale, a.mean1.tensor(),
                              a.inverse_std1.tensor(), d_stream, gradients.norm1_scale,
                              gradients.norm1_shift);
}

void TransformerComputation::Backward(const TreeNodes& nodes, const at::Tensor& d_logits,
                                      TransformerTensors& gradients) {
  const TreeAttentionShape shape{&nodes, 0, spec_.heads};
  const int64_t n = nodes.size();
  AddTransposedProduct(final_normalised_.tensor(), d_logits, gradients.head_kernel);
  kernels_->AddColumnSums(d_logits, gradients.head_bias);
  at::Tensor& d_normalised = d_normalised_.Resize(n, {spec_.d_model}, d_logits);
  at::mm_out(d_normalised, d_logits, tensors_->head_kernel.t());
  at::Tensor& d_stream = d_stream_.Resize(n, {spec_.d_model}, d_logits);
  d_stream.zero_();
  kernels_->LayerNormBackward(d_normalised, output_.tensor(), tensors_->final_scale,
                              final_mean_.tensor(), final_inverse_std_.tensor(), d_stream,
                              gradients.final_scale, gradients.final_shift);
  for (int layer = spec_.layers - 1; layer >= 0; --layer) {
    BackwardBlock(layer, shape, gradients.blocks[layer]);
  }
  gradients.token_embedding.index_add_(0, token_ids_, d_stream);
  gradients.position_embedding.index_add_(0, position_ids_, d_stream);
}

}  // namespace tpo
