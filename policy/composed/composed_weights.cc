#include "policy/composed/composed_weights.h"

#include <cstring>
#include <map>
#include <utility>

#include <ATen/ops/empty.h>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "policy/language_model/lora.h"
#include "policy/parameters.h"

namespace tpo {
namespace {

ComposedLinear MakeLinear(const std::string& module, const ComposedTensorSource& source) {
  ComposedLinear linear;
  linear.weight = source(module + ".weight");
  linear.bias = source(module + ".bias");
  linear.lora_a = source(LoraAName(module));
  linear.lora_b = source(LoraBName(module));
  return linear;
}

}  // namespace

ComposedWeights MakeComposedWeights(const LanguageModelConfig& config,
                                    const ComposedTensorSource& source) {
  ComposedWeights weights;
  weights.embedding = source("model.embed_tokens.weight");
  weights.head = config.tied_head ? weights.embedding : source("lm_head.weight");
  weights.final_norm = source("model.norm.weight");
  for (int index = 0; index < config.layers; ++index) {
    const std::string prefix = absl::StrCat("model.layers.", index, ".");
    const std::string attention = prefix + "self_attn.";
    ComposedLayer layer;
    layer.attention_norm = source(prefix + "input_layernorm.weight");
    layer.query = MakeLinear(attention + "q_proj", source);
    layer.key = MakeLinear(attention + "k_proj", source);
    layer.value = MakeLinear(attention + "v_proj", source);
    layer.query_norm = source(attention + "q_norm.weight");
    layer.key_norm = source(attention + "k_norm.weight");
    layer.attention_output = MakeLinear(attention + "o_proj", source);
    layer.feed_forward_norm = source(prefix + "post_attention_layernorm.weight");
    layer.gate = MakeLinear(prefix + "mlp.gate_proj", source);
    layer.up = MakeLinear(prefix + "mlp.up_proj", source);
    layer.down = MakeLinear(prefix + "mlp.down_proj", source);
    weights.layers.push_back(std::move(layer));
  }
  return weights;
}

bool IsNorm(const std::string& name) { return absl::EndsWith(name, "norm.weight"); }

at::Tensor CopyToDevice(const SafetensorsView& view, at::Device device) {
  at::Tensor staged = at::empty(
      view.spec.shape,
      at::TensorOptions().dtype(ScalarTypeOf(view.spec.type)).pinned_memory(device.is_cuda()));
  std::memcpy(staged.mutable_data_ptr(), view.bytes.data(), staged.nbytes());
  return staged.to(device);
}

void StoreRounded(const at::Tensor& values, bool bfloat16, at::Tensor& target) {
  const bool widened = bfloat16 && target.scalar_type() != at::kBFloat16;
  target.copy_(widened ? values.to(at::kBFloat16) : values);
}

at::Tensor NewRounded(const LanguageModelTensor& parameter, bool bfloat16, at::Device device) {
  const bool half = bfloat16 && !IsNorm(parameter.name);
  return at::empty(parameter.shape,
                   at::TensorOptions().dtype(half ? at::kBFloat16 : at::kFloat).device(device));
}

std::string DescribeComposed(const LanguageModelConfig& config, bool bfloat16, at::Device device) {
  return absl::StrFormat("%s %.1f M parameters %s %s composed", config.model_type,
                         static_cast<double>(CountParameters(config)) * 1e-6,
                         bfloat16 ? "bfloat16" : "float32", device.str());
}

ComposedWeights LoadComposedWeights(const LanguageModelConfig& config, const TensorSource& source,
                                    bool bfloat16, at::Device device) {
  std::map<std::string, at::Tensor> tensors;
  for (const LanguageModelTensor& parameter : LanguageModelTensors(config)) {
    at::Tensor& tensor = tensors[parameter.name];
    tensor = NewRounded(parameter, bfloat16, device);
    StoreRounded(CopyToDevice(source(parameter.name), device), bfloat16, tensor);
  }
  return MakeComposedWeights(config, [&](const std::string& name) {
    const auto found = tensors.find(name);
    return found == tensors.end() ? at::Tensor() : found->second;
  });
}

}  // namespace tpo
