#include "policy/language_model/rotary_table.h"

#include <cmath>
#include <cstddef>

namespace tpo {

void RotaryTable::Extend(int count) {
  const size_t half = frequencies_.size();
  for (int position = static_cast<int>(cosines_.size() / half); position < count; ++position) {
    for (const float frequency : frequencies_) {
      // The angle is rounded to float, as in transformers.
      const double angle = static_cast<float>(position) * frequency;
      cosines_.push_back(static_cast<float>(std::cos(angle)));
      sines_.push_back(static_cast<float>(std::sin(angle)));
    }
  }
}

void RotaryTable::Turn(int position, float scale, float* head) const {
  const size_t half = frequencies_.size();
  const float* const cosines = cosines_.data() + position * half;
  const float* const sines = sines_.data() + position * half;
  for (size_t i = 0; i < half; ++i) {
    const float first = head[i];
    const float second = head[i + half];
    head[i] = (first * cosines[i] - second * sines[i]) * scale;
    head[i + half] = (second * cosines[i] + first * sines[i]) * scale;
  }
}

void RotaryTable::TurnBack(int position, float scale, float* head) const {
  const size_t half = frequencies_.size();
  const float* const cosines = cosines_.data() + position * half;
  const float* const sines = sines_.data() + position * half;
  for (size_t i = 0; i < half; ++i) {
    const float first = head[i];
    const float second = head[i + half];
    head[i] = (first * cosines[i] + second * sines[i]) * scale;
    head[i + half] = (second * cosines[i] - first * sines[i]) * scale;
  }
}

}  // namespace tpo
