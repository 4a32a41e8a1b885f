// How the task error of a run develops: the figures by which runs are compared, because the error
// of a single step is noisy.
#ifndef TPO_SERVICES_RUN_DIRECTORY_ERROR_TREND_H_
#define TPO_SERVICES_RUN_DIRECTORY_ERROR_TREND_H_

#include <array>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <optional>

namespace tpo {

// Not thread-safe. Memory doesn't grow with the run.
class ErrorTrend {
 public:
  static constexpr size_t kMovingWindow = 20;
  static constexpr size_t kFinalWindow = 50;
  static constexpr std::array<double, 3> kLevels = {0.5, 0.1, 0.01};

  // REQUIRES: steps ascend.
  void Add(int64_t step, double error);

  // Mean of the last 20 errors; of all of them while there are fewer, unset before the first.
  std::optional<double> moving_mean() const;
  // Over the last 50 errors, or all while there are fewer.
  std::optional<double> final_mean() const;
  std::optional<double> final_median() const;
  // Number of steps after which the mean of the last 20 errors was first below kLevels[level].
  std::optional<int64_t> steps_to_level(size_t level) const { return steps_to_level_[level]; }

 private:
  double MeanOfLast(size_t count) const;

  std::deque<double> errors_;  // the last kFinalWindow
  std::array<std::optional<int64_t>, kLevels.size()> steps_to_level_;
};

}  // namespace tpo

#endif  // TPO_SERVICES_RUN_DIRECTORY_ERROR_TREND_H_
