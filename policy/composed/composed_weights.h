// What the composed form of a language model computes with: tensors on one device, matrices and
// biases in the type of the computation, norms in float32. Internal to policy/composed/.
//
// Plain data; tensors share their storage with whoever made them. LibTorch's exceptions pass
// through.
#ifndef TPO_POLICY_COMPOSED_COMPOSED_WEIGHTS_H_
#define TPO_POLICY_COMPOSED_COMPOSED_WEIGHTS_H_

#include <functional>
#include <string>
#include <vector>

#include <ATen/core/Tensor.h>

#include "policy/hugging_face/model_config.h"
#include "policy/language_model/language_model.h"

namespace tpo {

struct ComposedLinear {
  at::Tensor weight;  // [out, in]; with an adapter, merged
  at::Tensor bias;    // [out] or undefined
  // The adapter's matrices as they are trained, float32, or undefined: only their gradient comes
  // from them.
  at::Tensor lora_a;
  at::Tensor lora_b;
};

struct ComposedLayer {
  at::Tensor attention_norm;
  ComposedLinear query;
  ComposedLinear key;
  ComposedLinear value;
  at::Tensor query_norm;  // or undefined
  at::Tensor key_norm;
  ComposedLinear attention_output;
  at::Tensor feed_forward_norm;
  ComposedLinear gate;
  ComposedLinear up;
  ComposedLinear down;
};

struct ComposedWeights {
  at::Tensor embedding;  // [vocabulary, hidden]
  at::Tensor head;       // the embedding, when it is tied
  at::Tensor final_norm;
  std::vector<ComposedLayer> layers;
  double lora_scale = 0.0;
};

// The tensor of a parameter's or an adapter's name; undefined: there is none.
using ComposedTensorSource = std::function<at::Tensor(const std::string& name)>;
ComposedWeights MakeComposedWeights(const LanguageModelConfig& config,
                                    const ComposedTensorSource& source);

// Norms are rounded as all parameters are, but multiply in float32.
bool IsNorm(const std::string& name);

// A copy on `device` in the view's own type; through pinned memory when that is a CUDA device.
at::Tensor CopyToDevice(const SafetensorsView& view, at::Device device);

// Writes `values`, of any type, into what the computation reads, `target`: rounded to bfloat16 if
// `bfloat16`, whatever the target's own type is.
void StoreRounded(const at::Tensor& values, bool bfloat16, at::Tensor& target);
// An uninitialised target for a parameter.
at::Tensor NewRounded(const LanguageModelTensor& parameter, bool bfloat16, at::Device device);

// For the logs, e.g. "llama 134.5 M parameters bfloat16 cuda:0 composed".
std::string DescribeComposed(const LanguageModelConfig& config, bool bfloat16, at::Device device);

// The weights of `source`, frozen: what generation and a reference compute with.
ComposedWeights LoadComposedWeights(const LanguageModelConfig& config, const TensorSource& source,
                                    bool bfloat16, at::Device device);

}  // namespace tpo

#endif  // TPO_POLICY_COMPOSED_COMPOSED_WEIGHTS_H_
