#include "learner/learning_rate.h"

#include <algorithm>
#include <cmath>
#include <numbers>

namespace tpo {

double LearningRateFactor(const ScheduleSpec& schedule, int64_t step, int64_t steps) {
  if (step < schedule.warmup_steps) {
    return static_cast<double>(step + 1) / static_cast<double>(schedule.warmup_steps);
  }
  if (schedule.shape == ScheduleShape::kConstant) return 1.0;
  const int64_t length = std::max<int64_t>(steps - schedule.warmup_steps, 1);
  const double done = std::min(
      1.0, static_cast<double>(step - schedule.warmup_steps) / static_cast<double>(length));
  const double left = schedule.shape == ScheduleShape::kLinear
                          ? 1.0 - done
                          : 0.5 * (1.0 + std::cos(std::numbers::pi * done));
  return schedule.final_fraction + (1.0 - schedule.final_fraction) * left;
}

}  // namespace tpo
