#include "learner/objectives/objective_math.h"

#include <algorithm>
#include <cassert>
#include <cmath>
#include <cstddef>

namespace tpo {

Moments PopulationMoments(absl::Span<const double> values) {
  assert(!values.empty());
  Moments moments;
  const double first = values.front();
  moments.all_equal =
      std::all_of(values.begin(), values.end(), [first](double value) { return value == first; });
  if (moments.all_equal) {
    // A rounded mean would leave differences of one unit in the last place.
    moments.mean = first;
    return moments;
  }
  const double count = static_cast<double>(values.size());
  double sum = 0.0;
  for (const double value : values) sum += value;
  moments.mean = sum / count;
  double squares = 0.0;
  for (const double value : values) squares += (value - moments.mean) * (value - moments.mean);
  moments.deviation = std::sqrt(squares / count);
  return moments;
}

void StandardizeScores(absl::Span<const double> scores, absl::Span<double> standardized,
                       const ScoreStandardization& options) {
  assert(scores.size() == standardized.size());
  const Moments moments = PopulationMoments(scores);
  const double deviation =
      std::max(options.shrinkage > 0.0 ? std::hypot(moments.deviation, options.shrinkage)
                                       : moments.deviation,
               options.deviation_floor);
  const double divisor = deviation > kMinDeviation ? deviation : 1.0;
  for (size_t i = 0; i < scores.size(); ++i) standardized[i] = (scores[i] - moments.mean) / divisor;
}

void LogSoftmaxInPlace(absl::Span<double> values) {
  assert(!values.empty());
  const double largest = *std::max_element(values.begin(), values.end());
  double sum = 0.0;
  for (double& value : values) {
    value -= largest;
    sum += std::exp(value);
  }
  const double log_sum = std::log(sum);
  for (double& value : values) value -= log_sum;
}

double EntropyOfLogProbs(absl::Span<const double> log_probs) {
  double entropy = 0.0;
  for (const double log_prob : log_probs) entropy -= std::exp(log_prob) * log_prob;
  return entropy;
}

double SoftmaxEntropy(absl::Span<const double> logits, std::vector<double>& scratch) {
  scratch.assign(logits.begin(), logits.end());
  LogSoftmaxInPlace(absl::MakeSpan(scratch));
  return EntropyOfLogProbs(scratch);
}

std::vector<double> BatchMeanAdvantages(const ObjectiveInput& input) {
  const size_t columns = static_cast<size_t>(input.columns);
  std::vector<double> means(columns, 0.0);
  std::vector<int> counts(columns, 0);
  for (size_t i = 0; i < input.scores.size(); ++i) {
    if (input.valid[i] == 0) continue;
    means[i % columns] += input.scores[i];
    ++counts[i % columns];
  }
  for (size_t column = 0; column < columns; ++column) means[column] /= std::max(counts[column], 1);

  std::vector<double> advantages(input.scores.size(), 0.0);
  for (size_t i = 0; i < advantages.size(); ++i) {
    if (input.valid[i] != 0) advantages[i] = input.scores[i] - means[i % columns];
  }
  return advantages;
}

double ZeroVarianceColumnFraction(const ObjectiveInput& input) {
  const size_t columns = static_cast<size_t>(input.columns);
  int used = 0;
  int equal = 0;
  for (size_t column = 0; column < columns; ++column) {
    const double* first = nullptr;
    bool all_equal = true;
    for (size_t i = column; i < input.scores.size(); i += columns) {
      if (input.valid[i] == 0) continue;
      if (first == nullptr) first = &input.scores[i];
      all_equal = all_equal && input.scores[i] == *first;
    }
    if (first == nullptr) continue;
    ++used;
    if (all_equal) ++equal;
  }
  return used == 0 ? 0.0 : static_cast<double>(equal) / used;
}

ClippedSurrogate ClipSurrogate(double log_ratio, double advantage, double clip_epsilon) {
  if (advantage == 0.0) return {};
  const double ratio = std::exp(log_ratio);
  const double clipped = std::clamp(ratio, 1.0 - clip_epsilon, 1.0 + clip_epsilon);
  const double free_value = ratio * advantage;
  const double clipped_value = clipped * advantage;
  if (clipped_value < free_value) return {clipped_value, 0.0, true};
  return {free_value, free_value, false};
}

}  // namespace tpo
