// Correction of exponential averages that start at zero; what Muon and its Adam branch share.
#ifndef TPO_LEARNER_OPTIMIZERS_BIAS_CORRECTION_H_
#define TPO_LEARNER_OPTIMIZERS_BIAS_CORRECTION_H_

#include <cmath>
#include <cstdint>

namespace tpo {

// 1 - decay^step: the weight that `step` values have in the average together.
inline double BiasOfZeroInit(double decay, int64_t step) {
  return 1.0 - std::pow(decay, static_cast<double>(step));
}

// An update is momentum · average + gradient · current gradient.
struct MomentumWeights {
  double momentum = 0.0;
  double gradient = 0.0;
};

// With Nesterov the average is looked at one step ahead. `step` counts from 1.
inline MomentumWeights BiasCorrectedWeights(double decay, bool nesterov, int64_t step) {
  if (!nesterov) return {1.0 / BiasOfZeroInit(decay, step), 0.0};
  return {decay / BiasOfZeroInit(decay, step + 1), (1.0 - decay) / BiasOfZeroInit(decay, step)};
}

}  // namespace tpo

#endif  // TPO_LEARNER_OPTIMIZERS_BIAS_CORRECTION_H_
