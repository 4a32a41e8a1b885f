// The composed form of a LanguageModel (decisions 2 and 12): generation with LibTorch's operators
// on any device.
//
// - Weights and the cache of keys and values lie on the device; a step's tokens go there, and the
//   logits after the rows wanted come back, through pinned memory when it is a CUDA device.
// - Attention gathers each row's pages side by side and is LibTorch's scaled_dot_product_attention,
//   some rows at a time, so that what is gathered stays bounded.
// - What else is in the batch changes a row's logits by rounding.
//
// LibTorch's exceptions pass through.
#ifndef TPO_POLICY_COMPOSED_COMPOSED_LANGUAGE_MODEL_H_
#define TPO_POLICY_COMPOSED_COMPOSED_LANGUAGE_MODEL_H_

#include <memory>

#include <c10/core/Device.h>

#include "policy/language_model/language_model.h"

namespace tpo {

std::shared_ptr<const LanguageModel> MakeComposedLanguageModel(const LanguageModelConfig& config,
                                                               const TensorSource& source,
                                                               bool bfloat16, c10::Device device);

// Makes models of the form for a device: kernels of our own on the CPU, unless `composed`, composed
// elsewhere.
LanguageModelFactory LanguageModelFactoryFor(c10::Device device, bool composed);

}  // namespace tpo

#endif  // TPO_POLICY_COMPOSED_COMPOSED_LANGUAGE_MODEL_H_
