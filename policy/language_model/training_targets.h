// Where the gradients of a layer go, found by name once per backward pass. Internal to
// policy/language_model/.
#ifndef TPO_POLICY_LANGUAGE_MODEL_TRAINING_TARGETS_H_
#define TPO_POLICY_LANGUAGE_MODEL_TRAINING_TARGETS_H_

#include "policy/language_model/attention_gradient.h"
#include "policy/language_model/linear_gradient.h"
#include "policy/language_model/lora_gradient.h"
#include "policy/language_model/training_weights.h"

namespace tpo {

// Of one product's weights, biases and adapters.
template <typename T>
struct ProductTarget {
  ProductTarget(const LinearShape& shape, const ProductAdapters<T>& product,
                const GradientTarget& target)
      : weights(shape, target), adapters(product, shape, target) {}

  bool wanted() const {
    return weights.wants_weights || weights.wants_biases || !adapters.modules.empty();
  }

  LinearTarget weights;
  LoraTarget<T> adapters;
};

// Of all parameters of a layer.
template <typename T>
struct LayerTarget {
  LayerTarget(const LayerShape& shape, const LayerAdapters<T>& adapters,
              const GradientTarget& target)
      : attention_norm(target(shape.attention_norm)),
        feed_forward_norm(target(shape.feed_forward_norm)),
        query_key_value(shape.query_key_value, adapters.query_key_value, target),
        attention_output(shape.attention_output, adapters.attention_output, target),
        gate_up(shape.gate_up, adapters.gate_up, target),
        down(shape.down, adapters.down, target) {
    if (!shape.query_norm.empty()) head_norms = {target(shape.query_norm), target(shape.key_norm)};
  }

  float* attention_norm = nullptr;
  float* feed_forward_norm = nullptr;
  HeadNormTargets head_norms;
  ProductTarget<T> query_key_value;
  ProductTarget<T> attention_output;
  ProductTarget<T> gate_up;
  ProductTarget<T> down;
};

}  // namespace tpo

#endif  // TPO_POLICY_LANGUAGE_MODEL_TRAINING_TARGETS_H_
