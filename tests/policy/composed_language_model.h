// A language model composed of LibTorch's operators with its autograd, one sequence at a time: the
// independent implementation that the passes written by hand are tested against.
#ifndef TPO_TESTS_POLICY_COMPOSED_LANGUAGE_MODEL_H_
#define TPO_TESTS_POLICY_COMPOSED_LANGUAGE_MODEL_H_

#include <cmath>
#include <limits>
#include <map>
#include <string>
#include <vector>

#include <ATen/ATen.h>

#include "policy/hugging_face/model_config.h"
#include "policy/parameters.h"

namespace tpo {

class ComposedLanguageModel {
 public:
  // Copies `parameters`; its own require gradients.
  ComposedLanguageModel(const LanguageModelConfig& config,
                        const std::vector<NamedParameter>& parameters)
      : config_(config) {
    for (const NamedParameter& parameter : parameters) {
      at::Tensor copy = parameter.tensor.to(at::kDouble, /*non_blocking=*/false, /*copy=*/true);
      copy.requires_grad_(true);
      parameters_[parameter.name] = copy;
    }
  }

  // Log-probs [tokens, vocabulary] of the token after each.
  at::Tensor LogProbs(const std::vector<TokenId>& tokens, double temperature = 1.0) const {
    const std::vector<int64_t> ids(tokens.begin(), tokens.end());
    const int64_t length = static_cast<int64_t>(ids.size());
    at::Tensor x = At("model.embed_tokens.weight").index_select(0, at::tensor(ids, at::kLong));
    for (int layer = 0; layer < config_.layers; ++layer) {
      const std::string prefix = "model.layers." + std::to_string(layer) + ".";
      x = x + Attention(prefix + "self_attn.", Norm(x, prefix + "input_layernorm.weight"), length);
      const at::Tensor h = Norm(x, prefix + "post_attention_layernorm.weight");
      x = x +
          Linear(at::silu(Linear(h, prefix + "mlp.gate_proj")) * Linear(h, prefix + "mlp.up_proj"),
                 prefix + "mlp.down_proj");
    }
    const at::Tensor head = At(config_.tied_head ? "model.embed_tokens.weight" : "lm_head.weight");
    const at::Tensor logits = at::matmul(Norm(x, "model.norm.weight"), head.t());
    return at::log_softmax(logits / temperature, -1);
  }

  // The gradient of what backward() was called for; undefined when it doesn't depend on it.
  at::Tensor Gradient(const std::string& name) const { return parameters_.at(name).grad(); }

 private:
  const at::Tensor& At(const std::string& name) const { return parameters_.at(name); }

  at::Tensor Norm(const at::Tensor& x, const std::string& name) const {
    return x * at::rsqrt((x * x).mean(-1, true) + config_.norm_epsilon) * At(name);
  }

  at::Tensor Linear(const at::Tensor& x, const std::string& name) const {
    at::Tensor y = at::matmul(x, At(name + ".weight").t());
    const auto bias = parameters_.find(name + ".bias");
    return bias == parameters_.end() ? y : y + bias->second;
  }

  // [heads, length, head_dim], each head turned by its position.
  at::Tensor Turned(const at::Tensor& x) const {
    const int64_t half = config_.head_dim / 2;
    const at::Tensor positions = at::arange(x.size(1), at::kFloat);
    const at::Tensor angles =
        at::outer(positions, at::tensor(RotaryFrequencies(config_))).to(at::kDouble);
    const at::Tensor first = x.slice(-1, 0, half);
    const at::Tensor second = x.slice(-1, half);
    return at::cat({first * angles.cos() - second * angles.sin(),
                    second * angles.cos() + first * angles.sin()},
                   -1);
  }

  at::Tensor Heads(const at::Tensor& x, int heads) const {
    return x.reshape({x.size(0), heads, config_.head_dim}).transpose(0, 1);
  }

  at::Tensor Attention(const std::string& prefix, const at::Tensor& x, int64_t length) const {
    at::Tensor query = Heads(Linear(x, prefix + "q_proj"), config_.heads);
    at::Tensor key = Heads(Linear(x, prefix + "k_proj"), config_.key_value_heads);
    at::Tensor value = Heads(Linear(x, prefix + "v_proj"), config_.key_value_heads);
    if (config_.query_key_norm) {
      query = Norm(query, prefix + "q_norm.weight");
      key = Norm(key, prefix + "k_norm.weight");
    }
    const int64_t group = config_.heads / config_.key_value_heads;
    key = Turned(key).repeat_interleave(group, 0);
    value = value.repeat_interleave(group, 0);
    at::Tensor scores = at::matmul(Turned(query), key.transpose(1, 2)) /
                        std::sqrt(static_cast<double>(config_.head_dim));
    const at::Tensor future = at::ones({length, length}, at::kBool).triu(1);
    scores = scores.masked_fill(future, -std::numeric_limits<double>::infinity());
    const at::Tensor attended =
        at::matmul(at::softmax(scores, -1), value).transpose(0, 1).reshape({length, -1});
    return Linear(attended, prefix + "o_proj");
  }

  const LanguageModelConfig config_;
  std::map<std::string, at::Tensor> parameters_;
};

}  // namespace tpo

#endif  // TPO_TESTS_POLICY_COMPOSED_LANGUAGE_MODEL_H_
