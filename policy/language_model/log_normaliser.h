// The one definition of a token's log-prob, for sampling and for training: logits divided by the
// temperature, log-softmax over the vocabulary, sums in double over blocks of float.
#ifndef TPO_POLICY_LANGUAGE_MODEL_LOG_NORMALISER_H_
#define TPO_POLICY_LANGUAGE_MODEL_LOG_NORMALISER_H_

#include <cmath>
#include <vector>

#include "absl/types/span.h"
#include "policy/language_model/language_loops.h"

namespace tpo {

struct LogNormaliser {
  float maximum = 0.0F;
  double inverse_temperature = 1.0;
  double total = 0.0;  // Σ exp((logit - maximum) · inverse_temperature)

  // Natural logarithm.
  double LogProb(float logit) const {
    return (static_cast<double>(logit) - maximum) * inverse_temperature - std::log(total);
  }
};

// `block_sums` becomes the parts of the total, one for kSumBlock logits each. `entropy`, unless it
// is null, that of the distribution, in nats.
inline LogNormaliser MakeLogNormaliser(const LanguageLoops& loops, absl::Span<const float> logits,
                                       double inverse_temperature, std::vector<float>* block_sums,
                                       double* entropy = nullptr) {
  const int size = static_cast<int>(logits.size());
  LogNormaliser normaliser;
  normaliser.maximum = loops.maximum(logits.data(), size);
  normaliser.inverse_temperature = inverse_temperature;
  const size_t blocks = (size + kSumBlock - 1) / kSumBlock;
  block_sums->resize(entropy == nullptr ? blocks : 2 * blocks);
  loops.exponential_sums(logits.data(), size, normaliser.maximum,
                         static_cast<float>(inverse_temperature), block_sums->data(),
                         entropy == nullptr ? nullptr : block_sums->data() + blocks);
  for (size_t b = 0; b < blocks; ++b) normaliser.total += (*block_sums)[b];
  if (entropy != nullptr) {
    double weighted = 0.0;
    for (size_t b = blocks; b < 2 * blocks; ++b) weighted += (*block_sums)[b];
    // With x as the exponents: log Σ exp(x) - Σ x exp(x) / Σ exp(x).
    *entropy = std::log(normaliser.total) - weighted / normaliser.total;
    block_sums->resize(blocks);
  }
  return normaliser;
}

}  // namespace tpo

#endif  // TPO_POLICY_LANGUAGE_MODEL_LOG_NORMALISER_H_
