#include "services/run_directory/error_trend.h"

#include <algorithm>
#include <numeric>
#include <vector>

namespace tpo {

void ErrorTrend::Add(int64_t step, double error) {
  errors_.push_back(error);
  if (errors_.size() > kFinalWindow) errors_.pop_front();
  if (errors_.size() < kMovingWindow) return;
  const double mean = MeanOfLast(kMovingWindow);
  for (size_t level = 0; level < kLevels.size(); ++level) {
    if (!steps_to_level_[level] && mean < kLevels[level]) steps_to_level_[level] = step + 1;
  }
}

std::optional<double> ErrorTrend::moving_mean() const {
  if (errors_.empty()) return std::nullopt;
  return MeanOfLast(kMovingWindow);
}

std::optional<double> ErrorTrend::final_mean() const {
  if (errors_.empty()) return std::nullopt;
  return MeanOfLast(kFinalWindow);
}

std::optional<double> ErrorTrend::final_median() const {
  if (errors_.empty()) return std::nullopt;
  std::vector<double> sorted(errors_.begin(), errors_.end());
  std::sort(sorted.begin(), sorted.end());
  const size_t middle = sorted.size() / 2;
  return sorted.size() % 2 == 1 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2;
}

double ErrorTrend::MeanOfLast(size_t count) const {
  const size_t used = std::min(count, errors_.size());
  // Summed anew each time: a running sum would drift, and 0 % error must read as 0.
  return std::accumulate(errors_.end() - static_cast<long>(used), errors_.end(), 0.0) /
         static_cast<double>(used);
}

}  // namespace tpo
