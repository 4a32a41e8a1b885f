// Cosines and sines of the rotary position embedding, in the convention of transformers: dimension
// i of a head turns with dimension i + head_dim / 2. Grows as positions are asked for; not
// thread-safe while it does.
#ifndef TPO_POLICY_LANGUAGE_MODEL_ROTARY_TABLE_H_
#define TPO_POLICY_LANGUAGE_MODEL_ROTARY_TABLE_H_

#include <vector>

#include "policy/hugging_face/model_config.h"

namespace tpo {

class RotaryTable {
 public:
  explicit RotaryTable(const LanguageModelConfig& config)
      : frequencies_(RotaryFrequencies(config)) {}

  // Makes positions 0 … count - 1 known.
  void Extend(int count);

  // Turns a head [head_dim] in place and multiplies it by `scale`. REQUIRES: the position is known.
  void Turn(int position, float scale, float* head) const;
  // The other way round: the gradient of what was turned from that of the result.
  void TurnBack(int position, float scale, float* head) const;

 private:
  const std::vector<float> frequencies_;
  std::vector<float> cosines_;  // [positions, head_dim / 2]
  std::vector<float> sines_;
};

}  // namespace tpo

#endif  // TPO_POLICY_LANGUAGE_MODEL_ROTARY_TABLE_H_
