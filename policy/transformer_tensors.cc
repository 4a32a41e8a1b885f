#include "policy/transformer_tensors.h"

namespace tpo {

std::vector<TransformerParameterSpec> TransformerParameters(const TransformerSpec& spec) {
  const int64_t d = spec.d_model;
  const int64_t h = spec.heads;
  const int64_t c = d / h;
  const int64_t f = spec.feed_forward;
  using enum Initialization;
  std::vector<TransformerParameterSpec> all = {
      {"token_embedding", {spec.vocab_size, d}, kTokenEmbedding, 0},
      {"position_embedding", {spec.max_positions, d}, kPositionEmbedding, 0},
  };
  for (int layer = 0; layer < spec.layers; ++layer) {
    const std::string block = "blocks." + std::to_string(layer) + ".";
    const std::vector<TransformerParameterSpec> parameters = {
        {block + "norm1.scale", {d}, kOne, 0},
        {block + "norm1.shift", {d}, kZero, 0},
        {block + "attention.query.kernel", {d, h, c}, kLecunKernel, d},
        {block + "attention.query.bias", {h, c}, kZero, 0},
        {block + "attention.key.kernel", {d, h, c}, kLecunKernel, d},
        {block + "attention.key.bias", {h, c}, kZero, 0},
        {block + "attention.value.kernel", {d, h, c}, kLecunKernel, d},
        {block + "attention.value.bias", {h, c}, kZero, 0},
        {block + "attention.out.kernel", {h, c, d}, kLecunKernel, d},
        {block + "attention.out.bias", {d}, kZero, 0},
        {block + "norm2.scale", {d}, kOne, 0},
        {block + "norm2.shift", {d}, kZero, 0},
        {block + "feed_forward.in.kernel", {d, f}, kLecunKernel, d},
        {block + "feed_forward.in.bias", {f}, kZero, 0},
        {block + "feed_forward.out.kernel", {f, d}, kLecunKernel, f},
        {block + "feed_forward.out.bias", {d}, kZero, 0},
    };
    all.insert(all.end(), parameters.begin(), parameters.end());
  }
  all.push_back({"final_norm.scale", {d}, kOne, 0});
  all.push_back({"final_norm.shift", {d}, kZero, 0});
  all.push_back({"head.kernel", {d, spec.vocab_size}, kLecunKernel, d});
  all.push_back({"head.bias", {spec.vocab_size}, kZero, 0});
  return all;
}

TransformerTensors TransformerTensors::View(const TransformerSpec& spec,
                                            const std::vector<at::Tensor>& tensors) {
  size_t next = 0;
  const auto vector = [&] { return tensors.at(next++).view({-1}); };
  const auto matrix = [&](int64_t rows) { return tensors.at(next++).view({rows, -1}); };
  TransformerTensors view;
  view.token_embedding = matrix(spec.vocab_size);
  view.position_embedding = matrix(spec.max_positions);
  for (int layer = 0; layer < spec.layers; ++layer) {
    TransformerBlock& block = view.blocks.emplace_back();
    block.norm1_scale = vector();
    block.norm1_shift = vector();
    block.query_kernel = matrix(spec.d_model);
    block.query_bias = vector();
    block.key_kernel = matrix(spec.d_model);
    block.key_bias = vector();
    block.value_kernel = matrix(spec.d_model);
    block.value_bias = vector();
    block.out_kernel = matrix(spec.d_model);
    block.out_bias = vector();
    block.norm2_scale = vector();
    block.norm2_shift = vector();
    block.in_kernel = matrix(spec.d_model);
    block.in_bias = vector();
    block.back_kernel = matrix(spec.feed_forward);
    block.back_bias = vector();
  }
  view.final_scale = vector();
  view.final_shift = vector();
  view.head_kernel = matrix(spec.d_model);
  view.head_bias = vector();
  return view;
}

}  // namespace tpo
