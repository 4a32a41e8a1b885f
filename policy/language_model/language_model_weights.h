// The packed weights of a language model. Internal to policy/language_model/.
#ifndef TPO_POLICY_LANGUAGE_MODEL_LANGUAGE_MODEL_WEIGHTS_H_
#define TPO_POLICY_LANGUAGE_MODEL_LANGUAGE_MODEL_WEIGHTS_H_

#include <vector>

#include "policy/language_model/packed_matrix.h"

namespace tpo {

// A product's matrix and its bias, which is empty or as long as the matrix has columns.
template <typename T>
struct PackedLinear {
  PackedMatrix<T> matrix;
  std::vector<float> bias;
};

template <typename T>
struct LanguageModelLayer {
  std::vector<float> attention_norm;  // [hidden]
  PackedLinear<T> query_key_value;    // outputs: all queries, all keys, all values
  std::vector<float> query_norm;      // [head_dim], or empty
  std::vector<float> key_norm;
  PackedLinear<T> attention_output;
  std::vector<float> feed_forward_norm;
  PackedLinear<T> gate_up;  // outputs by turns: 16 of gate_proj, 16 of up_proj
  PackedLinear<T> down;
};

template <typename T>
struct LanguageModelWeights {
  PackedMatrix<T> embedding;  // [vocabulary, hidden]
  PackedMatrix<T> own_head;   // empty when the head is tied
  std::vector<LanguageModelLayer<T>> layers;
  std::vector<float> final_norm;

  const PackedMatrix<T>& head() const { return own_head.panels() > 0 ? own_head : embedding; }
};

}  // namespace tpo

#endif  // TPO_POLICY_LANGUAGE_MODEL_LANGUAGE_MODEL_WEIGHTS_H_
