// Random numbers of one row of a generated dataset: a function of the seed and the row alone, the
// same on every machine. Not thread-safe.
#ifndef TPO_VERIFIER_REASONING_GYM_ROW_RANDOM_H_
#define TPO_VERIFIER_REASONING_GYM_ROW_RANDOM_H_

#include <cstddef>
#include <cstdint>

#include "core/counter_random.h"

namespace tpo {

class RowRandom {
 public:
  RowRandom(uint64_t seed, uint64_t row) : seed_(seed), row_(row) {}

  // Uniform in [0, 1).
  double Uniform() { return UniformAt(seed_, RandomStream::kPrompt, row_, 0, next_++); }
  // Uniform in 0 … count - 1. REQUIRES: count > 0.
  size_t Below(size_t count) { return static_cast<size_t>(Uniform() * static_cast<double>(count)); }

 private:
  const uint64_t seed_;
  const uint64_t row_;
  uint32_t next_ = 0;
};

}  // namespace tpo

#endif  // TPO_VERIFIER_REASONING_GYM_ROW_RANDOM_H_
